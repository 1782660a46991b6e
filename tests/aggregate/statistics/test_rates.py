"""Coverage of rates by enumeration: every sample there is, weighted with its probability."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.special import gammaln, ndtri

from pipeline.aggregate.statistics import rate_interval

SHARES = np.geomspace(0.002, 0.5, 2000)


def wilson_width(share, n):
    z = ndtri(0.975)
    return 2 * z / (1 + z**2 / n) * np.sqrt(share * (1 - share) / n + z**2 / 4 / n**2)


@pytest.mark.parametrize("n", [20, 50, 100, 264, 400, 1000])
def test_coverage_at_every_point(n):
    """At least 93 % at each rate, 93 to 98.5 % on average, and at most 1.3 times as wide as Wilson's at each rate."""
    hits = np.arange(n + 1.0)
    low, high = rate_interval(hits / n, np.full(n + 1, float(n)))
    of_all = gammaln(n + 1) - gammaln(hits + 1) - gammaln(n - hits + 1)
    weight = np.exp(of_all + hits * np.log(SHARES)[:, None] + (n - hits) * np.log1p(-SHARES)[:, None])
    coverage = (weight * ((low <= SHARES[:, None]) & (SHARES[:, None] <= high))).sum(1)
    assert coverage.min() >= 0.93
    assert 0.93 <= coverage.mean() <= 0.985
    assert (weight @ (high - low) <= 1.3 * (weight @ wilson_width(hits / n, n))).all()


@pytest.mark.parametrize("n", [0.3, 1.0, 2.0, 7.5, 20.0, 1e4, 1e9])
def test_ends_stay_in_range_and_grow_with_the_share(n):
    share = np.linspace(0, 1, 201)
    low, high = rate_interval(share, np.full(201, n))
    assert ((low >= 0) & (low <= share) & (share <= high) & (high <= 1) & (low < high)).all()
    assert (np.diff(low) >= 0).all()
    assert (np.diff(high) >= 0).all()
    assert low[0] == 0
    assert high[-1] == 1
    np.testing.assert_allclose(low, 1 - high[::-1], atol=1e-9)


def test_what_is_unknown_has_no_interval():
    low, high = rate_interval(np.array([np.nan, 0.5, 0.5, 0.5, 1.5]), np.array([10, np.nan, 0, np.inf, 10]))
    assert np.isnan(low).all()
    assert np.isnan(high).all()
