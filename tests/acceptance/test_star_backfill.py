"""STAR's sixteen days, hour by hour: a backfill ends with the rows of one run for each hour in order."""

from __future__ import annotations

import shutil
import tarfile
from datetime import timedelta
from pathlib import Path

import pytest
from star import FIRST, LAST, assert_same, deployment, rows

from pipeline.aggregate import aggregate
from pipeline.extract import extract
from pipeline.hourly import backfill
from pipeline.ingest import ingest
from pipeline.settings import Settings
from pipeline.store import Store
from pipeline.window import Window

KEYS = ["star_agent_turns", "star_turns_per_tool_call", "star_completion_level", "star_tool_call_events"]


@pytest.mark.parametrize("days", [pytest.param(16, marks=[pytest.mark.long, pytest.mark.timeout(3600)]), 1])
def test_a_backfill_ends_like_one_run_for_each_hour_in_order(days: int, shared_data: Path, tmp_path: Path) -> None:
    """The backfill aggregates once, the hourly runs after every window."""
    settings, store, catalog, _ = deployment(tmp_path / "backfill")
    with tarfile.open(shared_data / "star" / "dialogues.tar.gz") as tar:
        tar.extractall(tmp_path / "star", filter="data")
    files = [str(path) for path in sorted((tmp_path / "star").rglob("*.json"))]
    ingest(store, catalog, settings, urls=files if days == 16 else files[::4], source="star")
    shutil.copytree(tmp_path / "backfill", tmp_path / "hourly")  # nothing has the database open
    first = FIRST if days == 16 else FIRST + timedelta(days=8)
    windows = list(Window.each_hour(first, first + timedelta(days=days)))
    assert (len(windows), windows[-1].end) == (16 * 24, LAST) or days < 16

    backfill(store, catalog, settings, windows, keys=KEYS, ingest_first=False)
    hourly = Settings(home=tmp_path / "hourly", definitions=settings.definitions)
    other = Store(hourly)
    for window in windows:
        extract(other, catalog, hourly, window, keys=KEYS)
        aggregate(other, catalog, hourly)

    for table in ("metric_values", "metric_periods"):
        assert_same(rows(store, table), rows(other, table))
    with store.read() as con:
        ((total,),) = con.execute(
            "SELECT sum(value) FROM metric_periods WHERE metric_key = 'star_completion_level' AND granularity = 'day' "
            "AND service_id IS NULL AND category IS NOT NULL AND superseded_at IS NULL"
        ).fetchall()
    assert total == 3326 - 53 if days == 16 else total > 0
