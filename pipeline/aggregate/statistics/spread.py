"""Intervals of standard deviations."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from pipeline.aggregate.statistics.rates import TAIL, Numbers

# A fourth moment that rests on few values says nothing of the next sample.
_KURTOSIS_LIMIT = 0.35


def spread_interval(variance: Numbers, kurtosis: Numbers, n: Numbers) -> tuple[Numbers, Numbers, NDArray[np.bool_]]:
    """The 95 % interval of a standard deviation.

    Args:
        variance: sum of squared deviations / (n - 1).
        kurtosis: sum of fourth powers of deviations / (sum of their squares)^2, which is that of the sample / n.
        n: the number of independent values.

    Returns:
        Low and high ends of the standard deviation (not of the variance), and whether there is an interval: not below
        ten values, not without variance, and not where one or two values make up the fourth moment.

    Source: Bonett, Computational Statistics & Data Analysis 50 (2006), on the log scale, with the sample's kurtosis
    about its mean.
    """
    from scipy.special import ndtri

    variance, kurtosis, n = (np.asarray(x, dtype=np.float64) for x in np.broadcast_arrays(variance, kurtosis, n))
    ok = (variance > 0) & np.isfinite(variance) & (n >= 10) & (kurtosis < _KURTOSIS_LIMIT)
    variance, kurtosis, n = np.where(ok, variance, 1.0), np.where(ok, kurtosis, 0.03), np.where(ok, n, 100.0)
    z = ndtri(1 - TAIL)
    correction = n / (n - z)
    error = correction * np.sqrt(np.maximum(kurtosis * n - (n - 3) / n, 2 / n) / (n - 1))
    low, high = (np.sqrt(correction * variance * np.exp(sign * z * error)) for sign in (-1, 1))
    return np.where(ok, low, np.nan), np.where(ok, high, np.nan), ok
