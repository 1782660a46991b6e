"""One decision for checks and alarms: is a number beyond its threshold, within it, or cannot one tell?"""

from __future__ import annotations

from typing import Literal

import numpy as np
from numpy.typing import NDArray

from pipeline.aggregate.statistics.rates import Numbers

Decision = Literal["ok", "breach", "undecided"]
Direction = Literal["above", "below"]


def decide(
    low: Numbers, high: Numbers, n: Numbers, threshold: Numbers, direction: Direction, min_n: int = 1
) -> NDArray[np.str_]:
    """Decide on the interval's end, not on the point.

    Args:
        low: end of the interval; of an exact number, the number itself.
        high: end of the interval; of an exact number, the number itself.
        n: the number of values behind it.
        threshold: the value that must not be passed; to equal it is fine.
        direction: on which side of the threshold it is bad.
        min_n: fewer values decide nothing.

    Returns:
        `breach` where the whole interval is on the bad side, `ok` where the whole interval is on the good side, else
        `undecided`: it holds the threshold, is missing, or rests on fewer than `min_n` values.
    """
    sign = 1.0 if direction == "above" else -1.0
    low, high, n, threshold = np.broadcast_arrays(low, high, n, threshold)
    near, far = (low, high) if direction == "above" else (high, low)
    enough = np.asarray(n) >= min_n
    breach = enough & (sign * (near - threshold) > 0)
    within = enough & (sign * (far - threshold) <= 0)
    return np.where(breach, "breach", np.where(within, "ok", "undecided"))
