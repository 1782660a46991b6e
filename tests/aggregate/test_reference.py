"""Period rows against a plain Python reference: statistics and scipy, one value at a time, no SQL."""

from __future__ import annotations

import math
import statistics
from collections import Counter, defaultdict
from datetime import UTC, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
import pytest
import scipy.stats
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pipeline.store import STATES
from pipeline.window import floor_hour

LEFT_OUT = ("not_sampled", "over_cap", "over_budget")
NUMERICAL = ["count", "sum", "avg", "min", "max", "stddev", "median", "p50", "p90", "p95", "p99", "count_distinct"]
BOOLEAN = ["rate", "avg", "sum", "count"]
CLOCK_CHANGES = [
    ("UTC", datetime(2026, 1, 1, tzinfo=UTC)),
    ("Europe/Berlin", datetime(2026, 3, 28, tzinfo=UTC)),
    ("Europe/Berlin", datetime(2026, 10, 24, tzinfo=UTC)),
    ("America/New_York", datetime(2026, 3, 7, tzinfo=UTC)),
    ("America/New_York", datetime(2026, 10, 31, tzinfo=UTC)),
    ("Asia/Kolkata", datetime(2026, 6, 1, tzinfo=UTC)),
    ("Asia/Kathmandu", datetime(2026, 6, 1, tzinfo=UTC)),
]

results = {
    "numerical": st.floats(-1e9, 1e9, allow_subnormal=False) | st.integers(0, 5).map(float),
    "boolean": st.booleans(),
    "categorical": st.sampled_from(["billing", "Billing", "", "straße", "other"]),
    "labels": st.lists(st.sampled_from("abcd"), max_size=3),
}


@st.composite
def outcomes(draw: st.DrawFn) -> dict[str, Any]:
    """One conversation: when, whose, its state, and a result of each type for when that is `ok`."""
    status = draw(st.sampled_from(STATES) | st.just("ok") | st.just("ok"))
    return {
        "minute": draw(st.integers(0, 3 * 1440)),
        "traffic": draw(st.sampled_from(["production", "simulation"])),
        "service_id": draw(st.sampled_from([None, "s1", "s2"])),
        "status": status,
        "confidence": draw(st.none() | st.floats(0, 1)),
        "results": {name: draw(strategy) for name, strategy in results.items()} if status == "ok" else {},
    }


@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.sampled_from(CLOCK_CHANGES), st.lists(outcomes(), min_size=1, max_size=40))
def test_every_aggregation_agrees_with_the_reference(bench, place, conversations):
    zone, start = place
    metrics = {
        **{f"n_{name}": bench.metric(f"n_{name}", aggregation=name) for name in NUMERICAL},
        **{f"b_{name}": bench.metric(f"b_{name}", aggregation=name, metric_type="boolean") for name in BOOLEAN},
        "c_count": bench.metric("c_count", aggregation="count", metric_type="categorical"),
        "c_count_distinct": bench.metric("c_count_distinct", aggregation="count_distinct", metric_type="categorical"),
        "l_count": bench.metric("l_count", aggregation="count", metric_type="categorical", multi_label=True),
    }
    kinds = {"n": "numerical", "b": "boolean", "c": "categorical", "l": "labels"}
    values = [
        bench.value(
            conversation["results"].get(kinds[key[0]]),
            key=key,
            at=start + timedelta(minutes=conversation["minute"]),
            **{name: conversation[name] for name in ("traffic", "service_id", "status", "confidence")},
        )
        for key in metrics
        for conversation in conversations
    ]
    bench.put(values, clear=True)
    report = bench.aggregate(*metrics.values(), zone=zone)

    wanted = reference(metrics, values, ZoneInfo(zone))
    found = {tuple(row[name] for name in IDENTITY): {name: row[name] for name in COMPARED} for row in bench.periods()}
    assert found.keys() == wanted.keys()
    for identity, row in found.items():
        assert row == wanted[identity], identity
    assert (report.added, report.changed, report.superseded) == (len(found), 0, 0)


IDENTITY = ("metric_key", "granularity", "traffic", "service_id", "period_start", "category")
COMPARED = (
    *("period_end", "value", "value_text", "share", "coverage", "event_count", "eligible_count", "avg_confidence"),
    *("interval_method", "interval_low", "interval_high", "estimated", "value_sum", "value_min", "value_max"),
    *("true_count", "value_sum_squares", "revision"),
    *(f"{state}_count" for state in STATES if state != "ok"),
)


def reference(metrics: dict[str, Any], values: list[dict[str, Any]], zone: ZoneInfo) -> dict[Any, dict[str, Any]]:
    """The rows that should exist, by identity."""
    groups = defaultdict(list)
    for value in values:
        at = value["observed_at"]
        today = at.astimezone(zone).date()
        midnight, next_midnight = (
            datetime.combine(today + timedelta(days=shift), time(), tzinfo=zone).astimezone(UTC) for shift in (0, 1)
        )
        hour = floor_hour(at)
        for granularity, begin, end in (("hour", hour, hour + timedelta(hours=1)), ("day", midnight, next_midnight)):
            for service_id in {None, value["service_id"]}:
                identity = (value["metric_key"], granularity, value["traffic"], service_id, begin)
                groups[identity, end].append(value)
    rows = {}
    for (identity, end), members in groups.items():
        for category, row in summarise(metrics[identity[0]].definition, members).items():
            rows[*identity, category] = row | {"period_end": end, "revision": 1}
    return rows


def summarise(definition: Any, members: list[dict[str, Any]]) -> dict[str | None, dict[str, Any]]:
    """One group's summary row and its category rows, by category."""
    states = Counter(member["status"] for member in members)
    good = [member for member in members if member["status"] == "ok"]
    n, eligible = len(good), len(members)
    examined = eligible - sum(states[state] for state in LEFT_OUT)
    weight = eligible / examined if examined else None
    numbers = [float(m["value_boolean"] if "value_boolean" in m else m["value_number"]) for m in good if has_number(m)]
    size = max(map(abs, numbers), default=0.0)
    labels = [set(m["value_list"]) if "value_list" in m else {m["value_text"]} for m in good if not has_number(m)]
    tally = Counter(label for each in labels for label in each)

    aggregation = definition.aggregation
    value = compute(aggregation, numbers, tally, n, examined, weight)
    estimated = aggregation in ("count", "sum") and examined < eligible
    low, high, method = interval(definition, value, numbers, n, eligible, examined, estimated)
    ledger = {
        "event_count": n,
        "eligible_count": eligible,
        "coverage": close(n / (eligible - states["not_applicable"]) if eligible > states["not_applicable"] else None),
        **{f"{state}_count": states[state] for state in STATES if state != "ok"},
    }
    deviations = [(x - statistics.fmean(numbers)) ** 2 for x in numbers] if numbers else []
    rows: dict[str | None, dict[str, Any]] = {
        None: ledger
        | {
            "value": close(value, size),
            "value_text": min(tally, key=lambda label: (-tally[label], label.encode())) if tally else None,
            "share": None,
            "avg_confidence": mean_confidence(good),
            "interval_method": method,
            "interval_low": close(low, size),
            "interval_high": close(high, size),
            "estimated": estimated,
            "value_sum": close(math.fsum(numbers) if numbers else None, size),
            "value_sum_squares": close(math.fsum(deviations) if numbers else None, size * size),
            "value_min": min(numbers, default=None),
            "value_max": max(numbers, default=None),
            "true_count": int(sum(numbers)) if definition.metric_type == "boolean" and numbers else None,
        }
    }
    for label, count in tally.items():
        bounds = scipy.stats.binomtest(count, n).proportion_ci(method="wilson")
        having = [m for m, each in zip(good, labels, strict=True) if label in each]
        rows[label] = rows[None] | {
            "value": close(count * weight if weight else None),
            "value_text": None,
            "share": close(count / n),
            "avg_confidence": mean_confidence(having),
            "interval_method": "wilson",
            "interval_low": close(bounds.low),
            "interval_high": close(bounds.high),
            "estimated": examined < eligible,
            "true_count": count,
        }
    return rows


def compute(aggregation: str, numbers: list[float], tally: Any, n: int, examined: int, weight: float | None) -> Any:
    if aggregation == "count":
        return n * weight if weight else None
    if aggregation == "count_distinct":
        return (len(tally) or len(set(numbers))) if examined else None
    if not numbers:
        return None
    quantile = {"median": 50, "p50": 50, "p90": 90, "p95": 95, "p99": 99}.get(aggregation)
    if quantile:
        return float(np.percentile(numbers, quantile))
    if aggregation == "stddev":
        return statistics.stdev(numbers) if n > 1 else None
    return {
        "sum": math.fsum(numbers) * (weight or 1),
        "avg": statistics.fmean(numbers),
        "rate": statistics.fmean(numbers),
        "min": min(numbers),
        "max": max(numbers),
    }[aggregation]


def interval(definition, value, numbers, n, eligible, examined, estimated):
    aggregation = definition.aggregation
    if value is None:
        return None, None, "none"
    if aggregation == "rate" or (aggregation == "avg" and definition.metric_type == "boolean"):
        return *scipy.stats.binomtest(int(sum(numbers)), n).proportion_ci(method="wilson"), "wilson"
    if aggregation == "avg" and n > 1:
        half = scipy.stats.t.ppf(0.975, n - 1) * statistics.stdev(numbers) / math.sqrt(n)
        return value - half, value + half, "student"
    if estimated and aggregation == "count":
        low, high = wilson(n / examined, examined * (eligible - 1) / (eligible - examined))
        return max(n, eligible * low), min(n + eligible - examined, eligible * high), "wilson"
    if estimated and aggregation == "sum" and examined > 1:
        error = statistics.stdev(numbers + [0.0] * (examined - n)) * math.sqrt((1 - examined / eligible) / examined)
        half = scipy.stats.t.ppf(0.975, examined - 1) * eligible * error
        return value - half, value + half, "student"
    quantile = {"median": 0.5, "p50": 0.5, "p90": 0.9, "p95": 0.95, "p99": 0.99}.get(aggregation)
    if quantile:
        below = scipy.stats.binom(n, quantile)
        low = max((rank for rank in range(1, n + 1) if below.cdf(rank - 1) < 0.025), default=None)
        high = min((rank for rank in range(1, n + 1) if below.cdf(rank - 1) >= 0.975), default=None)
        if low and high:
            return sorted(numbers)[low - 1], sorted(numbers)[high - 1], "order_statistic"
    return None, None, "none"


def wilson(share: float, n: float) -> tuple[float, float]:
    """Wilson's bounds as the roots of (p - share)² = z² p (1 - p) / n."""
    z2 = scipy.stats.norm.ppf(0.975) ** 2
    low, high = sorted(np.roots([1 + z2 / n, -(2 * share + z2 / n), share**2]).real)
    return low, high


def mean_confidence(members: list[dict[str, Any]]) -> Any:
    known = [member["confidence"] for member in members if member["confidence"] is not None]
    return close(statistics.fmean(known) if known else None)


def has_number(member: dict[str, Any]) -> bool:
    return "value_number" in member or "value_boolean" in member


def close(expected: float | None, size: float = 0.0) -> Any:
    return None if expected is None else pytest.approx(expected, rel=1e-9, abs=1e-11 * max(size, 1e-3))
