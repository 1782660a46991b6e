"""Every aggregation, grain, zone and group through two doors is one number."""

from __future__ import annotations

import json
import random
from collections import Counter
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pyarrow as pa
import pytest
from lots import named

from pipeline.aggregate.measure import measure
from pipeline.aggregate.merge import merge_hours
from pipeline.catalog.aggregations import AGGREGATIONS
from pipeline.reports.breakdown import breakdown
from pipeline.reports.series import series, spans_until
from pipeline.store import STATES

ZONES = ["UTC", "Europe/Berlin", "Asia/Kolkata"]
NOW = datetime(2026, 4, 2, 12, tzinfo=UTC)  # the clocks of Berlin changed on the Sunday before
DAYS = 8
SOME = {"below", "numerical_sum", "numerical_avg", "numerical_ratio", "numerical_p90", "numerical_trimmed_mean"} | {
    "categorical_count", "event_boolean_rate", "event_categorical_count", "event_numerical_ratio",
}  # fmt: skip
LEDGER = ("eligible_count", "event_count", *(f"{state}_count" for state in STATES if state != "ok"))
NUMBERS = (
    *LEDGER,
    *("value", "value_text", "share", "coverage", "uncovered_share", "estimated", "avg_confidence", "unit_count"),
    *("value_sum", "value_sum_squares", "value_min", "value_max", "true_count", "numerator", "denominator"),
    *("bound_low", "bound_high", "standard_error", "interval_about", "interval_method", "selection"),
)
ENDS = ("interval_low", "interval_high")


@pytest.fixture
def conversations() -> list[dict[str, Any]]:
    """Eight days, some hours of which are too full for all to be examined."""
    chance = random.Random(11)
    found = []
    for number in range(140):
        hour = NOW.replace(hour=0) - timedelta(
            hours=chance.choice([2, 3, 3, 3, 30, 31, 31, 55, 77, 100, 101, 122, 150])
        )
        state = chance.choice(["ok"] * 12 + ["over_cap"] * 4 + ["missing", "not_applicable", "error"])
        found.append(
            {
                "conversation_id": named(f"c{number}", state),
                "at": hour + timedelta(minutes=chance.randrange(60)),
                "service_id": chance.choice([None, "s1", "s1", "s2", "s3"]),
                "traffic": chance.choice(["production"] * 6 + ["simulation"]),
                "channel": chance.choice(["voice", "voice", "chat", None]),
                "tags": chance.choice([["plan:gold"], ["plan:gold", "vip"], ["plan:free"], ["vip"], []]),
                "mood": chance.choice(["calm", "cross", None]),
                "status": state,
                "confidence": chance.random(),
                "numerical": round(chance.lognormvariate(0, 1), 1),
                "below": float(chance.randint(1, 5)),
                "boolean": chance.random() < 0.3,
                "categorical": chance.choice("aabc"),
            }
        )
    return found


def all_metrics(bench) -> list[Any]:
    """For each aggregation and type one metric of conversations, and one of events."""
    metrics = [bench.metric("below")]
    for name, aggregation in AGGREGATIONS.items():
        for kind in sorted(aggregation.types):
            wide = {"valid_range_min": 0, "valid_range_max": 1000} if kind == "numerical" and name != "ratio" else {}
            sides = {"ratio_numerator_metric": "numerical_avg", "ratio_denominator_metric": "below"}
            of_events = {"ratio_numerator_event": "surface.paid", "ratio_denominator_event": "surface.shown"}
            ratio = name == "ratio"
            metrics.append(
                bench.metric(f"{kind}_{name}", aggregation=name, metric_type=kind, **wide, **(sides if ratio else {}))
            )
            if name in ("p50", "p75", "p90", "p95", "p99", "p999", "max"):  # those of events are like the others
                continue
            metrics.append(
                bench.metric(
                    f"event_{kind}_{name}", aggregation=name, metric_type=kind, source="surface_events",
                    event_types=("surface.paid", "surface.shown"),
                    **(of_events if ratio else wide | {"extract_path": f"$.{kind}"}),
                )
            )  # fmt: skip
    return metrics


def fill(bench, conversations: list[dict[str, Any]], metrics: list[Any], zone: str) -> None:
    """Values and two events for each conversation, and the rows that a run would store."""
    workspace = bench.store.workspace_id
    bench.define(*metrics)
    kept = ("service_id", "traffic", "status", "confidence")
    bench.put(
        bench.value(
            c["below" if metric.key == "below" else metric.definition.metric_type] if c["status"] == "ok" else None,
            key=metric.key, at=c["at"], entity_id=c["conversation_id"], **{name: c[name] for name in kept},
        )
        for metric in metrics
        if not metric.definition.event_level and metric.definition.aggregation != "ratio"
        for c in conversations
    )  # fmt: skip
    events = [
        {
            "event_id": f"{c['conversation_id']}-{event_type}-{number}",
            "conversation_id": c["conversation_id"],
            "event_type": event_type,
            "occurred_at": c["at"] + timedelta(minutes=7 * number),
            **{name: c[name] for name in ("service_id", "traffic", "channel")},
            "data": json.dumps({kind: c[kind] for kind in ("numerical", "boolean", "categorical")}),
        }
        for c in conversations
        for number, event_type in enumerate(("surface.shown", "surface.paid", "surface.shown")[: len(c["tags"]) + 1])
    ]
    said = [
        {
            "conversation_id": c["conversation_id"],
            "started_at": c["at"],
            "ended_at": c["at"] + timedelta(minutes=20),
            **{name: c[name] for name in ("service_id", "traffic", "channel", "tags")},
            "intelligence": json.dumps({"mood": c["mood"]}),
        }
        for c in conversations
    ]
    with bench.store.transaction() as con:
        con.register("events_said", pa.Table.from_pylist(events))
        con.execute(
            "INSERT INTO events BY NAME SELECT *, $1 AS workspace_id, 'surface' AS domain, now() AS ingested_at,"
            " 'k' AS source_key, 'f' AS file_id FROM events_said",
            [workspace],
        )
        con.register("conversations_said", pa.Table.from_pylist(said))
        con.execute(
            "INSERT INTO conversations BY NAME SELECT *, $1 AS workspace_id, now() AS last_arrival_at,"
            " 1 AS event_count, 0 AS turn_count, 0 AS agent_turn_count, 0 AS user_turn_count, 0 AS tool_call_count,"
            " 0 AS tool_failure_count, [] AS turns, '' AS content_hash FROM conversations_said",
            [workspace],
        )
        keys = [metric.key for metric in metrics if metric.definition.event_level]
        con.register("keys", pa.table({"metric_key": keys}))
        con.execute(
            "INSERT INTO stale_periods BY NAME SELECT DISTINCT $1 AS workspace_id, metric_key,"
            " 'v1' AS definition_version, date_trunc('hour', occurred_at) AS hour FROM events_said CROSS JOIN keys",
            [workspace],
        )
    bench.aggregate(*metrics, zone=zone)


def agree(found: dict[str, Any], wanted: dict[str, Any], where: Any, *, but: tuple[str, ...] = ()) -> None:
    """Two rows say the same, to nine digits; the ends of intervals, which come from fourth powers, to seven."""
    for name in NUMBERS + ENDS:
        if name in but:
            continue
        expected = wanted[name]
        if isinstance(expected, float):
            expected = pytest.approx(expected, rel=1e-7 if name in ENDS else 1e-9, abs=1e-9)
        assert found[name] == expected, (where, name)


def by_start(rows: list[dict[str, Any]]) -> dict[Any, dict[str, Any]]:
    return {(row["period_start"], row["period_end"], row["category"]): row for row in rows}


@pytest.mark.parametrize("zone_name", ZONES)
def test_weeks_start_on_monday_and_the_last_one_holds_now(zone_name):
    zone = ZoneInfo(zone_name)
    for shift in range(8):
        now = NOW + timedelta(days=shift)
        spans = spans_until(now, 20, "week", zone)
        assert {start.astimezone(zone).strftime("%a %H:%M") for start, _ in spans} == {"Mon 00:00"}
        assert [start for start, _ in spans[1:]] == [end for _, end in spans[:-1]]
        assert spans[-1][0] <= now < spans[-1][1]


@pytest.mark.parametrize("every", [pytest.param(True, marks=pytest.mark.long), False])
@pytest.mark.parametrize("zone_name", ZONES)
def test_stored_measured_series_and_merged_rows_are_the_same(bench, conversations, zone_name, every):
    zone, workspace = ZoneInfo(zone_name), bench.store.workspace_id
    metrics = [metric for metric in all_metrics(bench) if every or metric.key in SOME]
    fill(bench, conversations, metrics, zone_name)
    spans = {grain: spans_until(NOW, DAYS, grain, zone) for grain in ("hour", "day", "week", "month")}
    assert all(start.astimezone(zone).weekday() == 0 for start, _ in spans["week"])  # weeks start on Monday
    held: Counter[str] = Counter()
    found: dict[str, dict[Any, dict[str, Any]]] = {}
    with bench.publish() as con:
        for metric in metrics:
            stored = by_start(
                bench.periods(f"metric_key = '{metric.key}' AND traffic = 'production' AND service_id IS NULL")
            )
            asked = sorted({span for each in spans.values() for span in each} | {place[:2] for place in stored})
            measured = by_start(measure(con, workspace, metric.key, asked))
            for place, row in stored.items():
                agree(measured[place], row, (metric.key, "stored", place))
                held["stored"] += 1
            found[metric.key] = measured
            # The hours of a day add up to the day.
            hours = [measured[*span, None] for span in spans["hour"] if (*span, None) in measured]
            for start, end in spans["day"][:-1]:
                inside = [row for row in hours if start <= row["period_start"] < end]
                day = measured.get((start, end, None))
                assert (day is None) == (not inside)
                if day is not None:
                    names = LEDGER + (("value",) if metric.definition.aggregation in ("count", "sum") else ())
                    if zone_name == "Asia/Kolkata":  # its hours are cut out of two of UTC, each of which has its weight
                        names = LEDGER
                    for name in names:
                        known = [row[name] for row in inside if row[name] is not None]
                        assert day[name] == pytest.approx(sum(known) if known else None, rel=1e-9), (metric.key, name)
                    held["added up"] += 1
            if metric.key not in SOME:
                continue  # all others are series of the same making
            for row in [
                *series(con, workspace, metric, spans["day"], grain="day", stored=True),
                *series(con, workspace, metric, spans["week"] + spans["month"], grain="week", stored=False),
            ]:
                place = row["period_start"], row["period_end"], None
                if row["eligible_count"]:
                    agree(row, measured[place], (metric.key, "series", place))
                    held["series"] += 1
            (week,) = [span for span in spans["week"] if span[0] <= NOW < span[1]]
            (row,) = breakdown(con, workspace, metric.key, week)
            agree(row, measured[*week, None], (metric.key, "breakdown"))

        if zone_name == "Asia/Kolkata":  # whose days are not made of whole hours of UTC
            return
        mergeable = [m for m in metrics if not AGGREGATIONS[m.definition.aggregation].needs_numbers]
        merged = merge_hours(con, workspace, [m.key for m in mergeable], spans["day"] + spans["week"])
        for metric in mergeable:
            rows = [r for r in merged if (r["metric_key"], r["service_id"]) == (metric.key, None)]
            # Hours do not say which conversation an event belongs to, nor how the sides of a ratio go together.
            apart = metric.definition.event_level or metric.definition.aggregation == "ratio"
            but = (*ENDS, "interval_method", "interval_about", "standard_error", "unit_count") if apart else ()
            for place, row in by_start(rows).items():
                agree(row, found[metric.key][place], (metric.key, "merged", place), but=but)
                held["merged"] += 1
    assert min(held[door] for door in ("stored", "series", "added up", "merged")) > 20


GROUPS = ["service", "channel", "tag", "tag:plan", "summary:mood", "category"]


def test_groups_add_up_to_the_whole(bench, conversations):
    workspace = bench.store.workspace_id
    wanted = {"below", "numerical_sum", "numerical_avg", "numerical_ratio", "categorical_count", "event_boolean_rate"}
    metrics = [metric for metric in all_metrics(bench) if metric.key in wanted]
    assert len(metrics) == len(wanted)
    fill(bench, conversations, metrics, "Asia/Kolkata")
    (week,) = [s for s in spans_until(NOW, DAYS, "week", ZoneInfo("Asia/Kolkata")) if s[0] <= NOW < s[1]]
    span = week[0] - timedelta(days=5), week[1]
    with bench.publish() as con:
        for metric in metrics:
            (whole,) = breakdown(con, workspace, metric.key, span)
            for by in GROUPS if metric.key == "numerical_sum" else ["tag", "category"]:
                if by == "category":
                    check_categories(con, workspace, metric, span, whole)
                else:
                    check_groups(con, workspace, metric, span, whole, by)


def check_categories(con, workspace, metric, span, whole) -> None:
    if metric.definition.metric_type != "categorical":
        return
    rows = breakdown(con, workspace, metric.key, span, by="category")
    assert sum(row["true_count"] for row in rows) == whole["event_count"]
    assert sum(row["share"] for row in rows) == pytest.approx(1)
    two = breakdown(con, workspace, metric.key, span, by="category", most_groups=1)
    assert [row["rest"] for row in two] == [False, True]
    assert sum(row["true_count"] for row in two) == whole["event_count"]


def check_groups(con, workspace, metric, span, whole, by) -> None:
    rows = breakdown(con, workspace, metric.key, span, by=by)
    assert not any(row["rest"] for row in rows)
    measured = {row["group_key"]: row for row in rows}
    assert len(measured) == len(rows) > 2
    few = breakdown(con, workspace, metric.key, span, by=by, most_groups=1)
    assert [row["rest"] for row in few].count(True) == (len(measured.keys() - {None}) > 1)
    for some in (rows, few):
        for name in LEDGER:
            total = sum(row[name] for row in some)
            # A conversation is in the group of each of its tags.
            assert total >= whole[name] if by == "tag" else total == whole[name], (metric.key, by, name)
    if by == "service":
        (alone,) = breakdown(con, workspace, metric.key, span, service_id="s1")
        agree(measured["s1"], alone, (metric.key, "s1"))
