"""Which order statistics enclose a quantile, whatever the distribution."""

from __future__ import annotations

import numpy as np

from pipeline.aggregate.statistics.rates import TAIL, Numbers


def quantile_shares(effective_count: Numbers, quantile: Numbers) -> tuple[Numbers, Numbers]:
    """The cumulative shares of weight at which the two values stand that enclose a quantile.

    The number of values below a quantile is binomial, so this holds for every distribution. The first value whose
    cumulative share reaches the low (high) share is that end of the interval.

    Args:
        effective_count: the number of equally weighted, independent values that tell as much; need not be whole.
        quantile: between 0 and 1.

    Returns:
        Shares in (0, 1]; NaN where a sample of this size has no such bound.

    Source: Woodruff (1952), with binomial in place of normal limits (Korn and Graubard 1998).
    """
    from scipy.special import bdtrik

    count, quantile = (np.asarray(x, dtype=np.float64) for x in np.broadcast_arrays(effective_count, quantile))
    known = (count > 0) & np.isfinite(count) & (quantile > 0) & (quantile < 1)
    count, quantile = np.where(known, count, 1.0), np.where(known, quantile, 0.5)
    below = np.where((1 - quantile) ** count >= TAIL, 0.0, bdtrik(TAIL, count, quantile))
    above = np.where((1 - quantile) ** count >= 1 - TAIL, 0.0, bdtrik(1 - TAIL, count, quantile)) + 1
    # A hair less than the share of a whole rank, so that rounding cannot push it to the next value.
    low, high = (below - _HAIR) / count, (above - _HAIR) / count
    return np.where(known & (low > 0), low, np.nan), np.where(known & (high <= 1), high, np.nan)


_HAIR = 1e-9
