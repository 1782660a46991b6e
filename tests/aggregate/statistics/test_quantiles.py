"""Order statistics that enclose a quantile."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import binom

from pipeline.aggregate.statistics import quantile_ranks, quantile_shares


@pytest.mark.parametrize("quantile", [0.05, 0.5, 0.75, 0.9, 0.95, 0.99, 0.999])
def test_ranks_are_the_tightest_that_hold(quantile):
    """In fewer than 2.5 % of samples the quantile lies beyond the value at a rank; one rank further in, it is more."""
    n = np.arange(1, 2000)
    low, high = quantile_ranks(n, np.full(len(n), quantile))
    assert (binom.cdf(low - 1, n, quantile) < 0.025).all()
    assert (binom.cdf(low, n, quantile) >= 0.025).all()
    assert (binom.sf(high - 1, n, quantile) <= 0.025).all()
    assert (binom.sf(high - 2, n, quantile) > 0.025).all()


@pytest.mark.parametrize("quantile", [0.05, 0.5, 0.9, 0.95, 0.999])
def test_shares_of_equal_weights_stand_at_the_ranks(quantile):
    n = np.arange(1, 3000)
    low_rank, high_rank = quantile_ranks(n, np.full(len(n), quantile))
    low, high = quantile_shares(n.astype(float), np.full(len(n), quantile))
    np.testing.assert_array_equal(np.isnan(low), low_rank == 0)
    np.testing.assert_array_equal(np.isnan(high), high_rank == n + 1)
    np.testing.assert_array_equal(np.ceil(low * n)[low_rank > 0], low_rank[low_rank > 0])
    np.testing.assert_array_equal(np.ceil(high * n)[high_rank <= n], high_rank[high_rank <= n])


@pytest.mark.parametrize(("n", "quantile"), [(60, 0.5), (200, 0.9), (400, 0.95)])
def test_weighted_quantiles_hold(n, quantile):
    """Values drawn with unequal chances and weighted by their inverse: the truth is that of the population."""
    rng = np.random.default_rng(5)
    truth, held, given = -np.log(1 - quantile), 0, 0
    for _ in range(1000):
        weight = np.where(np.arange(n) % 2 == 0, 5.0, 1.0)
        values = rng.exponential(size=n)
        low, high = quantile_shares(weight.sum() ** 2 / (weight**2).sum(), quantile)
        order = np.argsort(values)
        reached = np.cumsum(weight[order]) / weight.sum()
        low_value = -np.inf if np.isnan(low) else values[order][np.searchsorted(reached, low)]
        high_value = np.inf if np.isnan(high) else values[order][min(np.searchsorted(reached, high), n - 1)]
        held += low_value <= truth <= high_value
        given += 1
    assert 0.935 <= held / given <= 0.99
