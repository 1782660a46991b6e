"""Which order statistics enclose a quantile, whatever the distribution."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from pipeline.aggregate.statistics.rates import TAIL, Numbers


def quantile_ranks(n: NDArray[np.int64], quantile: Numbers) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """The ranks of the two values that enclose a quantile in at least 95 % of samples.

    The number of values below a quantile is binomial, so this holds for every distribution.

    Args:
        n: sizes of samples, at least 1.
        quantile: between 0 and 1, such as 0.95.

    Returns:
        1-based ranks in the sorted sample. Ranks 0 and n + 1 say that a sample of this size has no such bound.

    Source: Conover, Practical Nonparametric Statistics, 3.2.
    """
    sizes, quantile = np.broadcast_arrays(np.asarray(n, dtype=np.int64), np.asarray(quantile, dtype=np.float64))
    return _binomial_quantile(TAIL, sizes, quantile), _binomial_quantile(1 - TAIL, sizes, quantile) + 1


def quantile_shares(effective_count: Numbers, quantile: Numbers) -> tuple[Numbers, Numbers]:
    """The cumulative shares of weight at which the two values stand that enclose a quantile.

    With equal weights and a whole count, the first value whose cumulative share reaches the low (high) share is the
    value at the low (high) rank of `quantile_ranks`.

    Args:
        effective_count: the number of equally weighted, independent values that tell as much; need not be whole.
        quantile: between 0 and 1.

    Returns:
        Shares in (0, 1]; NaN where a sample of this size has no such bound.

    Source: Woodruff (1952), with binomial in place of normal limits (Korn and Graubard 1998).
    """
    from scipy.special import bdtr, bdtrik

    count, quantile = (np.asarray(x, dtype=np.float64) for x in np.broadcast_arrays(effective_count, quantile))
    known = (count > 0) & np.isfinite(count) & (quantile > 0) & (quantile < 1)
    count, quantile = np.where(known, count, 1.0), np.where(known, quantile, 0.5)
    below = np.where(bdtr(0.0, count, quantile) >= TAIL, 0.0, bdtrik(TAIL, count, quantile))
    above = np.where(bdtr(0.0, count, quantile) >= 1 - TAIL, 0.0, bdtrik(1 - TAIL, count, quantile)) + 1
    # A hair less than the share of a whole rank, so that rounding cannot push it to the next value.
    low, high = (below - _HAIR) / count, (above - _HAIR) / count
    return np.where(known & (low > 0), low, np.nan), np.where(known & (high <= 1), high, np.nan)


_HAIR = 1e-9


def _binomial_quantile(probability: float, n: NDArray[np.int64], share: Numbers) -> NDArray[np.int64]:
    """The smallest number of successes with at least this cumulative probability, as scipy.stats.binom.ppf finds it."""
    from scipy.special import bdtr, bdtrik  # scipy.stats takes seconds to import

    size = n.astype(np.float64)
    upper = np.ceil(bdtrik(probability, size, share))
    lower = np.maximum(upper - 1, 0)
    found: NDArray[np.int64] = np.where(bdtr(lower, size, share) >= probability, lower, upper).astype(np.int64)
    return found
