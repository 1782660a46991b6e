"""Maintenance makes fewer and smaller files and takes nothing away from anybody who reads."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path

import pytest

from pipeline.settings import Settings
from pipeline.store import Store
from pipeline.store.control import publish_control
from pipeline.store.snapshot import snapshot_reader

FILES = 12


def add(store: Store, mark: str) -> None:
    with store.transaction() as con:
        con.execute(
            "INSERT INTO stale_periods SELECT 'w', ?, 'v', '2026-01-01 00:00:00Z'::TIMESTAMPTZ + to_hours(i), NULL "
            "FROM range(500) t(i)",
            [mark],
        )


def files(settings: Settings) -> list[Path]:
    assert settings.data_path is not None
    return list((settings.data_path / "main" / "stale_periods").rglob("*.parquet"))


COUNT = "SELECT count(*), count(DISTINCT metric_key) FROM stale_periods"


def test_small_files_are_merged_and_what_a_writer_left_is_removed(lake: Settings) -> None:
    store = Store(lake)
    for number in range(FILES):
        add(store, str(number))
    with store.transaction() as con:
        con.execute("DELETE FROM stale_periods WHERE metric_key <> '7'")
    (some, *_) = files(lake)
    left = some.with_name("of-a-writer-that-died.parquet")
    left.write_bytes(some.read_bytes())
    assert len(files(lake)) > FILES
    store.publish()
    assert store.maintain() > 0
    with store.read() as con:
        assert con.execute(COUNT).fetchall() == [(500, 1)]
    store.publish()  # readers move on to what was merged, and the next night takes the rest
    store.maintain()
    assert len(files(lake)) == 1
    assert not left.exists()
    with store.read() as con:
        assert con.execute(COUNT).fetchall() == [(500, 1)]
    with store.write() as con:
        assert con.execute(COUNT).fetchall() == [(500, 1)]


@pytest.mark.parametrize("walled", [False, True])
def test_what_is_published_or_read_stays(lake: Settings, walled: bool) -> None:
    """A reader of an older publication, another process in effect, reads on through two nights of maintenance."""
    store = Store(lake)
    add(store, "first")
    publish_control(store)
    store.publish()
    config = {"enable_external_access": False} if walled else {}
    old, newest = (snapshot_reader(lake, "data", config) for _ in range(2))
    with ExitStack() as reading:
        con, _ = reading.enter_context(old.cursor())
        for mark in ("second", "third"):
            with store.transaction() as writer:
                writer.execute("DELETE FROM stale_periods")
            add(store, mark)
            store.publish()
            store.maintain()
            assert con.execute("SELECT DISTINCT metric_key FROM stale_periods").fetchall() == [("first",)]
            with newest.cursor() as (other, _):
                assert other.execute("SELECT DISTINCT metric_key FROM stale_periods").fetchall() == [(mark,)]
    with old.cursor() as (con, _):
        assert con.execute("SELECT DISTINCT metric_key FROM stale_periods").fetchall() == [("third",)]
    old.close()
    newest.close()
    assert len(files(lake)) > 1
    store.maintain()  # nobody reads the first any more
    assert len(files(lake)) == 1
