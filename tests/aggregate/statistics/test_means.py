"""Intervals of means, ratios and totals: the page's coverage simulated anew, and what must never be."""

from __future__ import annotations

import re
from pathlib import Path

import interval_simulation as simulation
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.aggregate.statistics import mean_interval

PAGE = Path(__file__).parents[3] / "definitions" / "intervals.md"


def page() -> dict[tuple[str, int], simulation.Coverage]:
    """The tables of the page, by what and n."""
    lines = [line for line in PAGE.read_text().splitlines() if re.match(r"\|[^|]+\| \d+ \|.*\d\.\d\d \|", line)]
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]
    found = {}
    for name, n, *figures, not_met in rows:
        covered, none, width, student = map(float, figures)
        cell = simulation.Coverage(name, int(n), covered / 100, none / 100, width, student / 100)
        assert cell.not_met() == not_met, f"{name}, {n}: the page does not say what is not met"
        found[name, int(n)] = cell
    return found


def test_the_page_shows_every_cell() -> None:
    assert list(page()) == [(name, n) for name in simulation.CELLS for n in simulation.SIZES]


def agrees(name: str, n: int, replications: int) -> None:
    """A cell simulated anew, with a seed of its own, is that of the page within what chance allows."""
    told, found = page()[name, n], simulation.measure(name, n, simulation.CELLS[name], replications, seed=7)

    def near(was: float, now: float, count: float) -> bool:
        return abs(was - now) <= 4 * np.sqrt(max(was * (1 - was), 0.01) * (1 / count + 1 / simulation.REPLICATIONS))

    assert near(told.none, found.none, replications)
    assert near(told.student, found.student, replications)
    if told.none < 0.5:  # else too few are given to tell more
        assert near(told.covered, found.covered, replications * (1 - found.none))
        assert found.width == pytest.approx(told.width, rel=0.08)


@pytest.mark.parametrize("n", simulation.SIZES)
@pytest.mark.parametrize("name", simulation.CELLS)
def test_a_cell_in_short(name: str, n: int) -> None:
    """Small, and enough to refuse Student's ends: at n = 20 they are 5 to 40 % narrower, and cover less."""
    agrees(name, n, {20: 500, 100: 250, 400: 100}[n])


@pytest.mark.long
@pytest.mark.parametrize("n", simulation.SIZES)
@pytest.mark.parametrize("name", simulation.CELLS)
def test_a_cell_at_full_length(name: str, n: int) -> None:
    agrees(name, n, 2000)


@given(
    kurtosis=st.floats(0.02, 0.6),
    degrees=st.sampled_from([5.0, 19.0, 99.0, 1999.0]),
    noise=st.floats(-1e-12, 1e-12),
)
def test_rounding_of_no_skew_moves_no_end(kurtosis: float, degrees: float, noise: float) -> None:
    """Without skew both ends are as far away; the sign of what rounding leaves of it decides nothing."""
    low, high, _ = one(0.0, 1.0, 0.0, kurtosis, degrees)
    assert high == pytest.approx(-low, rel=1e-12)
    assert one(0.0, 1.0, noise, kurtosis, degrees)[:2] == pytest.approx((low, high), rel=1e-9)


@given(st.integers(5, 200), st.integers(2, 100), st.floats(-1e-14, 1e-14))
def test_rounding_of_two_values_moves_no_end(n: int, ones: int, noise: float) -> None:
    """The third moment of 0s and 1s leaves the fourth no room; the root of what rounding leaves of that is large."""
    z = np.r_[np.ones(min(ones, n - 1)), np.zeros(n - min(ones, n - 1))]
    away = z - z.mean()
    squares = (away**2).sum()
    skewness, kurtosis = (away**3).sum() / squares**1.5, (away**4).sum() / squares**2
    ends = one(z.mean(), 0.1, skewness, kurtosis, n - 1.0)[:2]
    assert one(z.mean(), 0.1, skewness, kurtosis + noise, n - 1.0)[:2] == pytest.approx(ends, rel=1e-10, nan_ok=True)


def test_the_ends_move_with_the_skewness() -> None:
    """No jump between a long left tail and a long right one. (Beyond 0.5, Hall's cube root is steep at its zero.)"""
    skewness = np.linspace(-0.5, 0.5, 20_001)
    low, high, ok = mean_interval(0.0, 1.0, skewness, skewness**2 + 0.1, 49.0, np.nan, np.nan)
    assert ok.all()
    assert np.abs(np.diff(low)).max() < 2e-3
    assert np.abs(np.diff(high)).max() < 2e-3
    np.testing.assert_allclose(low, -high[::-1], rtol=1e-9)


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
    assert high > 2.3
    assert -2.0 < low < -1.98
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


@pytest.mark.parametrize(("highest", "high"), [(3600.0, 663), (600.0, 215)])
def test_the_page_s_example_of_a_wide_range(highest: float, high: int) -> None:
    low, found, ok = mean_interval(*map(np.float64, (147.0, 0.0, np.nan, np.nan, 19.0, 0.0, highest)))
    assert ok
    assert (round(float(low)), round(float(found))) == (125, high)
    assert f"125 to {high}" in PAGE.read_text()
