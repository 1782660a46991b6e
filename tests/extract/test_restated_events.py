"""Metrics over single events follow their facts: what is told late, and what is taken back."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from pipeline.aggregate import aggregate
from pipeline.window import Window

ORDERS = {"source": "world_events", "event_types": ["order.placed"], "extract_path": "$.amount", "aggregation": "sum"}
BY_CLASS = """
SELECT traffic, service_id, value FROM metric_periods
WHERE metric_key = 'orders' AND granularity = 'hour' AND superseded_at IS NULL AND value IS NOT NULL ORDER BY ALL
"""


def _computed(bench: Any) -> list[tuple[Any, ...]]:
    bench.run()
    aggregate(bench.store, bench.catalog, bench.settings)
    return bench.sql(BY_CLASS)  # type: ignore[no-any-return]


def test_what_is_told_once_is_read_by_metrics_over_single_events(bench: Any) -> None:
    """On the first event only, for the others, too."""
    bench.define(bench.definition("orders", **ORDERS))
    bench.add(
        bench.event("sim", "session.start", 0, traffic="simulation", service_id="s"),
        bench.event("sim", "order.placed", 1, amount=1000),
        bench.event("real", "order.placed", 2, amount=7),
    )
    assert _computed(bench) == [
        ("production", None, 7.0), ("simulation", "s", 1000.0), ("simulation", None, 1000.0)
    ]  # fmt: skip


def test_what_is_told_late_restates_the_hours_of_earlier_events(bench: Any) -> None:
    """They have no arrival of their own by which the hour would be found."""
    bench.define(bench.definition("orders", **ORDERS))
    bench.add(bench.event("c", "order.placed", 1, amount=7))
    assert _computed(bench) == [("production", None, 7.0)]
    bench.add(bench.event("c", "session.start", 60 * 30, traffic="simulation"))  # at an hour outside of the window
    assert bench.sql("SELECT DISTINCT metric_key, hour, reason FROM stale_periods") == [
        ("orders", bench.START, "late_data")
    ]
    aggregate(bench.store, bench.catalog, bench.settings)
    assert bench.sql(BY_CLASS) == [("simulation", None, 7.0)]


def test_an_event_that_is_taken_back_leaves_its_hour(bench: Any) -> None:
    """A corrected event at another hour: the earlier hour has nothing, the later one has it once."""
    bench.define(bench.definition("orders", **ORDERS))
    first = bench.event("c", "order.placed", 1, amount=7, event_id="o")
    bench.add(first)
    assert _computed(bench) == [("production", None, 7.0)]
    later = (bench.START + timedelta(hours=2)).isoformat()
    bench.add({**first, "revision": 2, "occurred_at": later, "data": {"amount": 8}})
    assert bench.sql("SELECT DISTINCT hour, reason FROM stale_periods") == [(bench.START, "corrected")]
    assert _computed(bench) == [("production", None, 8.0)]


def test_events_without_an_instant_are_in_the_ledger(bench: Any) -> None:
    """With their state, and named as what they are; in no period."""
    bench.define(bench.definition("orders", **ORDERS))
    bench.add(bench.event("c", "order.placed", None, amount=7), bench.event("c", "order.placed", None, amount="much"))
    now = datetime.now(UTC)
    (outcome,) = bench.run(Window.ending(now + timedelta(hours=1))).outcomes
    assert (outcome.eligible, outcome.without_instant, outcome.states) == (2, 2, {"ok": 1, "wrong_type": 1})
    counts = "eligible_count, without_instant_count, ok_count, wrong_type_count"
    assert bench.sql(f"SELECT {counts} FROM extraction_runs") == [(2, 2, 1, 1)]
    aggregate(bench.store, bench.catalog, bench.settings)
    assert bench.sql(BY_CLASS) == []
