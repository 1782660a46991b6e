"""`metric-store move`: a store that outgrows its machine takes everything along, and comes back the same."""

from __future__ import annotations

import json
import multiprocessing
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from pipeline.catalog import load_catalog
from pipeline.cli.app import run
from pipeline.errors import SettingsError, StoreUnavailableError
from pipeline.hourly import run_hour
from pipeline.sample import write_sample
from pipeline.settings import Settings
from pipeline.store import Store
from pipeline.store.move import move_store
from pipeline.window import Window
from pipeline.workspace.keys import create_key

END = datetime(2026, 3, 12, 15, tzinfo=UTC)
KEYS = ("call_count", "avg_turn_count", "escalation_rate", "final_state", "connector_sync_event_count")
INSERT = "INSERT INTO stale_conversations (workspace_id, conversation_id) VALUES ('w', ?)"
PROCESSES = multiprocessing.get_context("spawn")


def everything(settings: Settings) -> dict[str, list[tuple[Any, ...]]]:
    """Every row of every table, in no order."""
    with Store(settings).write() as con:
        tables = con.execute("SELECT DISTINCT table_name FROM duckdb_tables() WHERE schema_name = 'main'").fetchall()
        return {
            table: sorted(con.execute(f"SELECT r::VARCHAR FROM {table} AS r").fetchall())
            for (table,) in tables
            if table != "schema_migrations"
        }


def test_there_and_back(
    lake: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    sample = write_sample(tmp_path / "sample", end=END, conversations=40)
    file = lake.model_copy(update={"catalog": None, "landing": str(sample.landing)})
    store, catalog = Store(file), load_catalog(file)
    run_hour(store, catalog, file, Window.ending(END), keys=KEYS)
    create_key(store, "dashboard", "viewer", actor="cli", now=END)
    before = everything(file)
    assert len([table for table, rows in before.items() if rows]) > 8

    assert lake.catalog is not None
    monkeypatch.setenv("METRIC_STORE_CATALOG", lake.catalog.get_secret_value())
    monkeypatch.setenv("METRIC_STORE_DATA_PATH", str(lake.data_path))
    monkeypatch.setenv("METRIC_STORE_HOME", str(lake.home))
    monkeypatch.setenv("METRIC_STORE_LANDING", str(sample.landing))
    capsys.readouterr()
    assert run(["move", "lake", "--json"]) == 0
    moved = json.loads(capsys.readouterr().out)
    assert moved["rows"] == {table: len(rows) for table, rows in before.items()}
    assert everything(lake) == before
    assert run(["list", "--json"]) == 0, "it is published"
    assert len(json.loads(capsys.readouterr().out)) == len(KEYS)
    assert run(["keys", "list", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)[0]["name"] == "dashboard"
    again = run_hour(
        Store(lake), catalog, lake.model_copy(update={"landing": file.landing}), Window.ending(END), keys=KEYS
    )
    assert again.ingest is not None
    assert (again.ingest.event_count, len(again.ingest.files)) == (0, 0), "what was read is not read again"
    assert sum(outcome.computed for report in again.extracts for outcome in report.outcomes) == 0

    elsewhere = tmp_path / "elsewhere.duckdb"
    monkeypatch.setenv("METRIC_STORE_DATABASE", str(elsewhere))
    assert run(["move", "file"]) == 0
    assert "Unset METRIC_STORE_CATALOG" in capsys.readouterr().out
    assert everything(file.model_copy(update={"database": elsewhere})) == everything(lake)
    assert everything(file) == before


def test_nothing_is_moved_onto_rows_or_out_of_nothing(lake: Settings) -> None:
    file = lake.model_copy(update={"catalog": None})
    with pytest.raises(SettingsError, match="METRIC_STORE_CATALOG"):
        move_store(file, "lake")
    with pytest.raises(StoreUnavailableError, match="no store at"):
        move_store(lake, "lake")
    assert not file.database_path.exists()
    with pytest.raises(StoreUnavailableError, match="nothing to move"):
        move_store(lake, "file")
    for settings in (file, lake):
        with Store(settings).transaction() as con:
            con.execute(INSERT, ["theirs"])
    for place in ("lake", "file"):
        with pytest.raises(StoreUnavailableError, match=r"holds rows already \(in stale_conversations\)"):
            move_store(lake, place)


def _move(settings: Settings) -> None:
    move_store(settings, "lake")


def test_a_move_that_is_killed_leaves_nothing_and_can_be_begun_again(lake: Settings) -> None:
    file = lake.model_copy(update={"catalog": None})
    with Store(file).transaction() as con:
        con.execute("INSERT INTO stale_conversations SELECT 'w', md5(i::VARCHAR), NULL FROM range(400_000) AS t (i)")
    assert lake.data_path is not None
    mover = PROCESSES.Process(target=_move, args=(lake,))
    mover.start()
    while not list(lake.data_path.rglob("*.parquet")):  # rows are on their way
        assert mover.is_alive()
        time.sleep(0.01)
    mover.kill()
    mover.join()
    with Store(lake).write() as con:
        assert con.execute("SELECT count(*) FROM stale_conversations").fetchall() == [(0,)]
    assert move_store(lake, "lake").rows["stale_conversations"] == 400_000
