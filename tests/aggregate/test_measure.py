"""Spans that anybody may ask for."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from pipeline.aggregate.measure import measure

AGES = datetime(251, 5, 30, 12, 59, tzinfo=UTC), datetime(2999, 1, 1, tzinfo=UTC)


def test_a_span_of_two_thousand_years_costs_what_it_holds(bench):
    """Its fifteen million hours are not counted one by one: they would not fit into this memory."""
    metric = bench.metric("score", aggregation="avg")
    bench.define(metric)
    bench.put(bench.value(float(n), key="score", at=datetime(2026, 3, 2, n, tzinfo=UTC)) for n in range(4))
    bench.aggregate(metric)
    with bench.publish() as con:
        con.execute("SET memory_limit = '300MB'; SET max_temp_directory_size = '0B'")
        rows = measure(con, bench.store.workspace_id, "score", [AGES], also=("p50", "p90", "p95", "p99"))
    assert [(row["event_count"], row["value"]) for row in rows[:1]] == [(4, 1.5)]


def test_an_hour_in_which_nobody_had_a_value_is_as_uncertain_as_any_other(bench):
    """One of its two conversations was left out: the day's count may be one more, and is not as sure as without it."""
    metric = bench.metric("calls", aggregation="count", metric_type="boolean")
    bench.define(metric)
    states = [(2, "ok"), (5, "ok"), *((hour, "not_applicable") for hour in (0, 0, 23, 23)), (6, "no_model")]
    states += [(19, "over_cap"), (19, "error")]
    bench.put(
        bench.value(
            True if state == "ok" else None, key="calls", status=state, at=datetime(2026, 1, 1, hour, 5, tzinfo=UTC)
        )
        for hour, state in states
    )
    bench.aggregate(metric)
    row = bench.one("granularity = 'day'")
    # Two of eight examined; the one of 19 o'clock speaks for two, and half of that is known: 4 * 0.5 * 0.25^2.
    assert row["standard_error"] == pytest.approx(0.125**0.5)
    assert (row["value"], row["interval_low"]) == (2.0, 2.0)
    assert row["interval_high"] == pytest.approx(2.777338187)
