"""Intervals of means, ratios and totals, from the first four moments of what independent units contribute."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from pipeline.aggregate.statistics.rates import TAIL, Numbers, rate_interval

# The skewness of a sample of which k of n values differ from all others is about 1/sqrt(k). Beyond this limit the rare
# values are too few to tell how large the next one is.
SKEWNESS_LIMIT = 0.65

# Rounding leaves a spread of this share of the value where all values are equal, and so much of a moment that is 0.
_ROUNDING = 1e-12


def mean_interval(
    estimate: Numbers,
    standard_error: Numbers,
    skewness: Numbers,
    kurtosis: Numbers,
    degrees: Numbers,
    lowest: Numbers,
    highest: Numbers,
) -> tuple[Numbers, Numbers, NDArray[np.bool_]]:
    """The 95 % interval of a mean, or of whatever else is a sum of contributions z of independent units.

    The error of a mean of skewed values is skewed the other way round. Hall's transformation takes the skew out, so
    that the end on the side of the long tail lies further away than Student's. Where too few rare values decide, there
    is an interval only if the range is known: that of a rate, as if what was not seen lay at the end of the range.

    Args:
        estimate: the mean, ratio or total.
        standard_error: of it; its square is n/(n-1) times the sum of z^2.
        skewness: sum of z^3 / (sum of z^2)^1.5; for n single values the sample's skewness / sqrt(n).
        kurtosis: sum of z^4 / (sum of z^2)^2; for n single values the sample's kurtosis / n.
        degrees: of freedom, n - 1.
        lowest: the least that the estimate can be; NaN or infinite where unknown.
        highest: the most that the estimate can be; NaN or infinite where unknown.

    Returns:
        Low, high and whether there is an interval; without one, low and high are NaN. With one, low < high, both lie
        between lowest and highest, and the estimate lies between them.

    Source: Hall, "On the removal of skewness by transformation", J. R. Statist. Soc. B 54 (1992), 221-228.
    """
    arrays = (estimate, standard_error, skewness, kurtosis, degrees, lowest, highest)
    estimate, error, skewness, kurtosis, degrees, lowest, highest = (
        np.asarray(x, dtype=np.float64) for x in np.broadcast_arrays(*arrays)
    )
    known = np.isfinite(estimate) & np.isfinite(error) & (error >= 0) & (degrees >= 1) & np.isfinite(degrees)
    equal = known & (error * np.sqrt(degrees + 1) <= _ROUNDING * np.abs(estimate))
    moments = known & ~equal & np.isfinite(skewness) & np.isfinite(kurtosis)
    regular = moments & (np.abs(skewness) < SKEWNESS_LIMIT)
    rare = moments & ~regular
    with np.errstate(invalid="ignore", divide="ignore", over="ignore"):
        low, high = _regular_ends(estimate, error, skewness, kurtosis, np.where(known, degrees, 1.0))
        rare_low, rare_high = _rare_ends(estimate, error, skewness, degrees, lowest, highest)
        equal_low, equal_high = _equal_ends(estimate, degrees, lowest, highest)
        low = np.select([regular, rare, equal], [low, rare_low, equal_low], np.nan)
        high = np.select([regular, rare, equal], [high, rare_high, equal_high], np.nan)
        low, high = np.fmax(low, lowest), np.fmin(high, highest)  # the other one, where one is unknown
        ok = known & np.isfinite(low) & np.isfinite(high) & (low <= estimate) & (estimate <= high) & (low < high)
    return np.where(ok, low, np.nan), np.where(ok, high, np.nan), ok


def _regular_ends(
    estimate: Numbers, error: Numbers, skewness: Numbers, kurtosis: Numbers, degrees: Numbers
) -> tuple[Numbers, Numbers]:
    """Student's end on the side of the short tail, Hall's on the side of the long one; without skew both are alike.

    Hall's own short end is nearer than Student's, which is right only if the skewness is known; a sample's is not. The
    constants allow for it: they were fitted by simulation (normal, lognormal, Student's t with three degrees, scores,
    zeros with a few lognormal values, clustered events, ratios; 20, 100 and 400 units). All corrections vanish as n
    grows.
    """
    from scipy.special import stdtrit

    skew = np.abs(skewness)
    t = stdtrit(degrees, 1 - TAIL)
    # What the fourth moment has beyond the least that the third allows (two values only): rare values of varied size.
    excess = kurtosis - skew**2 - 1 / (degrees + 1)
    excess = np.where(excess > _ROUNDING, excess, 0)  # its root would make 1e-8 of what rounding leaves
    # A fourth moment that the skewness does not explain stretches both ends; the clearer the skew, the longer the one
    tilt = skew / np.hypot(skew, np.sqrt(6) / (degrees + 1))  # the standard error of a normal sample's skewness
    near = t * (1 + 1.2 * excess * (1 - tilt))
    stretched = t * (1 + 1.2 * excess * (1 + tilt))
    steep = np.maximum(skew * (1 - 0.25 * skew - 0.55 * np.sqrt(excess)), 0)
    root = np.cbrt(1 - steep * (stretched + steep / 6))
    far = np.maximum(3 * (stretched + steep / 6) / (1 + root + root**2), near)  # 3 (1 - root) / steep, also at 0
    right = skewness >= 0
    return estimate - error * np.where(right, near, far), estimate + error * np.where(right, far, near)


def _rare_ends(
    estimate: Numbers, error: Numbers, skewness: Numbers, degrees: Numbers, lowest: Numbers, highest: Numbers
) -> tuple[Numbers, Numbers]:
    """As if all but a few values were one common value, and the few another: then their share p is a rate.

    p and the two values follow from mean, variance and skewness. On the side of the rare values, the share that may
    have been missed lies at the range's end. On the other side there are fewer of them than seen, and values beyond the
    common one, of which none was seen.
    """
    n = degrees + 1
    side = np.where(skewness >= 0, 1.0, -1.0)  # the rare values are above or below
    odds = 1 / (n * skewness**2)  # p (1 - p) / (1 - 2 p)^2
    variance = odds / (1 + 4 * odds)  # p (1 - p)
    share = (1 - np.sqrt(np.maximum(1 - 4 * variance, 0))) / 2
    share_low, share_high = rate_interval(share, n)
    distance = error * np.sqrt(degrees / variance)
    common = estimate - side * share * distance
    end, other_end = np.where(side > 0, highest, lowest), np.where(side > 0, lowest, highest)
    far = estimate + (end - estimate) * (share_high - share) / (1 - share)
    near = common + side * share_low * distance
    near += np.where((other_end - common) * side < 0, (other_end - common) * rate_interval(0.0 * n, n)[1], 0.0)
    return np.where(side > 0, near, far), np.where(side > 0, far, near)


def _equal_ends(estimate: Numbers, degrees: Numbers, lowest: Numbers, highest: Numbers) -> tuple[Numbers, Numbers]:
    """All values are equal: the share that may differ all the same is a rate of which none was seen."""
    n = degrees + 1
    missed = rate_interval(0.0 * n, n)[1]
    return estimate - (estimate - lowest) * missed, estimate + (highest - estimate) * missed
