"""A number that changes says so, one that does not stays untouched, and the past stays readable."""

from __future__ import annotations

import random
from datetime import UTC, datetime, timedelta

import pytest

from pipeline.errors import LedgerError

NOON = datetime(2026, 3, 10, 12, 10, tzinfo=UTC)
FIRST = datetime(2026, 3, 11, tzinfo=UTC)
SECOND = FIRST + timedelta(days=1)


def make_stale(con, reason=None):
    """Have every hour of every period of the metric computed anew."""
    con.execute(
        "INSERT INTO stale_periods BY NAME SELECT workspace_id, metric_key, definition_version, period_start AS hour,"
        " $1 AS reason FROM metric_periods",
        [reason],
    )


def test_the_same_values_make_no_revision(bench):
    metric = bench.metric()
    values = [bench.value(0.1 * n, service_id="s", entity_id=f"c{n}") for n in range(50)]
    bench.put(values)
    bench.aggregate(metric, now=FIRST)
    before = bench.periods()

    with bench.store.transaction() as con:
        con.execute("DELETE FROM metric_values")
    bench.put(reversed(values))
    report = bench.aggregate(metric, now=SECOND)

    assert bench.periods(current=False) == before
    assert (report.added, report.changed, report.unchanged, report.superseded) == (0, 0, 4, 0)


def test_a_sum_that_cancels_makes_no_revision(bench):
    metric = bench.metric(aggregation="sum")
    bench.put([bench.value(number, entity_id=f"c{number}") for number in (0.1, 0.2, -0.3)])
    bench.aggregate(metric)
    with bench.store.transaction() as con:
        con.execute("UPDATE metric_periods SET value = 0, value_sum = 0")
        make_stale(con)
    assert bench.aggregate(metric).changed == 0


@pytest.mark.parametrize(("held", "changed"), [(1e-17, 0), (0.0, 0), (2.0, 2)])
def test_squares_around_a_large_mean_are_compared_by_their_own_size(bench, held, changed):
    metric = bench.metric()
    bench.put([bench.value(number, entity_id=f"c{n}") for n, number in enumerate((1e6, 1e6, 1e6))])
    bench.aggregate(metric)
    with bench.store.transaction() as con:
        con.execute("UPDATE metric_periods SET value_sum_squares = ?", [held])
        make_stale(con)
    assert bench.aggregate(metric).changed == changed


def test_values_whose_squares_no_double_holds_make_no_revision(bench):
    metric = bench.metric(aggregation="max")
    bench.put([bench.value(1e200), bench.value(-1e200)])
    bench.aggregate(metric)
    with bench.store.transaction() as con:
        make_stale(con)
    assert bench.aggregate(metric).changed == 0


def test_a_revision_says_that_the_method_is_another(bench):
    metric = bench.metric()
    bench.put(bench.value(float(n), at=NOON + timedelta(hours=n)) for n in range(2))
    bench.aggregate(metric)
    with bench.store.transaction() as con:
        con.execute("UPDATE metric_periods SET value = 99 WHERE granularity = 'day'")  # as another release computed it
        make_stale(con, "method")
    report = bench.aggregate(metric)
    assert (report.changed, report.unchanged) == (1, 2)
    row = bench.one("granularity = 'day'")
    assert (row["value"], row["revision"], row["revision_reason"]) == (0.5, 2, "method")


def test_a_late_value_makes_a_revision_of_its_hour_and_day_only(bench):
    metric = bench.metric(aggregation="sum")
    bench.put([bench.value(1.0), bench.value(2.0, at=NOON + timedelta(hours=1))])
    bench.aggregate(metric, now=FIRST)
    bench.put([bench.value(10.0)])
    report = bench.aggregate(metric, now=SECOND)

    history = [(row["granularity"], row["period_start"].hour, row["value"], row["revision"], row["superseded_at"])
               for row in bench.periods(current=False)]  # fmt: skip
    assert history == [
        ("day", 0, 3.0, 1, SECOND),
        ("day", 0, 13.0, 2, None),
        ("hour", 12, 1.0, 1, SECOND),
        ("hour", 12, 11.0, 2, None),
        ("hour", 13, 2.0, 1, None),
    ]
    assert (report.periods, report.changed, report.added) == (2, 2, 0)
    reasons = {(row["revision"], row["revision_reason"]) for row in bench.periods(current=False)}
    assert reasons == {(1, None), (2, "values")}
    known = "computed_at <= '{0}' AND (superseded_at IS NULL OR superseded_at > '{0}')"
    at_first = bench.periods(known.format(SECOND - timedelta(seconds=1)), current=False)
    assert [row["value"] for row in at_first] == [3.0, 1.0, 2.0]


def test_a_group_that_vanishes_is_superseded_and_may_come_back(bench):
    metric = bench.metric(metric_type="categorical", aggregation="count")
    bench.put([bench.value("kept"), bench.value("gone", service_id="s")])
    bench.aggregate(metric, now=FIRST)
    with bench.store.transaction() as con:
        con.execute("DELETE FROM metric_values WHERE service_id = 's'")
    bench.put([bench.value("kept")])
    report = bench.aggregate(metric, now=SECOND)
    assert report.superseded == 6  # hour and day: category over all, summary and category of the service
    assert {(row["service_id"], row["category"]) for row in bench.periods()} == {(None, None), (None, "kept")}

    bench.put([bench.value("gone", service_id="s")])
    bench.aggregate(metric, now=SECOND + timedelta(days=1))
    back = bench.one("category = 'gone' AND granularity = 'day'")
    assert (back["value"], back["revision"]) == (1.0, 2)


def test_other_periods_and_metrics_are_left_alone(bench):
    metrics = [bench.metric("a"), bench.metric("b")]
    bench.put(bench.value(1.0, key=key, at=NOON + timedelta(days=day)) for key in "ab" for day in (0, 1))
    bench.aggregate(*metrics, now=FIRST)
    bench.put([bench.value(2.0, key="a")])
    bench.aggregate(*metrics, now=SECOND)
    restated = {(row["metric_key"], row["period_start"].day) for row in bench.periods("revision > 1")}
    assert restated == {("a", 10)}


def test_only_the_stale_rows_of_the_asked_metrics_are_dealt_with(bench):
    metrics = [bench.metric("a"), bench.metric("b")]
    bench.put([bench.value(1.0, key="a"), bench.value(1.0, key="b")])
    assert [metric.key for metric in bench.aggregate(*metrics, keys=["a"]).metrics] == ["a"]
    assert {row["metric_key"] for row in bench.query("FROM stale_periods")} == {"b"}
    assert [metric.key for metric in bench.aggregate(*metrics).metrics] == ["b"]
    assert bench.query("FROM stale_periods") == []
    assert bench.aggregate(*metrics).metrics == ()


def test_a_version_that_the_catalog_dropped_is_aggregated_as_it_was_defined(bench):
    old, new = bench.metric(version="v1", aggregation="max", unit="s"), bench.metric(version="v2", aggregation="sum")
    bench.define(old, until=FIRST)
    bench.put([bench.value(1.0), bench.value(5.0), bench.value(1.0, definition_version="v2")])
    bench.aggregate(new)
    rows = bench.periods("granularity = 'day'")
    assert [(row["definition_version"], row["aggregation"], row["value"], row["unit"]) for row in rows] == [
        ("v1", "max", 5.0, "s"),
        ("v2", "sum", 1.0, None),
    ]


def test_a_version_that_nobody_knows_stays_stale_and_is_reported(bench):
    bench.put([bench.value(1.0, key="lost"), bench.value(1.0)])
    report = bench.aggregate(bench.metric())
    assert report.unknown == (("lost", "v1"),)
    assert [row["metric_key"] for row in bench.query("FROM stale_periods")] == ["lost"]
    assert {row["metric_key"] for row in bench.periods()} == {"m"}


def test_days_move_when_the_zone_of_the_workspace_does(bench):
    metric = bench.metric(aggregation="count")
    late = datetime(2026, 3, 10, 23, 30, tzinfo=UTC)
    bench.put([bench.value(1.0, at=NOON), bench.value(1.0, at=late), bench.value(1.0, at=late + timedelta(days=1))])
    bench.aggregate(metric, zone="UTC", now=FIRST)
    report = bench.aggregate(metric, zone="Asia/Kolkata", now=SECOND)
    days = [(row["period_start"], row["value"]) for row in bench.periods("granularity = 'day'")]
    midnight = datetime(2026, 3, 9, 18, 30, tzinfo=UTC)
    assert days == [(midnight + timedelta(days=shift), 1.0) for shift in (0, 1, 2)]
    assert (report.added, report.superseded, report.unchanged) == (3, 2, 3)
    assert bench.aggregate(metric, zone="Asia/Kolkata").metrics == ()


def test_a_clock_that_went_back_writes_no_row_older_than_its_predecessor(bench):
    metric = bench.metric()
    bench.put([bench.value(1.0)])
    bench.aggregate(metric, now=SECOND)
    bench.put([bench.value(3.0)])
    bench.aggregate(metric, now=FIRST)
    assert {(row["computed_at"], row["superseded_at"]) for row in bench.periods(current=False)} == {
        (SECOND, SECOND),
        (SECOND, None),
    }


def test_a_state_outside_the_ledger_stops_everything(bench):
    metric = bench.metric()
    bench.put([bench.value(1.0), bench.value(status="lost_in_the_post")])
    with pytest.raises(LedgerError, match=r"has 2 eligible values .* add up to 1"):
        bench.aggregate(metric)
    assert bench.periods() == []
    assert bench.query("FROM stale_periods") != []


def test_the_order_in_which_values_arrive_does_not_matter(bench):
    metric = bench.metric(aggregation="stddev")
    values = [bench.value(random.Random(n).uniform(-1, 1), at=NOON + timedelta(minutes=n)) for n in range(200)]
    bench.put(values)
    bench.aggregate(metric)
    at_once = bench.periods()
    bench.put([], clear=True)
    random.Random(1).shuffle(values)
    for start in range(0, 200, 50):
        bench.put(values[start : start + 50])
        bench.aggregate(metric)
    numbers = ("event_count", "value", "value_sum", "value_sum_squares", "value_min", "value_max")
    for once, split in zip(at_once, bench.periods(), strict=True):
        assert [split[name] for name in numbers] == pytest.approx([once[name] for name in numbers], rel=1e-9, abs=1e-12)


def test_values_below_the_conversation_and_single_answers_do_not_enter(bench):
    bench.put(
        [
            bench.value(1.0),
            bench.value(9.0, participant="agent"),
            bench.value(9.0, segment_from=1),
            bench.value(9.0, sample_index=1),
            bench.value(9.0, at=None),
        ]
    )
    bench.aggregate(bench.metric())
    assert {(row["value"], row["eligible_count"]) for row in bench.periods()} == {(1.0, 1)}


def test_a_day_that_only_ends_elsewhere_in_the_new_zone_moves_too(bench):
    """London's clocks go forward on 2026-03-29: its day starts with the one of UTC and is an hour shorter."""
    metric = bench.metric(aggregation="count")
    bench.put([bench.value(1.0, at=datetime(2026, 3, 29, hour, 30, tzinfo=UTC)) for hour in (12, 23)])
    bench.aggregate(metric, zone="UTC")
    bench.aggregate(metric, zone="Europe/London")
    days = [(row["period_start"], row["period_end"], row["value"]) for row in bench.periods("granularity = 'day'")]
    change = datetime(2026, 3, 29, 23, tzinfo=UTC)
    assert days == [
        (change - timedelta(hours=23), change, 1.0),
        (change, change + timedelta(days=1), 1.0),
    ]
    assert bench.aggregate(metric, zone="Europe/London").metrics == ()
