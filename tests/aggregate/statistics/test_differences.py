"""Differences of two periods, and which of many stand out."""

from __future__ import annotations

import interval_simulation as simulation
import numpy as np
import pytest

from pipeline.aggregate.statistics import (
    Moments,
    benjamini_hochberg,
    difference,
    mean_difference,
    mean_interval,
    rate_interval,
)

METRICS = 97


def moments(periods: simulation.Periods) -> Moments:
    return Moments(periods.estimate, periods.error, periods.skewness, periods.kurtosis, periods.degrees)


def of_rates(rng, share, n, size):
    found = rng.binomial(n, share, size) / n
    return found, *rate_interval(found, np.full(size, float(n))), np.full(size, np.inf)


def with_ends(periods: simulation.Periods):
    low, high, _ = periods.interval()
    return periods.estimate, low, high, periods.degrees


@pytest.mark.parametrize(("share", "n"), [(0.03, 100), (0.1, 200), (0.5, 60)])
def test_rates_that_do_not_differ(share, n):
    rng = np.random.default_rng(n)
    change, low, high, p_value = difference(*of_rates(rng, share, n, 5000), *of_rates(rng, share, n, 5000))
    assert 0.94 <= ((low <= 0) & (high >= 0)).mean() <= 0.995
    np.testing.assert_array_equal(p_value < 0.05, (low > 0) | (high < 0))
    assert ((low <= change) & (change <= high) & (low < high)).all()


@pytest.mark.parametrize(
    "draw", [simulation.normal, simulation.lognormal, simulation.score([0.02, 0.03, 0.05, 0.2, 0.7])]
)
@pytest.mark.parametrize(("n", "m"), [(100, 100), (400, 100)])
def test_means_that_do_not_differ(draw, n, m):
    rng = np.random.default_rng([n, m])
    one, other = draw(rng, 2000, n), draw(rng, 2000, m)
    change, low, high, p_value = mean_difference(moments(one), moments(other))
    given = ~np.isnan(p_value)
    assert given.mean() > 0.9
    assert 0.935 <= ((low <= 0) & (high >= 0))[given].mean() <= 0.98
    np.testing.assert_array_equal((p_value < 0.05)[given], ((low > 0) | (high < 0))[given])
    by_ends = difference(*with_ends(one), *with_ends(other))
    both = ~np.isnan(by_ends[3]) & given
    assert ((by_ends[1] <= 0) & (by_ends[2] >= 0))[both].mean() >= 0.935
    np.testing.assert_array_equal(by_ends[0], change)


def test_normal_means_give_welch():
    """With no skew and the kurtosis of a normal sample of this size, the ends are those of Welch's test."""
    from scipy.stats import ttest_ind_from_stats

    a, b = (
        Moments(*(np.array([x]) for x in (3.0, 0.5, 0.0, 1 / 40, 39.0))),
        Moments(*(np.array([x]) for x in (1.5, 0.4, 0.0, 1 / 25, 24.0))),
    )
    _, _, _, p_value = mean_difference(a, b)
    spread = 0.5 * np.sqrt(40), 0.4 * np.sqrt(25)
    expected = ttest_ind_from_stats(3.0, spread[0], 40, 1.5, spread[1], 25, equal_var=False).pvalue
    assert p_value[0] == pytest.approx(expected, rel=0.02)


def test_benjamini_hochberg():
    p_value = np.array([0.001, np.nan, 0.04, 0.02, 0.9, 0.03])
    marked, q_value = benjamini_hochberg(p_value, 0.05)
    np.testing.assert_allclose(q_value, [0.005, np.nan, 0.05, 0.05, 0.9, 0.05])
    assert marked.tolist() == [True, False, True, True, False, True]
    assert not benjamini_hochberg(np.array([np.nan]))[0].any()
    assert benjamini_hochberg(np.array([]))[0].shape == (0,)


def many(rng, days, shift):
    """P values of 97 metrics on some days: rates, skewed values, scores. Of the first of each kind, a shift."""
    kinds = np.arange(METRICS) % 3
    p_value = np.empty((METRICS, days))
    for metric, kind in enumerate(kinds):
        moved = shift if metric < 3 else 0.0
        n = (150, 300, 400)[metric % 7 % 3]
        if kind == 0:
            share = (0.02, 0.1, 0.3, 0.5)[metric % 4] if metric >= 3 else 0.3
            later = share + moved * np.sqrt(2 * share * (1 - share) / n)
            p_value[metric] = difference(*of_rates(rng, later, n, days), *of_rates(rng, share, n, days))[3]
        else:
            draw = simulation.lognormal if kind == 1 else simulation.score([0.05, 0.05, 0.1, 0.2, 0.6])
            spread = np.sqrt((np.e - 1) * np.e) if kind == 1 else np.sqrt(1.2875)
            one, other = draw(rng, days, n), draw(rng, days, n)
            one.estimate = one.estimate + moved * spread * np.sqrt(2 / n)
            p_value[metric] = mean_difference(moments(one), moments(other))[3]
    return p_value


def flags(p_value):
    return np.array([benjamini_hochberg(day)[0] for day in p_value.T]).T


def test_a_quiet_week_is_quiet():
    """Over 97 unchanged metrics and seven days at most one flag, as a mean over twenty weeks."""
    assert flags(many(np.random.default_rng(7), 7 * 20, 0.0)).sum() / 20 <= 1


@pytest.mark.long
def test_a_shift_of_four_standard_errors_is_seen():
    """Standard errors of the difference. By its own p value nearly always; among 97 rows, in two of three."""
    p_value = many(np.random.default_rng(8), 400, 4.0)
    assert ((p_value[:3] < 0.05).mean(1) >= 0.9).all()
    assert (flags(p_value)[:3].mean(1) >= 0.6).all()


def test_the_mean_of_a_difference_needs_no_ends():
    same = mean_interval(2.0, 0.3, 0.1, 0.05, 50.0, np.nan, np.nan)
    zero = Moments(*(np.array([x]) for x in (0.0, 1e-12, 0.0, 0.02, 1e6)))
    one = Moments(*(np.array([x]) for x in (2.0, 0.3, 0.1, 0.05, 50.0)))
    _, low, high, _ = mean_difference(one, zero)
    np.testing.assert_allclose([low[0], high[0]], [same[0], same[1]], rtol=1e-6)
