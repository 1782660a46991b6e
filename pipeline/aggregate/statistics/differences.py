"""Two periods compared: how much they differ, how sure that is, which of many differences stand out."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from pipeline.aggregate.statistics.rates import TAIL, Numbers

# Of what is marked in a list, at most this share is chance.
FALSE_SHARE = 0.1


def difference(
    value: Numbers,
    low: Numbers,
    high: Numbers,
    degrees: Numbers,
    before: Numbers,
    before_low: Numbers,
    before_high: Numbers,
    before_degrees: Numbers,
) -> tuple[Numbers, Numbers, Numbers, Numbers]:
    """The difference `value - before` of two independent periods, its 95 % interval and its p value.

    Works for every number that has an interval: the distances to the ends that face each other are combined as standard
    errors are. For rates this is Newcombe's interval, for Student's means nearly Welch's; the skew of others is kept.

    Args:
        value: of the later period.
        low: end of its interval.
        high: end of its interval.
        degrees: of freedom, the number of independent conversations less one; infinite for rates.
        before: value of the earlier period.
        before_low: end of its interval.
        before_high: end of its interval.
        before_degrees: of freedom.

    Returns:
        Difference, low, high, and the two-sided p value for "no difference", which is below 0.05 exactly where the
        interval leaves out 0. The difference is NaN where a value is; the rest too where an interval is missing.

    Source: Zou and Donner, Statistics in Medicine 27 (2008), "MOVER"; Newcombe's method 10, ibid. 17 (1998);
    degrees after Welch and Satterthwaite.
    """
    from scipy.special import stdtr, stdtrit

    value, low, high, degrees, before, before_low, before_high, before_degrees = (
        np.asarray(x, dtype=np.float64)
        for x in np.broadcast_arrays(value, low, high, degrees, before, before_low, before_high, before_degrees)
    )
    change = value - before
    down = np.hypot(value - low, before_high - before)
    up = np.hypot(high - value, before - before_low)
    # Zero lies on the side of the interval that faces it.
    mine = np.where(change > 0, value - low, high - value)
    other = np.where(change > 0, before_high - before, before - before_low)
    distance = np.where(change > 0, down, up)
    with np.errstate(divide="ignore", invalid="ignore"):
        inverse = (mine / distance) ** 4 / degrees + (other / distance) ** 4 / before_degrees
        joint = np.where(np.isnan(inverse), np.nan, np.clip(1 / inverse, 1, 1e9))
        standardised = np.abs(change) / distance * stdtrit(joint, 1 - TAIL)
        p_value = 2 * stdtr(joint, -standardised)
    return change, change - down, change + up, p_value


def benjamini_hochberg(p_value: Numbers, false_share: float = FALSE_SHARE) -> tuple[NDArray[np.bool_], Numbers]:
    """Which of many p values stand out, if at most a given share of those marked may be chance.

    Args:
        p_value: one for each row shown; NaN where there is none.
        false_share: the expected share of false marks among all marks.

    Returns:
        Whether each stands out, and its q value: the least `false_share` at which it would.

    Source: Benjamini and Hochberg (1995).
    """
    p_value = np.asarray(p_value, dtype=np.float64)
    known = np.flatnonzero(~np.isnan(p_value))
    order = known[np.argsort(p_value[known], kind="stable")]
    q_value = np.full(p_value.shape, np.nan)
    scaled = p_value[order] * len(order) / np.arange(1, len(order) + 1)
    q_value[order] = np.minimum.accumulate(scaled[::-1])[::-1]
    with np.errstate(invalid="ignore"):
        return q_value <= false_share, q_value
