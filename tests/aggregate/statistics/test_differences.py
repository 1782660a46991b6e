"""Differences of two periods, and which of many stand out."""

from __future__ import annotations

import re
from pathlib import Path

import interval_simulation as simulation
import numpy as np
import pytest
from scipy.special import stdtr, stdtrit

from pipeline.aggregate.statistics import benjamini_hochberg, difference

PAGE = Path(__file__).parents[3] / "definitions" / "intervals.md"


def with_ends(periods: simulation.Periods):
    low, high, _ = periods.interval()
    return periods.estimate, low, high, periods.degrees


@pytest.mark.parametrize(("share", "n"), [(0.03, 100), (0.1, 200), (0.5, 60)])
def test_rates_that_do_not_differ(share, n):
    rng = np.random.default_rng(n)
    change, low, high, p_value = difference(
        *simulation.rates(rng, share, n, 5000), *simulation.rates(rng, share, n, 5000)
    )
    assert 0.94 <= ((low <= 0) & (high >= 0)).mean() <= 0.995
    np.testing.assert_array_equal(p_value < 0.05, (low > 0) | (high < 0))
    assert ((low <= change) & (change <= high) & (low < high)).all()


@pytest.mark.parametrize("name", ["normal", "lognormal, sigma 1", "score, 70 % fives", "mean over events, ICC 0.6"])
@pytest.mark.parametrize(("n", "m"), [(100, 100), (200, 60)])
def test_means_that_do_not_differ(name: str, n: int, m: int) -> None:
    """Held in at least 93.5 %; by how much more, is the price of not knowing whether the tails are alike."""
    rng = np.random.default_rng([n, m])
    draw = simulation.CELLS[name]
    change, low, high, p_value = difference(*with_ends(draw(rng, 1000, n)), *with_ends(draw(rng, 1000, m)))
    given = ~np.isnan(p_value)
    assert given.mean() > 0.9
    held = ((low <= 0) & (high >= 0))[given].mean()
    assert 0.93 <= held <= 0.995
    np.testing.assert_array_equal((p_value < 0.05)[given], ((low > 0) | (high < 0))[given])
    assert ((low <= change) & (change <= high))[given].all()


def test_means_without_skew_give_nearly_welch() -> None:
    """From Student's ends, the p value is that of Welch's test, or a little more: each end has its own quantile."""
    sides = ((3.0, 0.5, 39.0), (1.5, 0.4, 24.0))  # mean, standard error, degrees
    ends = [(mean, mean - stdtrit(n, 0.975) * error, mean + stdtrit(n, 0.975) * error, n) for mean, error, n in sides]
    *_, p_value = difference(*map(np.array, (*ends[0], *ends[1])))
    variance = 0.5**2 + 0.4**2
    welch = 2 * stdtr(variance**2 / (0.5**4 / 39 + 0.4**4 / 24), -1.5 / variance**0.5)
    assert welch == pytest.approx(0.0223, abs=5e-5)
    assert welch <= float(p_value) <= 1.15 * welch


def test_a_missing_interval_leaves_a_difference_and_no_p_value() -> None:
    change, low, high, p_value = difference(*map(np.array, (3.0, np.nan, np.nan, 9.0, 1.0, 0.5, 1.5, 9.0)))
    assert change == 2
    assert np.isnan([low, high, p_value]).all()


def test_benjamini_hochberg():
    p_value = np.array([0.001, np.nan, 0.04, 0.02, 0.9, 0.03])
    marked, q_value = benjamini_hochberg(p_value, 0.05)
    np.testing.assert_allclose(q_value, [0.005, np.nan, 0.05, 0.05, 0.9, 0.05])
    assert marked.tolist() == [True, False, True, True, False, True]
    assert not benjamini_hochberg(np.array([np.nan]))[0].any()
    assert benjamini_hochberg(np.array([]))[0].shape == (0,)


def test_at_most_the_asked_share_of_marks_is_chance() -> None:
    """97 rows, ten of which moved by four standard errors: one mark in ten is false, and most of the ten are found."""
    from scipy.special import ndtr

    z = np.abs(np.random.default_rng(3).normal(size=(500, 97)) + 4.0 * (np.arange(97) < 10))
    marked = np.array([benjamini_hochberg(2 * ndtr(-row))[0] for row in z])
    false, found = marked[:, 10:].sum(1), marked.sum(1)
    assert 0.05 <= (false / np.maximum(found, 1)).mean() <= 0.1
    assert marked[:, :10].mean() > 0.85


@pytest.mark.parametrize("name", simulation.SHIFTED)
def test_the_page_says_how_often_a_shift_is_found(name: str) -> None:
    """The page's figures simulated anew; and an exact test of normal numbers would find 76 %."""
    told = re.search(rf"^\| {re.escape(name)} \|((?: \d+ \|){{3}})$", PAGE.read_text(), re.M)
    assert told, name
    for n, figure in zip(simulation.SHIFT_SIZES, told[1].strip(" |").split(" | "), strict=True):
        assert 100 * simulation.detection(name, n, 600, seed=7) == pytest.approx(float(figure), abs=7.5), n
