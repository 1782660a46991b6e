"""Intervals of means, ratios and totals: simulated coverage, and what must never be."""

from __future__ import annotations

import interval_simulation as simulation
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.aggregate.statistics import count_interval, mean_interval, total_interval

CELLS = dict(simulation.cells())
SKEWED = ["lognormal, sigma 1", "ratio of sums, ICC 0.6"]


def lowest_coverage(name: str, n: int) -> float:
    """What must be covered: a little less where a sample of twenty does not show a long tail."""
    return 0.9 if n == 20 and name in SKEWED else 0.93


def check(cell: simulation.Coverage, slack: float) -> None:
    if cell.none > 0.8:
        return  # so few are given that their coverage means nothing
    assert cell.covered >= lowest_coverage(cell.name, cell.n) - slack
    rare = cell.name.startswith("5 %")
    assert cell.covered <= 0.98 + slack or (rare and cell.n < 400)
    assert cell.width <= 1.4 or not 0.93 <= cell.student <= 0.98
    if cell.n >= 100 and not rare and cell.name not in SKEWED[1:]:
        assert cell.none <= 0.05


@pytest.mark.parametrize(
    ("name", "n"),
    [
        ("normal", 20),
        ("lognormal, sigma 1", 20),
        ("lognormal, sigma 1", 100),
        ("5 % not zero, lognormal", 400),
        ("score, 70 % fives", 20),
        ("score, 60 % fives", 100),
        ("mean over events, ICC 0.3", 20),
        ("share of events, 30 %, ICC 0.6", 100),
        ("ratio of sums, ICC 0.3", 100),
        ("mean over 24 uneven hours", 100),
        ("total of a half-seen period", 20),
    ],
)
def test_coverage_in_short(name, n):
    """500 periods each: enough to see that Student's interval covers too little of what is skewed."""
    check(simulation.measure(name, n, CELLS[name], 500), slack=0.02)


@pytest.mark.long
@pytest.mark.parametrize("n", simulation.SIZES)
@pytest.mark.parametrize("name", CELLS)
def test_coverage_at_full_length(name, n):
    check(simulation.measure(name, n, CELLS[name], 2000), slack=0.005)


def one(estimate, error, skewness, kurtosis, degrees, lowest=np.nan, highest=np.nan):
    low, high, ok = mean_interval(estimate, error, skewness, kurtosis, degrees, lowest, highest)
    return float(low), float(high), bool(ok)


def test_twenty_fives_of_five():
    low, high, ok = one(5.0, 0.0, np.nan, np.nan, 19, 1.0, 5.0)
    assert ok
    assert 4.3 < low < 4.5
    assert high == 5


def test_equal_values_without_a_known_range_have_no_interval():
    assert not one(5.0, 0.0, np.nan, np.nan, 19)[2]
    assert not one(0.0, 0.0, np.nan, np.nan, 19, 0.0)[2]


def test_equal_values_whose_mean_is_rounded_are_equal():
    values = np.full(7, 0.1)
    error = values.std(ddof=1) / np.sqrt(7)
    assert one(0.1, max(error, 1e-18), 0.3, 0.4, 6, 0.0, 1.0)[1] > 0.3


def test_a_single_value_has_no_interval():
    assert not one(3.0, np.nan, np.nan, np.nan, 0, 1.0, 5.0)[2]


def test_the_long_tail_is_on_its_side():
    low, high, _ = one(0.0, 1.0, 0.3, 0.2, 99)
    assert high > 2.1
    assert low == pytest.approx(-1.984, abs=1e-3)
    assert one(0.0, 1.0, -0.3, 0.2, 99)[:2] == pytest.approx((-high, -low))


def test_too_few_rare_values_need_a_known_range():
    assert not one(0.05, 0.05, 0.92, 0.9, 19)[2]
    assert one(0.05, 0.05, 0.92, 0.9, 19, 0.0, 1.0)[2]


@given(
    values=st.lists(st.floats(0, 1), min_size=2, max_size=60),
    scale=st.sampled_from([1e-6, 1.0, 3.7, 1e9]),
    shift=st.sampled_from([0.0, -0.5, 1.0]),
)
def test_any_sample_of_a_known_range(values, scale, shift):
    """There is an interval, it has a width, holds the mean, and stays in the range."""
    x = (np.array([values]) + shift) * scale
    lowest, highest = shift * scale, (1 + shift) * scale
    periods = simulation.of_values(0.0, x, lowest, highest)
    low, high, ok = periods.interval()
    assert ok.all()
    assert (low < high).all()
    assert (low >= lowest).all()
    assert (high <= highest).all()
    assert (low <= periods.estimate).all()
    assert (periods.estimate <= high).all()


def test_a_total_that_was_seen_whole_is_exact():
    *_, ok = total_interval(10.0, 0.0, np.nan, np.nan, 9, 10.0, np.array([0.0, 5.0]), 0.0, 4.0)
    assert ok.tolist() == [False, True]


def test_a_total_is_never_less_than_what_was_seen():
    low, high, ok = total_interval(40.0, 12.0, 0.5, 0.3, 9, 20.0, 10.0, 0.0, 4.0)
    assert ok
    assert 20 <= low < 40 < high <= 60


def test_counts_of_a_finite_period_hold():
    """80 of 200 conversations are looked at, one in twenty has the property: the truth is that of each very period."""
    rng = np.random.default_rng(1)
    truth = rng.binomial(200, 0.05, 4000)
    counted = rng.hypergeometric(truth, 200 - truth, 80)
    low, high, ok = count_interval(counted, np.full(4000, 80), np.full(4000, 200))
    assert ok.all()
    assert 0.93 <= ((low <= truth) & (truth <= high)).mean() <= 0.99
    assert (low >= counted).all()
    assert (high <= counted + 120).all()
    assert not count_interval(np.array([3.0]), np.array([80]), np.array([80]))[2].any()
