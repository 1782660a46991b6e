"""Merging hour rows gives the rows that aggregating the values would have given."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pipeline.aggregate.calendar import local_day
from pipeline.aggregate.merge import merge_hours
from pipeline.errors import ExpressionError

SATURDAY = datetime(2026, 3, 28, tzinfo=UTC)  # the clocks of Berlin change on Sunday
DAYS = [local_day(date(2026, 3, 27) + timedelta(days=shift), ZoneInfo("Europe/Berlin")) for shift in range(5)]
HISTORY = {"granularity", "computed_at", "revision", "revision_reason", "superseded_at"}
POWERS = {"value_sum_squares": 2, "value_sum_cubes": 3, "value_sum_fourths": 4}
# Hours do not say how the sides of a ratio go together.
OF_RATIOS = {"interval_low", "interval_high", "interval_method", "interval_about", "standard_error"}

MERGEABLE = [
    *(("numerical", aggregation) for aggregation in ("count", "sum", "avg", "min", "max", "stddev")),
    *(("boolean", aggregation) for aggregation in ("rate", "avg", "sum")),
    *(("categorical", aggregation) for aggregation in ("count", "count_distinct")),
]
statuses = st.sampled_from(["ok", "ok", "ok", "missing", "not_applicable", "over_cap"])
conversations = st.tuples(
    st.integers(0, 2 * 1440),
    st.sampled_from([None, "s1", "s2"]),
    statuses,
    st.floats(-1e6, 1e6),
    st.sampled_from("abc"),
)


@settings(max_examples=12, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.lists(conversations, min_size=1, max_size=60))
def test_hours_merge_into_exactly_the_day_rows(bench, drawn):
    metrics = [
        bench.metric(f"{kind}_{aggregation}", metric_type=kind, aggregation=aggregation)
        for kind, aggregation in MERGEABLE
    ]
    ratio = bench.metric(
        "ratio", aggregation="ratio", ratio_numerator_metric="boolean_rate", ratio_denominator_metric="numerical_sum"
    )
    values = []
    for number, (minute, service_id, status, x, label) in enumerate(drawn):
        results = {"numerical": x, "boolean": x > 0, "categorical": label}
        for metric in metrics:
            result = results[metric.definition.metric_type] if status == "ok" else None
            columns = {"entity_id": f"e{number}", "service_id": service_id, "status": status, "confidence": 0.5}
            values.append(bench.value(result, key=metric.key, at=SATURDAY + timedelta(minutes=minute), **columns))
    bench.put(values, clear=True)
    bench.aggregate(*metrics, ratio, zone="Europe/Berlin")

    with bench.store.transaction() as con:
        con.execute("DELETE FROM metric_definitions")
    bench.define(*metrics, ratio)
    with bench.publish() as con:
        merged = merge_hours(con, bench.store.workspace_id, [metric.key for metric in (*metrics, ratio)], DAYS)

    days = bench.periods("granularity = 'day'")
    size = max(abs(x) for _, _, _, x, _ in drawn)
    assert {identity(row) for row in merged} == {identity(row) for row in days}
    by_identity = {identity(row): row for row in days}
    for row in merged:
        day = by_identity[identity(row)]
        for name in day.keys() - HISTORY:
            if row["aggregation"] == "ratio" and name in OF_RATIOS:
                assert row["interval_method"] == "none"
            elif isinstance(day[name], float):
                digits = 1e-7 if name.startswith("interval") else 1e-9  # ends rest on third and fourth powers
                scale = size ** POWERS.get(name, 1)
                assert row[name] == pytest.approx(day[name], rel=digits, abs=digits * scale / 10), name
            else:
                assert row[name] == day[name], name


def identity(row):
    return tuple(row[name] for name in ("metric_key", "traffic", "service_id", "period_start", "category"))


NOON = datetime(2026, 3, 10, 12, tzinfo=UTC)


def test_spans_may_overlap_as_rolling_windows_do(bench):
    metric = bench.metric(aggregation="sum")
    bench.define(metric)
    bench.put(bench.value(10.0**n, at=NOON + timedelta(hours=n)) for n in range(4))
    bench.aggregate(metric)
    spans = [(NOON + timedelta(hours=n), NOON + timedelta(hours=n + 2)) for n in range(3)]
    with bench.publish() as con:
        merged = merge_hours(con, bench.store.workspace_id, ["m"], spans)
    assert [(row["period_start"], row["value"]) for row in merged] == [
        (span[0], value) for span, value in zip(spans, (11.0, 110.0, 1100.0), strict=True)
    ]


def test_merging_as_known_at_an_instant_reads_the_rows_of_then(bench):
    metric = bench.metric(aggregation="sum")
    bench.define(metric)
    bench.put([bench.value(1.0, at=NOON)])
    bench.aggregate(metric, now=NOON + timedelta(days=1))
    bench.put([bench.value(2.0, at=NOON)])
    bench.aggregate(metric, now=NOON + timedelta(days=2))
    span = (NOON, NOON + timedelta(hours=6))
    with bench.publish() as con:
        (then,) = merge_hours(con, bench.store.workspace_id, ["m"], [span], as_known_at=NOON + timedelta(days=1))
        (now,) = merge_hours(con, bench.store.workspace_id, ["m"], [span])
    assert (then["value"], now["value"]) == (1.0, 3.0)


@pytest.mark.parametrize("aggregation", ["median", "p90", "count_distinct"])
def test_what_parts_do_not_determine_is_refused(bench, aggregation):
    metric = bench.metric(aggregation=aggregation)
    bench.define(metric)
    bench.put([bench.value(1.0, at=NOON)])
    bench.aggregate(metric)
    with bench.publish() as con, pytest.raises(ExpressionError, match=f"m is aggregated by {aggregation}"):
        merge_hours(con, bench.store.workspace_id, ["m"], [(NOON, NOON + timedelta(hours=2))])


def test_a_span_that_cuts_an_hour_is_refused(bench):
    bench.put([])
    start, end = local_day(date(2026, 3, 10), ZoneInfo("Asia/Kolkata"))
    with bench.publish() as con, pytest.raises(ExpressionError, match="whole hours of UTC"):
        merge_hours(con, bench.store.workspace_id, ["m"], [(start, end)])
