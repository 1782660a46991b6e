"""Checks: what a metric must say about a set of conversations for a release, a prompt or a day to be good enough."""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, Literal

from pydantic import Field

from pipeline.catalog.catalog import Metric, Problem
from pipeline.catalog.models import Key, Model, Name, Operator
from pipeline.catalog.named_list import read_named
from pipeline.catalog.reading import Place
from pipeline.catalog.references import near

CHECKS = "checks.yaml"
COMPARE: Mapping[str, Callable[[Any, Any], bool]] = {
    "==": operator.eq,
    "!=": operator.ne,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}
_MOST_CHECKS = 500


class Condition(Model):
    """What a value must be."""

    operator: Operator = Field(description="== and != for any type, the others for numbers.")
    value: bool | float | str = Field(description="What it is compared with, of the metric's type.")

    @property
    def text(self) -> str:
        """As it is shown: `<= 1500`."""
        value = f"{self.value:g}" if isinstance(self.value, float) else str(self.value).lower()
        return f"{self.operator} {value}"

    def holds(self, value: float) -> bool:
        """Whether a number satisfies it."""
        return not isinstance(self.value, str) and COMPARE[self.operator](value, self.value)


class Check(Model):
    """A condition on one metric, and how many conversations must satisfy it."""

    name: Key = Field(description="Unique name: lower-case letters, digits, underscores.")
    description: str | None = Field(default=None, max_length=1000, description="What it is for.")
    sets: tuple[Key, ...] = Field(default=(), max_length=20, description="Names under which it is asked for.")
    metric: Key = Field(description="The metric that is checked.")
    condition: Condition | None = Field(default=None, description="Default, for booleans only: it is true.")
    over: Literal["conversations", "period"] = Field(
        default="conversations", description="Each conversation, or the one number of the whole span."
    )
    min_pass_rate: float | None = Field(
        default=None, ge=0, le=1, description="Share of values that must satisfy the condition; default 0.8."
    )
    min_coverage: float = Field(
        default=0.9, ge=0, le=1, description="Share of applicable conversations that must have a value."
    )
    min_conversations: int = Field(default=1, ge=1, description="Values that there must be.")
    service: Name | None = Field(default=None, description="Only this service.")
    channel: Name | None = Field(default=None, description="Only this channel.")
    traffic: Literal["production", "simulation"] | None = Field(
        default=None, description="Default: production; with a run id, that of the run."
    )
    tags: tuple[Name, ...] = Field(default=(), max_length=20, description="Only conversations with any of these tags.")
    run_id: Name | None = Field(default=None, description="Only this simulation run.")
    severity: Literal["error", "warning"] = Field(
        default="error", description="A warning is shown, and does not fail the command."
    )

    @property
    def pass_rate(self) -> float:
        """The share that is asked for."""
        return 0.8 if self.min_pass_rate is None else self.min_pass_rate


class CheckFile(Model):
    """`checks.yaml`."""

    checks: tuple[Check, ...] = Field(max_length=_MOST_CHECKS, description="The checks.")


def load_checks(
    shipped: Path, own: Path, metrics: Mapping[str, Metric], problems: list[Problem]
) -> tuple[dict[str, Check], frozenset[str]]:
    """Checks by name, those that are shipped and those of the user, and the names of the latter.

    Args:
        shipped: folder of the file that comes with the project.
        own: folder of the user's file; a check in it hides a shipped one of the same name.
        metrics: that can be checked.
        problems: is appended to; a check that cannot be used is left out.
    """

    def read(folder: Path) -> dict[str, Check]:
        return read_named(folder / CHECKS, CheckFile, "checks", lambda check: _problems_of(check, metrics), problems)

    checks = read(shipped) if shipped.resolve() != own.resolve() else {}
    mine = read(own)
    return checks | mine, frozenset(mine)


def _problems_of(check: Check, metrics: Mapping[str, Metric]) -> Iterator[tuple[Place, str, str]]:
    metric = metrics.get(check.metric)
    if metric is None:
        yield ("metric",), check.metric, near(check.metric, metrics)
        return
    kind = metric.definition.metric_type
    valueless = metric.definition.event_level or metric.definition.aggregation == "ratio"
    if check.over == "conversations":
        if valueless:
            yield ("over",), "conversations", f"write period: {check.metric} has no values of conversations"
        yield from _condition(check, kind)
        return
    if check.condition is None or isinstance(check.condition.value, str | bool):
        yield ("condition",), "no number", "compare the period's value with a number"
    for field in ("channel", "tags", "run_id", "min_pass_rate"):
        if getattr(check, field):
            yield (field,), "it with over: period", "remove it; it is for checks over conversations"


def _condition(check: Check, kind: str) -> Iterator[tuple[Place, str, str]]:
    condition = check.condition
    if condition is None:
        if kind != "boolean":
            yield ("condition",), "nothing", f"add it: {check.metric} is {kind}"
        return
    fits = {"boolean": bool, "numerical": float, "categorical": str}[kind]
    if not isinstance(condition.value, fits):
        what = {"boolean": "true or false", "numerical": "a number", "categorical": "a label"}[kind]
        yield ("condition", "value"), repr(condition.value), f"write {what}: {check.metric} is {kind}"
    if condition.operator not in ("==", "!=") and kind != "numerical":
        yield ("condition", "operator"), condition.operator, f"write == or !=: {check.metric} is {kind}"
