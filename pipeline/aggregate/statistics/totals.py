"""Intervals of the totals of a period of which conversations were left out. They are about that very period."""

from __future__ import annotations

import numpy as np

from pipeline.aggregate.statistics.means import mean_interval
from pipeline.aggregate.statistics.rates import Numbers, rate_interval


def total_interval(
    estimate: Numbers,
    standard_error: Numbers,
    skewness: Numbers,
    kurtosis: Numbers,
    degrees: Numbers,
    seen: Numbers,
    left_out: Numbers,
    lowest: Numbers,
    highest: Numbers,
) -> tuple[Numbers, Numbers, np.ndarray]:
    """The 95 % interval of a sum over a period that left conversations out.

    What was seen is certain: only what was left out can be anything within its range.

    Args:
        estimate: the sum, extrapolated to all eligible conversations.
        standard_error: of it, with the finite-population correction.
        skewness: of the contributions, see `mean_interval`.
        kurtosis: of the contributions, see `mean_interval`.
        degrees: of freedom.
        seen: the sum over what was examined.
        left_out: the number of eligible conversations that were not examined.
        lowest: the least that one conversation can add; NaN where unknown.
        highest: the most that one conversation can add; NaN where unknown.

    Returns:
        Low, high and whether there is an interval: never where nothing was left out, since that sum is exact.
    """
    with np.errstate(invalid="ignore"):
        floor, ceiling = seen + left_out * lowest, seen + left_out * highest
    low, high, ok = mean_interval(estimate, standard_error, skewness, kurtosis, degrees, floor, ceiling)
    ok &= np.asarray(left_out) > 0
    return np.where(ok, low, np.nan), np.where(ok, high, np.nan), ok


def count_interval(counted: Numbers, examined: Numbers, eligible: Numbers) -> tuple[Numbers, Numbers, np.ndarray]:
    """The 95 % interval of how many of all eligible conversations have a property, from those examined.

    Args:
        counted: how many of the examined have it.
        examined: a simple random sample of the eligible.
        eligible: all there are.

    Returns:
        Low, high and whether there is an interval: not where nothing was left out, or nothing was examined.

    Source: `rate_interval` at the effective count n (N - 1) / (N - n), whose variance is that of sampling without
    replacement.
    """
    counted, examined, eligible = (np.asarray(x, dtype=np.float64) for x in (counted, examined, eligible))
    ok = (examined > 0) & (eligible > examined)
    with np.errstate(divide="ignore", invalid="ignore"):
        effective = np.where(ok, examined * (eligible - 1) / (eligible - examined), np.nan)
        low, high = rate_interval(counted / examined, effective)
    low = np.maximum(counted, eligible * low)
    high = np.minimum(counted + eligible - examined, eligible * high)
    return np.where(ok, low, np.nan), np.where(ok, high, np.nan), ok
