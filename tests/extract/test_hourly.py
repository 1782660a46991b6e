"""The whole chain: ingest, extract, aggregate, publish."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from pipeline.hourly import backfill, run_hour
from pipeline.settings import Settings
from pipeline.store import Store
from pipeline.window import HOUR, Window

PERIODS = (
    "SELECT metric_key, granularity, period_start, service_id, category, value, event_count, eligible_count, "
    "pending_count FROM metric_periods WHERE superseded_at IS NULL ORDER BY ALL"
)


def test_a_backfill_ends_where_hourly_runs_end(bench: Any, tmp_path: Path) -> None:
    bench.define(
        bench.definition("score", extract_path="$.score", aggregation="avg"),
        bench.definition("surfaces", source="world_events", event_types=["surface.created"], aggregation="count"),
    )
    bench.add(*(bench.ended(f"c{n}", n * 25, score=n) for n in range(8)))
    bench.add(bench.event("c0", "surface.created", 30), bench.event("c1", "surface.created", 100))
    windows = list(Window.each_hour(bench.START, bench.START + 3 * HOUR))
    found = []
    for name in ("hourly", "backfill"):
        settings = Settings(
            home=tmp_path / name, definitions=tmp_path / "none", landing=str(bench.settings.home / "landing")
        )
        store = Store(settings)
        if name == "hourly":
            reports = [run_hour(store, bench.catalog, settings, window) for window in windows]
            assert [len(report.extracts) for report in reports] == [1] * 3
        else:
            report = backfill(store, bench.catalog, settings, windows)
            assert [one.window for one in report.extracts] == windows
        with store.read() as con:
            found.append(con.execute(PERIODS).fetchall())
    assert found[0] == found[1]
    assert found[0]


def test_a_dry_run_of_the_chain_writes_nothing(bench: Any) -> None:
    bench.define(bench.definition("score", extract_path="$.score", aggregation="avg"))
    bench.add(bench.ended("a", score=1))
    report = run_hour(bench.store, bench.catalog, bench.settings, bench.WINDOW, dry_run=True)
    assert (report.ingest, report.aggregate) == (None, None)
    assert report.extracts[0].outcomes[0].computed == 1
    assert not bench.store.snapshot_path.exists()


def test_a_backfill_says_once_that_there_is_no_model(bench: Any, caplog: pytest.LogCaptureFixture) -> None:
    judged = {"metric_type": "numerical", "extraction_mode": "ai_query", "valid_range_min": 1, "valid_range_max": 5}
    bench.define(bench.definition("kindness", ai_query_prompt="How kind was the agent, from 1 to 5?", **judged))
    bench.add(bench.ended("a"), bench.ended("b", 70))
    windows = list(Window.each_hour(bench.START, bench.START + 4 * HOUR))
    report = backfill(bench.store, bench.catalog, bench.settings, windows)
    assert [outcome.states for run in report.extracts for outcome in run.outcomes].count({"no_model": 2}) > 1
    (message,) = [record.getMessage() for record in caplog.records if "No model" in record.getMessage()]
    assert message.startswith("kindness: ")
    assert "METRIC_STORE_MODELS__DEFAULT__MODEL" in message
