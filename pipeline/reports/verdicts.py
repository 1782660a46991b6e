"""What follows from a number and its interval: good enough, not good enough, or too little to tell."""

from __future__ import annotations

from typing import Literal

from pipeline.aggregate.queries import Row
from pipeline.catalog.checks import Check, Condition

Verdict = Literal[
    "PASSED", "BELOW_MIN_PASS_RATE", "UNDECIDED", "INCOMPLETE_COVERAGE", "NOT_EVALUATED", "RUN_NOT_COMPLETED"
]

# On which side of the limit it is bad. Equality has two bad sides.
_BAD: dict[str, tuple[str, ...]] = {
    ">=": ("below",),
    ">": ("below",),
    "<=": ("above",),
    "<": ("above",),
    "==": ("below", "above"),
    "!=": (),
}
_EXACT = frozenset({"count", "sum", "min", "max", "count_distinct"})


def of_pass_rate(check: Check, value: float, low: float, high: float, n: int) -> tuple[Verdict, str]:
    """The verdict on the share of conversations that satisfy the condition, and the reason."""
    if value >= check.pass_rate:
        return "PASSED", ""
    said = f"{value:.1%} pass; at least {check.pass_rate:.1%} are asked for"
    if _breached(low, high, n, check.pass_rate, ("below",), check.min_conversations):
        return "BELOW_MIN_PASS_RATE", f"{said}."
    return "UNDECIDED", f"{said}, and the interval {low:.1%} to {high:.1%} includes it: too few to tell."


def of_period(check: Check, row: Row, value: float) -> tuple[Verdict, str]:
    """The verdict on the one number of a period, and the reason.

    A total or an extreme of a period that left nothing out has no interval, as it is exact; it decides by itself.
    """
    condition = check.condition
    assert condition is not None, "loading refuses a period without a condition"
    if condition.holds(value):
        return "PASSED", ""
    low, high = row.get("interval_low"), row.get("interval_high")
    said = f"{value:.4g} is not {condition.text}"
    if row["aggregation"] in _EXACT and not row.get("estimated"):
        return "BELOW_MIN_PASS_RATE", f"{said}."
    if low is None or high is None:
        return "UNDECIDED", f"{said}, but it has no interval: too few values to tell."
    if _breached(low, high, row["event_count"], _limit(condition), _BAD[condition.operator], check.min_conversations):
        return "BELOW_MIN_PASS_RATE", f"{said}."
    return "UNDECIDED", f"{said}, but the interval {low:.4g} to {high:.4g} includes such values: too few to tell."


def _breached(low: float, high: float, n: int, limit: float, bad: tuple[str, ...], min_n: int) -> bool:
    import numpy as np  # a check of nothing starts without it

    from pipeline.aggregate.statistics.decisions import decide

    ends = np.array([low]), np.array([high]), np.array([n]), np.array([limit])
    sides = [decide(*ends, "above", min_n)] if "above" in bad else []
    sides += [decide(*ends, "below", min_n)] if "below" in bad else []
    return any(side[0] == "breach" for side in sides)


def _limit(condition: Condition) -> float:
    assert not isinstance(condition.value, str), "loading refuses a period that is compared with a label"
    return float(condition.value)
