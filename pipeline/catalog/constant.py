"""Warnings about metrics whose result is decided before anything is read. They keep nothing out."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from pipeline.catalog.catalog import Metric, Problem
from pipeline.catalog.checks import COMPARE
from pipeline.catalog.models import PLAUSIBLE, ThresholdSpec

_WITHIN = ("each", "any", "all", "first", "last", "avg", "min", "max", "median", "p95", "p99")
"""Folds whose result lies in the range of what is folded."""


def warn_of_constants(metrics: Sequence[Metric]) -> tuple[Problem, ...]:
    """One warning for each of the user's own metrics that gives the same whatever the conversations hold."""
    by_key = {metric.key: metric for metric in metrics}
    return tuple(
        Problem(metric.file, metric.line, f"{metric.key}.{field}", found, advice, "warning")
        for metric in metrics
        if not metric.shipped
        for field, found, advice in _constant(metric, by_key)
    )


def _constant(metric: Metric, by_key: Mapping[str, Metric]) -> Iterator[tuple[str, str, str]]:
    definition = metric.definition
    below = definition.scope != "conversation"
    if definition.fold == "count" and below and (definition.judged or definition.pattern is not None):
        unit = "turns" if definition.scope == "turn" else "participants"
        advice = "write sum, avg or max to use what was found in each"
        yield "fold", f"count, which is the number of {unit} whatever is found in them", advice
    pathless = definition.extraction_mode == "static" and definition.extract_path is None
    if pathless and definition.fold not in (None, "count", "sum") and definition.metric_type == "numerical":
        yield "fold", f"{definition.fold} of what is 1 each time", "write count, or add extract_path"
    if definition.categories and len(definition.categories) == 1 and definition.aggregation == "count_distinct":
        yield "aggregation", "count_distinct of one category, which is 1", "write count"
    if (spec := definition.threshold) is not None and (read := by_key.get(spec.metric)) is not None:
        yield from _threshold(spec, read)


def _threshold(spec: ThresholdSpec, read: Metric) -> Iterator[tuple[str, str, str]]:
    definition = read.definition
    if spec.fold == "count" and (spec.count or 1) > 1 and definition.scope == "conversation":
        found = f"{spec.count} values of {read.key}, which has one of each conversation"
        yield "threshold.count", found, "write fold: each, or name a metric with scope turn or participant"
    folded = definition.effective_fold in ("sum", "count") and definition.scope == "conversation"
    if (
        definition.metric_type != "numerical"
        or isinstance(spec.value, str | bool)
        or spec.fold not in _WITHIN
        or folded
    ):
        return
    low, high = definition.bounds
    if low == -PLAUSIBLE and high == PLAUSIBLE:
        return
    outcomes = {COMPARE[spec.operator](number, spec.value) for number in (low, high)}
    inside = spec.operator in ("==", "!=") and low < spec.value < high
    if len(outcomes) == 1 and not inside:
        always = str(outcomes.pop()).lower()
        found = f"{spec.operator} {spec.value:g}, where {read.key} lies in {low:g} to {high:g}: always {always}"
        yield "threshold.value", found, "compare with a number inside"
