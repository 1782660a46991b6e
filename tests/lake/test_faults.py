"""What can go wrong between a process and its lake is said in one line that names what to do and no password."""

from __future__ import annotations

import sys
from pathlib import Path

import psycopg
import pytest
from writing import another_writer

from pipeline.errors import SettingsError, StoreUnavailableError
from pipeline.settings import Settings
from pipeline.store import Store
from pipeline.store.snapshot import snapshot_reader

INSERT = "INSERT INTO stale_conversations (workspace_id, conversation_id) VALUES ('w', ?)"


def settings_for(tmp_path: Path, **fields: object) -> Settings:
    return Settings(home=tmp_path / "home", **fields)  # type: ignore[arg-type]


def test_a_server_that_is_away(tmp_path: Path) -> None:
    settings = settings_for(tmp_path, catalog="postgresql://me:hunter2@127.0.0.1:1/db", data_path=tmp_path / "data")
    for enter in (Store(settings).write, Store(settings).read, snapshot_reader(settings, "data", {}).cursor):
        with pytest.raises(StoreUnavailableError, match=r"127\.0\.0\.1:1/db .*does not answer") as caught, enter():
            pass
        assert "hunter2" not in str(caught.value)
        assert "\n" not in str(caught.value)
    assert "hunter2" not in repr(settings)


@pytest.mark.parametrize("catalog", ["mysql://me:hunter2@db/x", "postgresql://me:hunter2@db:port:port/x?nonsense"])
def test_an_address_that_is_none(tmp_path: Path, catalog: str) -> None:
    with pytest.raises(SettingsError, match="METRIC_STORE_CATALOG") as caught:
        Store(settings_for(tmp_path, catalog=catalog, data_path=tmp_path))
    assert "hunter2" not in str(caught.value)


def test_a_catalog_without_a_folder(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="METRIC_STORE_DATA_PATH"):
        Store(settings_for(tmp_path, catalog="postgresql://db/x"))


def test_another_folder_than_the_catalogs(lake: Settings, tmp_path: Path) -> None:
    with Store(lake).write():
        pass
    elsewhere = Store(lake.model_copy(update={"data_path": tmp_path / "elsewhere"}))
    with pytest.raises(SettingsError, match="METRIC_STORE_DATA_PATH is not the folder"), elsewhere.write():
        pass


@pytest.mark.parametrize("package", ["duckdb_extension_ducklake", "duckdb_extension_postgres_scanner", "psycopg"])
def test_a_missing_package(lake: Settings, package: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in sys.modules if name.startswith(("pipeline.store.lake", "pipeline.store.postgres"))]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, package, None)  # type: ignore[arg-type]
    with pytest.raises(SettingsError, match=r"metric-store\[lake\]"), Store(lake).write():
        pass


def test_nothing_published_yet(lake: Settings) -> None:
    with pytest.raises(StoreUnavailableError, match="metric-store run"), Store(lake).read():
        pass
    with Store(lake).write():
        pass
    with pytest.raises(StoreUnavailableError, match="metric-store run"), Store(lake).read():
        pass


def test_a_half_finished_run_is_not_visible(lake: Settings) -> None:
    store = Store(lake)
    with store.transaction() as con:
        con.execute(INSERT, ["first"])
    store.publish()
    with store.transaction() as con:
        con.execute(INSERT, ["second"])
    with store.read() as con:
        assert con.execute("SELECT conversation_id FROM stale_conversations").fetchall() == [("first",)]


def test_a_writer_that_waits_too_long_is_told(lake: Settings) -> None:
    impatient = Store(lake.model_copy(update={"lock_seconds": 0.05}))
    with (
        another_writer(lake),
        pytest.raises(StoreUnavailableError, match="METRIC_STORE_LOCK_SECONDS"),
        impatient.write(),
    ):
        pass


def test_subjects_are_written_side_by_side_and_everything_is_written_alone(lake: Settings) -> None:
    impatient = lake.model_copy(update={"lock_seconds": 0.05})
    events, others = Store(lake), Store(impatient)
    with events.write():  # migrated
        pass
    with others.write():
        pass
    with events.write("events"):
        with others.write("judge"), others.engine.only_one("webhooks") as alone:
            assert alone
        with pytest.raises(StoreUnavailableError), others.write("events"):
            pass
        with pytest.raises(StoreUnavailableError), others.write():
            pass


def test_a_writer_whose_lock_is_lost_commits_nothing(lake: Settings, catalog: str) -> None:
    store = Store(lake)
    with store.write():
        pass

    def lose() -> None:
        with store.transaction("events") as con:
            con.execute(INSERT, ["lost"])
            with psycopg.connect(catalog, autocommit=True) as other:
                other.execute(
                    "SELECT pg_terminate_backend(pid) FROM pg_locks WHERE locktype = 'advisory' AND granted "
                    "AND database = (SELECT oid FROM pg_database WHERE datname = current_database())"
                )

    with pytest.raises(StoreUnavailableError, match="does not answer"):
        lose()
    with store.write() as con:
        assert con.execute("SELECT count(*) FROM stale_conversations").fetchall() == [(0,)]
