"""Published and exactly known numbers."""

from __future__ import annotations

import math
import random
import sys
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest
import scipy.stats
from lots import draw_of

DAY = "granularity = 'day' AND category IS NULL"


@pytest.mark.parametrize(("n", "half_width"), [(10, 25.1), (30, 14.8), (100, 8.1), (300, 4.6), (500, 3.6), (1000, 2.5)])
def test_half_width_of_four_in_five(bench, n, half_width):
    """Inside Clopper and Pearson's interval, which covers more than it says; Jeffreys' inside it, which covers less."""
    metric = bench.metric(metric_type="boolean", aggregation="rate")
    bench.put(bench.value(number % 5 != 0) for number in range(n))
    bench.aggregate(metric)
    row = bench.one(DAY)
    assert (row["value"], row["event_count"], row["interval_method"]) == (0.8, n, "clopper_pearson")
    assert (row["interval_about"], row["unit_count"]) == ("process", n)
    assert 50 * (row["interval_high"] - row["interval_low"]) == pytest.approx(half_width, abs=0.05)
    hits = n * 4 // 5
    exact = scipy.stats.binomtest(hits, n).proportion_ci(method="exact")
    jeffreys = scipy.stats.beta(hits + 0.5, n - hits + 0.5).interval(0.95)
    assert exact.low < row["interval_low"] < jeffreys[0]
    assert jeffreys[1] < row["interval_high"] < exact.high


def test_nothing_seen_still_allows_something(bench):
    metric = bench.metric(metric_type="boolean", aggregation="rate")
    bench.put(bench.value(False) for _ in range(500))
    bench.aggregate(metric)
    row = bench.one(DAY)
    assert (row["value"], row["interval_low"]) == (0.0, 0.0)
    jeffreys, exact = scipy.stats.beta(0.5, 500.5).ppf(0.975), scipy.stats.beta(1, 500).ppf(0.975)
    assert jeffreys < row["interval_high"] < exact


def test_all_scores_being_equal_does_not_make_the_mean_certain(bench):
    """One in so many might differ, and be as far away as the scale allows: of such a share, none was seen."""
    scale = {"valid_range_min": 1, "valid_range_max": 5}
    bench.put(bench.value(5.0) for _ in range(20))
    bench.aggregate(bench.metric(**scale))
    row = bench.one(DAY)
    assert (row["value"], row["interval_high"], row["interval_about"]) == (5.0, 5.0, "process")
    missed = scipy.stats.beta(0.5, 20.5).ppf(0.975), scipy.stats.beta(1, 20).ppf(0.975)
    assert 5 - 4 * missed[1] < row["interval_low"] < 5 - 4 * missed[0]


def test_equal_values_of_no_known_range_have_no_interval(bench):
    bench.put(bench.value(5.0) for _ in range(20))
    bench.aggregate(bench.metric())
    assert bench.one(DAY)["interval_method"] == "none"


def test_interval_of_three_values_is_not_narrower_than_students(bench):
    bench.put(bench.value(number) for number in (1.0, 2.0, 3.0))
    bench.aggregate(bench.metric())
    row = bench.one(DAY)
    half = (
        0.95 / math.sqrt(2 * 0.975 * 0.025) / math.sqrt(3)
    )  # Student's t has a closed form for two degrees of freedom
    assert row["interval_method"] == "hall"
    assert 2 - 1.5 * half < row["interval_low"] <= 2 - half * (1 - 1e-12)
    assert 2 + half * (1 - 1e-12) <= row["interval_high"] < 2 + 1.5 * half
    assert row["standard_error"] == pytest.approx(1 / math.sqrt(3), rel=1e-12)


@pytest.mark.parametrize("shift", [0.0, 1e6])
def test_interval_of_many_even_values_is_nearly_students_wherever_they_lie(bench, shift):
    numbers = (shift + scipy.stats.norm.ppf((np.arange(400) + 0.5) / 400)).tolist()
    bench.put(bench.value(number) for number in numbers)
    bench.aggregate(bench.metric())
    row = bench.one(DAY)
    half = scipy.stats.t(399).ppf(0.975) * np.std(numbers, ddof=1) / 20
    distances = shift - row["interval_low"], row["interval_high"] - shift
    assert all(half * (1 - 1e-6) <= distance <= half * 1.05 for distance in distances)


def test_the_end_on_the_side_of_the_long_tail_lies_further_away(bench):
    numbers = np.exp(scipy.stats.norm.ppf((np.arange(100) + 0.5) / 100)).tolist()
    bench.put(bench.value(sign * number, key=key) for key, sign in (("up", 1), ("down", -1)) for number in numbers)
    bench.aggregate(bench.metric("up"), bench.metric("down"))
    down, up = bench.periods(DAY)
    mean = float(np.mean(numbers))
    half = scipy.stats.t(99).ppf(0.975) * np.std(numbers, ddof=1) / 10
    assert mean - up["interval_low"] == pytest.approx(half, rel=0.05)
    assert 1.1 * half < up["interval_high"] - mean < 2 * half
    # The same values upside down have the same interval upside down.
    assert (-down["interval_high"], -down["interval_low"]) == pytest.approx(
        (up["interval_low"], up["interval_high"]), rel=1e-9
    )


def test_one_value_has_no_interval_and_no_deviation(bench):
    metrics = [bench.metric("a"), bench.metric("s", aggregation="stddev"), bench.metric("p", aggregation="median")]
    bench.put(bench.value(4.0, key=metric.key) for metric in metrics)
    bench.aggregate(*metrics)
    rows = {row["metric_key"]: (row["value"], row["interval_method"]) for row in bench.periods("granularity = 'day'")}
    assert rows == {"a": (4.0, "none"), "s": (None, "none"), "p": (4.0, "none")}


def test_deviation_of_large_numbers_close_together_does_not_cancel(bench):
    numbers = [1.7e15 + n for n in range(4)]
    start = datetime(2026, 3, 10, tzinfo=UTC)
    bench.put(bench.value(number, at=start.replace(hour=hour)) for hour, number in enumerate(numbers))
    bench.aggregate(bench.metric(aggregation="stddev"))
    assert bench.one(DAY)["value"] == pytest.approx(math.sqrt(5 / 3))


def test_nothing_evaluated_is_a_count_of_zero_and_else_unknown(bench):
    aggregations = ("count", "sum", "avg", "min", "stddev", "median", "count_distinct")
    metrics = [bench.metric(name, aggregation=name) for name in aggregations]
    bench.put(bench.value(status="error", key=metric.key) for metric in metrics)
    bench.aggregate(*metrics)
    rows = {row["metric_key"]: row for row in bench.periods("granularity = 'day'")}
    assert {name: row["value"] for name, row in rows.items()} == dict.fromkeys(aggregations, None) | {
        "count": 0.0,
        "count_distinct": 0.0,
    }
    assert {(row["coverage"], row["interval_method"], row["estimated"]) for row in rows.values()} == {
        (0.0, "none", False)
    }


def test_a_metric_that_applies_to_nothing_has_no_coverage(bench):
    bench.put([bench.value(status="not_applicable")])
    bench.aggregate(bench.metric())
    assert bench.one(DAY)["coverage"] is None


def test_what_leaves_the_range_of_a_double_is_unknown_never_infinite(bench):
    aggregations = ("sum", "avg", "stddev", "median", "max")
    metrics = [bench.metric(name, aggregation=name) for name in aggregations]
    bench.put(bench.value(number, key=name) for name in aggregations for number in (1.7e308, 1.7e308, -1.0))
    bench.aggregate(*metrics)
    rows = {row["metric_key"]: row for row in bench.periods("granularity = 'day'")}
    assert {name: row["value"] for name, row in rows.items()} == {
        "sum": None, "avg": None, "stddev": None, "median": 1.7e308, "max": 1.7e308,
    }  # fmt: skip
    assert {row["event_count"] for row in rows.values()} == {3}
    floats = [x for row in bench.periods() for x in row.values() if isinstance(x, float)]
    assert all(map(math.isfinite, floats))


def test_an_hour_that_two_local_days_share_is_whole_and_each_day_has_its_part(bench):
    hour = datetime(2026, 3, 10, 18, tzinfo=UTC)  # midnight in India is 18:30
    bench.put(bench.value(float(minute), at=hour.replace(minute=minute)) for minute in (10, 29, 30, 59))
    bench.aggregate(bench.metric(aggregation="count"), zone="Asia/Kolkata")
    found = [(row["granularity"], row["period_start"], row["value"]) for row in bench.periods()]
    midnight = hour.replace(minute=30)
    assert found == [("day", midnight - timedelta(days=1), 2.0), ("day", midnight, 2.0), ("hour", hour, 4.0)]


def test_the_mode_of_a_tie_is_the_first_label(bench):
    bench.put(bench.value(label) for label in ("b", "a", "c", "b", "a"))
    bench.aggregate(bench.metric(metric_type="categorical", aggregation="count"))
    assert bench.one(DAY)["value_text"] == "a"


def test_a_label_counts_once_in_a_conversation_and_shares_may_exceed_one(bench):
    bench.put(bench.value(labels) for labels in (["a", "b", "a"], ["a"], []))
    bench.aggregate(bench.metric(metric_type="categorical", aggregation="count", multi_label=True))
    rows = {row["category"]: (row["value"], row["share"]) for row in bench.periods("granularity = 'day'")}
    assert rows == {None: (3.0, None), "a": (2.0, pytest.approx(2 / 3)), "b": (1.0, pytest.approx(1 / 3))}


@pytest.mark.parametrize(
    ("fields", "label"),
    [
        ({}, "all"),
        ({"cap": 10}, "random"),
        ({"cap": 10, "selection": "recent"}, "recent"),
        ({"cap": 10, "selection": "stratified"}, "random"),
        ({"sampling_rate": 0.1}, "random"),
        ({"extraction_mode": "ai_query", "ai_query_prompt": "?"}, "random"),
        ({"extraction_mode": "python", "python_file": "f.py", "selection": "hash"}, "random"),
    ],
)
def test_selection_is_named(bench, fields, label):
    bench.put([bench.value(1.0)])
    bench.aggregate(bench.metric(**fields))
    assert bench.one(DAY)["selection"] == label


def test_totals_under_a_cap_are_estimated_and_say_so(bench):
    metrics = [bench.metric(name, aggregation=name, cap=50, selection="hash") for name in ("count", "sum")]
    for metric in metrics:
        bench.put(bench.value(2.0, key=metric.key) for _ in range(40))
        bench.put(bench.value(status="not_applicable", key=metric.key) for _ in range(10))
        bench.put(bench.value(status="over_cap", key=metric.key) for _ in range(50))
    bench.aggregate(*metrics)
    count, total = bench.periods("granularity = 'day'")
    # Half were looked at; a fifth of those are outside the metric's scope, and so is, most likely, a fifth of the rest.
    assert (count["value"], count["event_count"], count["estimated"]) == (80.0, 40, True)
    assert (total["value"], total["value_sum"], total["estimated"]) == (160.0, 80.0, True)
    assert 40 <= count["interval_low"] < 80 < count["interval_high"] <= 90
    assert total["interval_low"] < 160 < total["interval_high"]
    assert {count["interval_about"], total["interval_about"]} == {"period"}


def test_the_most_recent_are_no_sample_so_nothing_is_said_of_the_rest(bench):
    kinds = ("count", "sum", "avg", "median", "stddev", "trimmed_mean")
    metrics = [bench.metric(name, aggregation=name, cap=60, selection="recent", valid_range_min=0) for name in kinds]
    for metric in metrics:
        bench.put(bench.value(float(number % 7), key=metric.key) for number in range(60))
    bench.aggregate(*metrics)
    complete = {row["metric_key"]: row["interval_method"] for row in bench.periods(DAY)}
    for metric in metrics:
        bench.put(bench.value(status="over_cap", key=metric.key) for _ in range(60))
    bench.aggregate(*metrics)
    assert {name for name, method in complete.items() if method != "none"} == set(kinds) - {"count", "sum"}
    found = {
        (row["interval_method"], row["interval_low"], row["interval_about"], row["selection"])
        for row in bench.periods()
    }
    assert found == {("none", None, None, "recent")}
    assert {row["estimated"] for row in bench.periods("aggregation IN ('count', 'sum')")} == {True}


@pytest.mark.parametrize(("misplaced", "selection"), [(0, "random"), (4, "random"), (5, "mixed"), (20, "mixed")])
def test_more_than_a_tenth_out_of_the_order_of_draws_is_no_sample(bench, misplaced, selection):
    names = sorted((f"call {number}" for number in range(100)), key=draw_of)
    left_out = {*names[:misplaced], *names[40 + misplaced :]}  # 40 are examined, the first of the order or not
    bench.put(
        bench.value(status="over_cap", entity_id=name) if name in left_out else bench.value(place % 7, entity_id=name)
        for place, name in enumerate(names)
    )
    bench.put(bench.value(status="pending", entity_id=f"open {number}") for number in range(50))
    bench.aggregate(bench.metric(cap=40, valid_range_min=0, valid_range_max=20))
    for row in bench.periods():
        assert row["selection"] == selection
        assert (row["interval_method"] == "none") == (selection == "mixed")


def test_a_cap_that_left_nothing_out_changes_nothing(bench):
    bench.put(bench.value(2.0) for _ in range(5))
    bench.aggregate(bench.metric(aggregation="count", cap=50))
    row = bench.one(DAY)
    assert (row["value"], row["estimated"], row["interval_method"]) == (5.0, False, "none")


def test_a_count_of_which_nothing_was_looked_at_is_unknown(bench):
    bench.put([bench.value(status="over_budget")])
    bench.aggregate(bench.metric(aggregation="count"))
    row = bench.one(DAY)
    assert (row["value"], row["estimated"], row["interval_method"]) == (None, True, "none")


def test_estimated_totals_cover_the_truth_as_often_as_they_say(bench):
    """300 days of 200 conversations, of which 60 were drawn by chance: some 95 % of the intervals hold the truth."""
    chance = random.Random(7)
    metrics = [bench.metric("count", aggregation="count"), bench.metric("sum", aggregation="sum")]
    truth = {}
    values = []
    for day in range(300):
        start = datetime.fromtimestamp(1_700_006_400 + day * 86_400, UTC)
        population = [chance.gauss(5, 2) if chance.random() < 0.7 else None for _ in range(200)]
        kept = [x for x in population if x is not None]
        truth[start] = {"count": len(kept), "sum": sum(kept)}
        drawn = set(chance.sample(range(200), 60))
        for metric in metrics:
            for place, x in enumerate(population):
                status = "not_sampled" if place not in drawn else "not_applicable" if x is None else "ok"
                values.append(bench.value(x if status == "ok" else None, key=metric.key, at=start, status=status))
    bench.put(values)
    bench.aggregate(*metrics)
    held = {"count": 0, "sum": 0}
    for row in bench.periods("granularity = 'day'"):
        held[row["metric_key"]] += (
            row["interval_low"] <= truth[row["period_start"]][row["metric_key"]] <= row["interval_high"]
        )
    assert all(0.92 * 300 <= count <= 0.96 * 300 for count in held.values()), held


def test_fifty_metrics_over_twenty_thousand_values_take_a_fixed_number_of_queries(bench):
    """The work is set-based: more metrics and values make queries larger, not more numerous."""
    kinds = ["count", "sum", "avg", "median", "count_distinct"]
    metrics = [bench.metric(f"m{number}", aggregation=kinds[number % 5]) for number in range(50)]
    bench.put(bench.value(float(number), key=f"m{number % 50}") for number in range(20_000))
    report = bench.aggregate(*metrics)
    assert (len(report.metrics), report.added) == (50, 100)
    assert {row["event_count"] for row in bench.periods()} == {400}

    bench.put(bench.value(float(number), key=f"m{number % 50}") for number in range(50))
    many = statements(lambda: bench.aggregate(*metrics))
    bench.put(bench.value(1.0, key=f"m{number}") for number in range(5))  # one metric of each kind
    assert statements(lambda: bench.aggregate(*metrics)) == many < 85
    bench.put([bench.value(1.0, key="m2")])
    assert statements(lambda: bench.aggregate(*metrics)) < many  # what no metric asks for is not run


def statements(work) -> int:
    """How many statements DuckDB is given."""
    calls = []

    def watch(_frame, event, function):
        if event == "c_call" and function.__name__ == "execute":
            calls.append(function)

    sys.setprofile(watch)
    try:
        work()
    finally:
        sys.setprofile(None)
    return len(calls)
