"""Σ numerator / Σ denominator, over two metrics' values or two types of events."""

from __future__ import annotations

import dataclasses
import math
from datetime import UTC, datetime, timedelta

import pytest

NOON = datetime(2026, 3, 10, 12, 10, tzinfo=UTC)


@pytest.fixture
def metrics(bench):
    return (
        bench.metric("failures", metric_type="numerical"),
        bench.metric("calls", metric_type="numerical"),
        bench.metric(
            "failure_ratio", aggregation="ratio", ratio_numerator_metric="failures", ratio_denominator_metric="calls"
        ),
    )


def test_sums_are_divided_not_ratios_averaged(bench, metrics):
    for entity, (failures, calls) in {"a": (1, 1), "b": (0, 9)}.items():
        bench.put(
            [bench.value(failures, key="failures", entity_id=entity), bench.value(calls, key="calls", entity_id=entity)]
        )
    bench.aggregate(*metrics)
    row = bench.one("metric_key = 'failure_ratio' AND granularity = 'day'")
    assert (row["value"], row["numerator"], row["denominator"], row["event_count"]) == (0.1, 1.0, 10.0, 2)
    assert (row["unit_count"], row["value_sum"]) == (2, None)
    # Each conversation's failures less a tenth of its calls: 0.9 and -0.9.
    assert row["standard_error"] == pytest.approx(math.sqrt(2 * (0.9**2 + 0.9**2)) / 10)


def test_a_conversation_enters_when_both_sides_are_ok(bench, metrics):
    bench.put(
        [
            bench.value(1, key="failures", entity_id="both"),
            bench.value(2, key="calls", entity_id="both"),
            bench.value(status="error", key="failures", entity_id="failed"),
            bench.value(100, key="calls", entity_id="failed"),
            bench.value(5, key="failures", entity_id="outside"),
            bench.value(status="not_applicable", key="calls", entity_id="outside"),
            bench.value(7, key="calls", entity_id="half"),
        ]
    )
    bench.aggregate(*metrics)
    row = bench.one("metric_key = 'failure_ratio' AND granularity = 'day'")
    assert row["value"] == 0.5
    counts = ("event_count", "error_count", "not_applicable_count", "pending_count", "eligible_count")
    assert [row[name] for name in counts] == [1, 1, 1, 1, 4]


def test_booleans_count_as_zero_and_one_and_nothing_is_divided_by_zero(bench, metrics):
    solved = bench.metric("solved", metric_type="boolean", aggregation="rate")
    ratio = bench.metric("r", aggregation="ratio", ratio_numerator_metric="failures", ratio_denominator_metric="solved")
    rows = [(True, 3, NOON), (True, 2, NOON), (False, 1, NOON), (False, 1, NOON + timedelta(hours=1))]
    for number, (truth, failures, at) in enumerate(rows):
        bench.put([bench.value(truth, key="solved", entity_id=f"e{number}", at=at)])
        bench.put([bench.value(failures, key="failures", entity_id=f"e{number}", at=at)])
    bench.aggregate(metrics[0], solved, ratio)
    values = {row["period_start"].hour: row["value"] for row in bench.periods("metric_key = 'r'")}
    assert values == {0: 3.5, 12: 3.0, 13: None}


def test_a_ratio_follows_the_metrics_that_it_reads(bench, metrics):
    bench.put([bench.value(1, key="failures", entity_id="a"), bench.value(4, key="calls", entity_id="a")])
    bench.aggregate(*metrics)
    bench.put([bench.value(1, key="failures", entity_id="b"), bench.value(4, key="calls", entity_id="b")])
    bench.aggregate(*metrics, keys=["calls"])
    assert bench.one("metric_key = 'failure_ratio' AND granularity = 'day'")["event_count"] == 1
    bench.aggregate(*metrics)
    row = bench.one("metric_key = 'failure_ratio' AND granularity = 'day'")
    assert (row["event_count"], row["value"], row["revision"]) == (2, 0.25, 2)


def test_a_new_ratio_covers_the_history_of_its_metrics(bench, metrics):
    for day in range(3):
        columns = {"entity_id": f"e{day}", "at": NOON + timedelta(days=day)}
        bench.put([bench.value(1, key="failures", **columns), bench.value(4, key="calls", **columns)])
    bench.aggregate(*metrics[:2])
    bench.aggregate(*metrics, keys=["calls"])
    report = bench.aggregate(*metrics)
    assert [(metric.key, metric.added) for metric in report.metrics] == [("failure_ratio", 6)]
    assert bench.aggregate(*metrics).metrics == ()


def test_a_ratio_that_was_inactive_covers_the_hours_between(bench, metrics):
    for day in range(2):
        columns = {"entity_id": f"e{day}", "at": NOON + timedelta(days=day)}
        bench.put([bench.value(1, key="failures", **columns), bench.value(4, key="calls", **columns)])
        bench.aggregate(*metrics[: 3 - day])
    bench.aggregate(*metrics)
    assert len(bench.periods("metric_key = 'failure_ratio' AND granularity = 'hour'")) == 2
    assert bench.aggregate(*metrics).metrics == ()


def test_a_past_version_of_a_ratio_reads_what_it_read_then(bench, metrics):
    failures, calls, ratio = metrics
    edited = datetime(2026, 3, 11, tzinfo=UTC)
    newer = [bench.metric("calls", "v2"), dataclasses.replace(ratio, version="v2")]
    bench.define(failures)
    bench.define(calls, ratio, until=edited)
    bench.define(*newer, since=edited)
    bench.put(
        [
            bench.value(1, key="failures", entity_id="a"),
            bench.value(4, key="calls", entity_id="a"),
            bench.value(100, key="calls", entity_id="a", definition_version="v2"),
        ]
    )
    bench.aggregate(failures, calls, ratio)
    bench.aggregate(failures, *newer, zone="Asia/Kolkata")
    rows = bench.periods("metric_key = 'failure_ratio' AND granularity = 'day'")
    assert {row["definition_version"]: row["value"] for row in rows} == {"v1": 0.25, "v2": 0.01}


@pytest.fixture
def events(bench):
    """Surface events: three created, two submitted, in two hours and two services; one of another domain."""
    rows = [
        ("e1", "surface.created", 0, "s1", "surface", 10),
        ("e2", "surface.created", 0, "s2", "surface", 20),
        ("e3", "surface.created", 61, "s1", "surface", "no number"),
        ("e4", "surface.submitted", 5, "s1", "surface", 1),
        ("e5", "surface.submitted", 62, "s1", "surface", 1),
        ("e6", "surface.created", 5, "s1", "billing", 1),
        ("e7", "surface.created", None, "s1", "surface", 1),
    ]
    with bench.store.transaction() as con:
        for event_id, event_type, minute, service_id, domain, amount in rows:
            con.execute(
                "INSERT INTO events BY NAME SELECT $1 AS workspace_id, $2 AS event_id, $3 AS event_type,"
                " $4::TIMESTAMPTZ AS occurred_at, $5 AS service_id, $6 AS domain, json_object('amount', $7) AS data,"
                " now() AS ingested_at, 'production' AS traffic, 'k' AS source_key, 'f' AS file_id",
                [
                    *(bench.store.workspace_id, event_id, event_type),
                    None if minute is None else NOON + timedelta(minutes=minute),
                    *(service_id, domain, amount),
                ],
            )


def stale(bench, *keys):
    with bench.store.transaction() as con:
        for key in keys:
            for hour in (12, 13):
                row = [bench.store.workspace_id, key, "v1", NOON.replace(hour=hour, minute=0)]
                con.execute("INSERT INTO stale_periods VALUES (?, ?, ?, ?, NULL)", row)


def surface(bench, key, **fields):
    return bench.metric(key, source="surface_events", **fields)


@pytest.mark.usefixtures("events")
def test_event_level_metrics_are_aggregated_straight_from_events(bench):
    created = surface(bench, "created", event_types=("surface.created",), aggregation="count")
    amount = surface(bench, "amount", event_types=("surface.created",), extract_path="$.amount", aggregation="sum")
    stale(bench, "created", "amount")
    bench.aggregate(created, amount)
    counts = {
        (r["granularity"], r["service_id"], r["period_start"].hour): r["value"]
        for r in bench.periods("metric_key = 'created'")
    }
    assert counts == {
        ("day", None, 0): 3, ("day", "s1", 0): 2, ("day", "s2", 0): 1,
        ("hour", None, 12): 2, ("hour", "s1", 12): 1, ("hour", "s2", 12): 1,
        ("hour", None, 13): 1, ("hour", "s1", 13): 1,
    }  # fmt: skip
    row = bench.one("metric_key = 'amount' AND granularity = 'day'")
    assert (row["value"], row["event_count"], row["wrong_type_count"], row["eligible_count"]) == (30.0, 2, 1, 3)


@pytest.mark.usefixtures("events")
def test_two_versions_of_an_event_level_metric_keep_apart(bench):
    created = surface(bench, "x", event_types=("surface.created",), aggregation="count")
    submitted = surface(bench, "x", version="v0", event_types=("surface.submitted",), aggregation="count")
    bench.define(submitted)
    stale(bench, "x")
    with bench.store.transaction() as con:
        con.execute(
            "INSERT INTO stale_periods BY NAME"
            " SELECT workspace_id, metric_key, 'v0' AS definition_version, hour FROM stale_periods"
        )
    bench.aggregate(created)
    rows = bench.periods("granularity = 'day' AND service_id IS NULL")
    assert [(row["definition_version"], row["value"]) for row in rows] == [("v0", 2.0), ("v1", 3.0)]


@pytest.mark.usefixtures("events")
def test_a_ratio_of_event_types_counts_each_type(bench):
    ratio = surface(
        bench, "completion", event_types=("surface.created",), aggregation="ratio",
        ratio_numerator_event="surface.submitted", ratio_denominator_event="surface.created",
    )  # fmt: skip
    stale(bench, "completion")
    bench.aggregate(ratio)
    row = bench.one("granularity = 'day'")
    assert (row["numerator"], row["denominator"], row["event_count"]) == (2.0, 3.0, 5)
    assert row["value"] == pytest.approx(2 / 3)


@pytest.mark.usefixtures("events")
def test_a_ratio_of_events_to_conversations_adds_up_each_side_by_itself(bench):
    created = surface(bench, "created", event_types=("surface.created",), aggregation="count")
    talks = bench.metric("talks", aggregation="count")
    ratio = bench.metric("r", aggregation="ratio", ratio_numerator_metric="created", ratio_denominator_metric="talks")
    bench.put(bench.value(1.0, key="talks") for _ in range(4))
    stale(bench, "created")
    bench.aggregate(created, talks, ratio)
    row = bench.one("metric_key = 'r' AND granularity = 'day'")
    assert (row["value"], row["numerator"], row["denominator"]) == (0.75, 3.0, 4.0)
