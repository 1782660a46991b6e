"""Order statistics that enclose a quantile."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.special import bdtr, bdtrc

from pipeline.aggregate.statistics import quantile_shares


@pytest.mark.parametrize("quantile", [0.05, 0.5, 0.75, 0.9, 0.95, 0.99, 0.999])
def test_equal_weights_give_the_tightest_ranks_that_hold(quantile: float) -> None:
    """Less than 2.5 % of samples have the quantile beyond the value at a rank; one rank further in, it is more."""
    n = np.r_[1:200, 500:520, 1999, 4999]
    low, high = quantile_shares(n.astype(float), np.full(len(n), quantile))
    low_rank, high_rank = np.ceil(np.nan_to_num(low) * n), np.ceil(np.nan_to_num(high, nan=1.0) * n)
    # bdtr(k, n, q): chance that at most k of n values lie below the quantile; bdtrc: that more do.
    assert (bdtr(low_rank - 1, n, quantile)[low_rank > 0] < 0.025).all()
    assert (bdtr(low_rank, n, quantile) >= 0.025).all()
    bound = ~np.isnan(high)
    assert (bdtrc(high_rank - 1, n, quantile)[bound] <= 0.025).all()
    assert (bdtrc(high_rank - 2, n, quantile)[bound & (high_rank > 1)] > 0.025).all()
    assert (bdtrc(n - 1, n, quantile)[~bound] > 0.025).all()


@pytest.mark.parametrize(("n", "quantile"), [(60, 0.5), (200, 0.9), (400, 0.95)])
def test_weighted_quantiles_hold(n: int, quantile: float) -> None:
    """Half of the values stand for five: fewer independent values than there are.

    Taking all n for independent covers less than 90 %, as the last line says.
    """
    rng = np.random.default_rng(5)
    weight = np.where(np.arange(n) % 2 == 0, 5.0, 1.0)
    values = rng.exponential(size=(1000, n))
    order = np.argsort(values, axis=1)
    ranked, reached = np.take_along_axis(values, order, 1), np.cumsum(weight[order], axis=1) / weight.sum()

    def held(effective_count: float) -> float:
        low, high = quantile_shares(np.array(effective_count), np.array(quantile))
        low_value = ranked[np.arange(1000), (reached < low).sum(1)]
        high_value = ranked[np.arange(1000), np.minimum((reached < high).sum(1), n - 1)]
        truth = -np.log(1 - quantile)
        return float(((low_value <= truth) & (truth <= high_value)).mean())

    assert 0.935 <= held(weight.sum() ** 2 / (weight**2).sum()) <= 0.99
    assert held(n) < 0.93


def test_what_is_too_small_has_no_bound() -> None:
    low, high = quantile_shares(np.array([71.0, 72.0, 0.0, np.nan]), np.full(4, 0.95))
    assert np.isnan(high).tolist() == [True, False, True, True]
    assert np.isnan(low).tolist() == [False, False, True, True]
