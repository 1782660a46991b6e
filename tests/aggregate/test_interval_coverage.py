"""Intervals of stored rows: values and events go in, `aggregate` runs, and the truth must lie in the row's interval.

Each day is one replication, and all days of a world are one store and one `aggregate`. Each world is chosen such that
the wrong method misses by far; where that is not plain, the test computes the wrong interval beside the right one.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from lots import named
from scipy.stats import t as student

START = datetime(2025, 1, 1, tzinfo=UTC)
DAYS = [pytest.param(120, id="short"), pytest.param(2000, id="long", marks=pytest.mark.long)]
Rows = list[dict[str, Any]]


def put(bench: Any, keys: Iterable[str], at: np.ndarray, column: str, result: Any, status: Any = "ok") -> None:
    """One value of every key for each instant (minutes after the start); the state is `ok` unless one is given."""
    with bench.store.transaction() as con:
        count = len(at)
        states = pa.array(np.broadcast_to(status, count).tolist())
        names = [named(f"c{number}", status) for number, status in enumerate(states.to_pylist())]
        con.register("drawn", pa.table({"minute": at, "result": result, "status": states, "name": names}))
        for key in keys:
            con.execute(
                f"INSERT INTO metric_values BY NAME SELECT $1 AS workspace_id, $2 AS metric_key, 'v1' AS"
                f" definition_version, 'conversation' AS entity_type, name AS entity_id, 0 AS sample_index,"
                f" $3::TIMESTAMPTZ + to_minutes(minute) AS observed_at, 'production' AS traffic, status, 1 AS attempts,"
                f" '' AS content_hash, $3::TIMESTAMPTZ AS computed_at, 'r' AS run_id,"
                f" CASE WHEN status = 'ok' THEN result END AS {column} FROM drawn",
                [bench.store.workspace_id, key, START],
            )
            stale(con, bench, key)


def stale(con: Any, bench: Any, key: str) -> None:
    con.execute(
        "INSERT INTO stale_periods BY NAME SELECT DISTINCT $1 AS workspace_id, $2 AS metric_key, 'v1' AS"
        " definition_version, date_trunc('hour', $3::TIMESTAMPTZ + to_minutes(minute)) AS hour FROM drawn",
        [bench.store.workspace_id, key, START],
    )


def days(bench: Any, key: str, count: int, category: str | None = None) -> Rows:
    """The days' rows of a metric, in order."""
    chosen = "category IS NULL" if category is None else f"category = '{category}'"
    rows: Rows = bench.periods(f"metric_key = '{key}' AND granularity = 'day' AND service_id IS NULL AND {chosen}")
    assert len(rows) == count
    return rows


def held(rows: Rows, truth: Any, value: str = "value") -> float:
    """How many of the days hold the truth; each interval has a width and holds its own value."""
    low, high, middle = (
        np.array([row[name] for row in rows], float) for name in ("interval_low", "interval_high", value)
    )
    given = ~np.isnan(low)
    assert given.mean() > 0.95
    assert ((low < high) & (low <= middle) & (middle <= high))[given].all()
    return float(((low <= truth) & (truth <= high))[given].mean())


def least(count: int, share: float = 0.93) -> float:
    """What must hold, less three standard errors of so few days."""
    return share - 3 * (0.05 / count) ** 0.5


def minutes(count: int, *sizes: int) -> np.ndarray:
    """When the conversations of each day start: so many in each hour from eight o'clock."""
    each = np.concatenate([60 * (8 + hour) + np.arange(size) % 60 for hour, size in enumerate(sizes)])
    return (1440 * np.arange(count)[:, None] + each).ravel()


@pytest.mark.parametrize("count", DAYS)
def test_whole_days(bench: Any, count: int) -> None:
    """60 conversations a day: skewed numbers, a rate, labels, a ratio of sums that vary together."""
    rng = np.random.default_rng(11)
    at = minutes(count, 30, 20, 10)
    numbers, calls = rng.exponential(size=len(at)), 1.0 + rng.poisson(3, size=len(at))
    labels = rng.choice(["a", "b", "c"], size=len(at), p=[0.5, 0.3, 0.2])
    aggregations = ("avg", "p90", "trimmed_mean", "stddev", "sum")
    put(bench, aggregations, at, "value_number", numbers)
    put(bench, ["rate"], at, "value_boolean", rng.random(len(at)) < 0.02)
    put(bench, ["label"], at, "value_text", labels)
    put(bench, ["spent"], at, "value_number", calls * numbers)
    put(bench, ["calls"], at, "value_number", calls)
    metrics = [
        *(bench.metric(name, aggregation=name) for name in aggregations),
        bench.metric("rate", metric_type="boolean", aggregation="rate"),
        bench.metric("label", metric_type="categorical", aggregation="count"),
        bench.metric("spent"),
        bench.metric("calls"),
        bench.metric("ratio", aggregation="ratio", ratio_numerator_metric="spent", ratio_denominator_metric="calls"),
    ]
    bench.aggregate(*metrics)

    low_cut, high_cut = -np.log(0.9), -np.log(0.1)
    trimmed = ((low_cut + 1) * 0.9 - (high_cut + 1) * 0.1) / 0.8
    methods = {
        "avg": ("hall", 1.0),
        "p90": ("order_statistic", high_cut),
        "trimmed_mean": ("hall", trimmed),
        "stddev": ("bonett", 1.0),
        "rate": ("clopper_pearson", 0.02),
        "ratio": ("hall", 1.0),
    }
    for name, (method, truth) in methods.items():
        rows = days(bench, name, count)
        assert {(row["interval_method"], row["interval_about"]) for row in rows} - {("none", None)} == {
            (method, "process")
        }, name
        assert held(rows, truth) >= least(count), name
    for label, share in (("a", 0.5), ("b", 0.3), ("c", 0.2)):
        assert held(days(bench, "label", count, label), share, "share") >= least(count), label
    assert {row["interval_low"] for row in days(bench, "sum", count)} == {None}  # exact

    # Student's two ends are as far away; the right one is further where the tail is. Wilson's 0 of 60 ends at 6.0 %.
    ends = [
        (row["interval_high"] - row["value"]) / (row["value"] - row["interval_low"])
        for row in days(bench, "avg", count)
    ]
    assert np.median(ends) > 1.25
    nothing = [row["interval_high"] for row in days(bench, "rate", count) if row["value"] == 0]
    assert nothing
    assert 0.045 < max(nothing) < 0.0597
    assert min(row["interval_low"] for row in days(bench, "rate", count)) == 0


@pytest.mark.parametrize("count", DAYS)
def test_sampled_hours(bench: Any, count: int) -> None:
    """A busy hour of which a quarter is examined, and a quiet one that is examined whole, and is otherwise.

    Without weights, the mean would be 0.6 and its interval would not hold 0.84; without the sampled part's share, the
    total would be 44 rather than some 63.
    """
    rng = np.random.default_rng(12)
    busy, quiet, examined = 60, 15, 15
    at = minutes(count, busy, quiet)
    one_day = np.r_[np.ones(busy), np.zeros(quiet)]
    seen = np.r_[np.arange(busy) < examined, np.ones(quiet, bool)]
    is_busy, status = np.tile(one_day, count), np.where(np.tile(seen, count), "ok", "over_cap")
    numbers = np.where(is_busy == 1, 1.0, 0.2) * rng.exponential(size=len(at))
    truths = rng.random(len(at)) < np.where(is_busy == 1, 0.5, 0.1)
    put(bench, ["avg", "sum", "p75"], at, "value_number", numbers, status)
    put(bench, ["rate"], at, "value_boolean", truths, status)
    # Half of the busy hour's conversations have a value at all.
    answered = np.where(rng.random(len(at)) < np.where(is_busy == 1, 0.5, 0.9), "ok", "missing")
    put(bench, ["count"], at, "value_number", numbers, np.where(status == "over_cap", "over_cap", answered))
    metrics = [
        bench.metric(name, aggregation=name, cap=15, selection="hash") for name in ("avg", "sum", "p75", "count")
    ]
    bench.aggregate(*metrics, bench.metric("rate", metric_type="boolean", aggregation="rate", cap=15, selection="hash"))

    mean = (busy * 1.0 + quiet * 0.2) / (busy + quiet)
    assert held(days(bench, "avg", count), mean) >= least(count)
    assert held(days(bench, "rate", count), (busy * 0.5 + quiet * 0.1) / (busy + quiet)) >= least(count)
    grid = np.linspace(0, 5, 50_001)
    below = (busy * (1 - np.exp(-grid)) + quiet * (1 - np.exp(-grid / 0.2))) / (busy + quiet)
    assert held(days(bench, "p75", count), grid[np.searchsorted(below, 0.75)]) >= least(count)
    by_day = (count, busy + quiet)
    sums, counted = days(bench, "sum", count), days(bench, "count", count)
    assert {row["interval_about"] for row in [*sums, *counted]} - {None} == {"period"}
    assert held(sums, numbers.reshape(by_day).sum(1)) >= least(count)
    assert held(counted, (answered == "ok").reshape(by_day).sum(1)) >= least(count)
    certain = (numbers * (status == "ok")).reshape(by_day).sum(1)
    lowest = np.array([row["interval_low"] for row in sums], float)
    assert (lowest >= certain - 1e-9)[~np.isnan(lowest)].all()

    unweighted = numbers.reshape(by_day)[:, seen]
    half = student.ppf(0.975, 29) * unweighted.std(1, ddof=1) / 30**0.5
    assert (np.abs(unweighted.mean(1) - mean) <= half).mean() < least(count) - 0.2


@pytest.mark.parametrize("count", DAYS)
def test_events_of_conversations(bench: Any, count: int) -> None:
    """Ten events in each of 30 conversations, which resemble one another: three times less sure than 300 events."""
    rng = np.random.default_rng(13)
    conversations, events = 30, 10
    size = (count, conversations, events)
    shared = rng.normal(size=(count, conversations, 1))
    numbers = 5 + np.sqrt(0.6) * shared + np.sqrt(0.4) * rng.normal(size=size)
    truths = rng.random(size) < rng.beta(0.2, 0.47 / 0.705, size=(count, conversations, 1))
    share = 0.2 / (0.2 + 0.47 / 0.705)
    at = np.repeat(minutes(count, 20, 10), events)
    drawn = pa.table(
        {
            "minute": at,
            "x": numbers.ravel(),
            "hit": truths.ravel(),
            "number": np.arange(len(at)) // events,
            "event": np.arange(len(at)),
        }
    )
    with bench.store.transaction() as con:
        con.register("drawn", drawn)
        con.execute(
            "INSERT INTO events BY NAME SELECT $1 AS workspace_id, 'e' || event AS event_id, 'c' || number AS"
            " conversation_id, 'ping' AS event_type, $2::TIMESTAMPTZ + to_minutes(minute) AS occurred_at,"
            " json_object('x', x, 'hit', hit) AS data, $2::TIMESTAMPTZ AS ingested_at, 'production' AS traffic,"
            " 'k' AS source_key, 'f' AS file_id FROM drawn",
            [bench.store.workspace_id, START],
        )
        for key in ("x", "hit"):
            stale(con, bench, key)
    event = {"source": "world_events", "event_types": ("ping",)}
    bench.aggregate(
        bench.metric("x", extract_path="$.x", **event),
        bench.metric("hit", extract_path="$.hit", metric_type="boolean", aggregation="rate", **event),
    )
    for key, truth in (("x", 5.0), ("hit", share)):
        rows = days(bench, key, count)
        assert {(row["event_count"], row["unit_count"], row["interval_method"]) for row in rows} == {(300, 30, "hall")}
        assert held(rows, truth) >= least(count), key

    single = numbers.reshape(count, -1)
    half = student.ppf(0.975, 299) * single.std(1, ddof=1) / 300**0.5
    assert (np.abs(single.mean(1) - 5) <= half).mean() < least(count) - 0.1
