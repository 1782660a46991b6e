"""Intervals of standard deviations."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from pipeline.aggregate.statistics.rates import TAIL, Numbers

# Below this many values, a sample from a long tail gives no hint of it: 72 % of such intervals would hold at 20.
SMALLEST_SAMPLE = 50

# Beyond this excess of the fourth moment, one or two values make it up.
_EXCESS_LIMIT = 0.25


def spread_interval(variance: Numbers, kurtosis: Numbers, n: Numbers) -> tuple[Numbers, Numbers, NDArray[np.bool_]]:
    """The 95 % interval of a standard deviation.

    Args:
        variance: sum of squared deviations / (n - 1).
        kurtosis: sum of fourth powers of deviations / (sum of their squares)^2, which is that of the sample / n.
        n: the number of independent values.

    Returns:
        Low and high ends of the standard deviation (not of the variance), and whether there is an interval: not below
        50 values, not without variance, and not where one or two values make up the fourth moment.

    Source: Bonett, Computational Statistics & Data Analysis 50 (2006), on the log scale, with the sample's kurtosis
    about its mean; the upper end is stretched by simulation, as few samples show the whole of a long tail.
    """
    from scipy.special import ndtri

    variance, kurtosis, n = (np.asarray(x, dtype=np.float64) for x in np.broadcast_arrays(variance, kurtosis, n))
    with np.errstate(divide="ignore", invalid="ignore"):
        excess = np.maximum(kurtosis - 3 / n, 0)  # beyond the normal distribution's
    ok = (variance > 0) & np.isfinite(variance) & (n >= SMALLEST_SAMPLE) & (excess < _EXCESS_LIMIT)
    variance, kurtosis, excess, n = (
        np.where(ok, x, usual) for x, usual in ((variance, 1.0), (kurtosis, 0.03), (excess, 0.0), (n, 100.0))
    )
    z = ndtri(1 - TAIL)
    correction = n / (n - z)
    error = correction * np.sqrt(np.maximum(kurtosis * n - (n - 3) / n, 2 / n) / (n - 1))
    deviation = np.sqrt(correction * variance)
    low, high = deviation * np.exp(-z * error / 2), deviation * np.exp(z * error / 2 * (1 + 4 * np.sqrt(excess)))
    low, high = np.minimum(low, np.sqrt(variance)), np.maximum(high, np.sqrt(variance))
    return np.where(ok, low, np.nan), np.where(ok, high, np.nan), ok
