"""What definitions read of each other: unknown keys, types, cycles, and the order to compute them in."""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Mapping

from pipeline.catalog.expressions import parse_formula
from pipeline.catalog.expressions.formulas import Kind
from pipeline.catalog.models import MetricDefinition, MetricType, ThresholdSpec
from pipeline.catalog.reading import Place
from pipeline.catalog.validation import Finding
from pipeline.errors import ExpressionError

KINDS: Mapping[MetricType, Kind] = {"numerical": "number", "boolean": "boolean", "categorical": "label"}

_ORDERED = ("<", "<=", ">", ">=")
_NUMBER_FOLDS = ("avg", "min", "max", "median", "p95", "p99", "sum")


def value_references(definition: MetricDefinition) -> dict[str, Place]:
    """Keys that a value is computed from, by formula, gate or threshold, with the place of the first mention."""
    found: dict[str, Place] = {}
    for field in ("formula", "gate"):
        text = getattr(definition, field)
        for key in parse_formula(text).references if text is not None else ():
            found.setdefault(key, (field,))
    if definition.threshold is not None:
        found.setdefault(definition.threshold.metric, ("threshold", "metric"))
    return found


def references(definition: MetricDefinition) -> dict[str, Place]:
    """Every key that a definition reads: for its values, and the two ends of a ratio for its periods."""
    found = value_references(definition)
    for field in ("ratio_numerator_metric", "ratio_denominator_metric"):
        if (key := getattr(definition, field)) is not None:
            found.setdefault(key, (field,))
    return found


def check_references(definition: MetricDefinition, known: Mapping[str, MetricDefinition]) -> Iterator[Finding]:
    """What is wrong with the metrics that a definition reads; `known` holds every definition that could be read."""
    places = references(definition)
    usable = True
    for key, place in places.items():
        for found, advice in _cannot_be_read(key, definition, known):
            usable = False
            yield Finding(place, found, advice)
    if not usable:
        return
    kinds = {key: KINDS[known[key].metric_type] for key in places}
    for field, wanted in (("formula", KINDS[definition.metric_type]), ("gate", "boolean")):
        text = getattr(definition, field)
        if text is None:
            continue
        try:
            result = parse_formula(text, kinds).result
        except ExpressionError as error:
            found, _, advice = str(error).partition("; ")
            yield Finding((field,), found.rstrip("."), advice or "compare it first")
        else:
            if result != wanted:
                advice = "write a condition" if wanted == "boolean" else "write a metric_type of that kind"
                yield Finding((field,), f"a {result} where a {wanted} is needed", advice)
    if definition.threshold is not None:
        yield from _check_threshold(definition.threshold, known[definition.threshold.metric])
    for field in ("ratio_numerator_metric", "ratio_denominator_metric"):
        key = getattr(definition, field)
        if key is not None and known[key].metric_type == "categorical":
            yield Finding((field,), f"{key}, which is categorical", "name a numerical or boolean metric")


def find_cycles(reads: Mapping[str, tuple[str, ...]]) -> list[tuple[str, ...]]:
    """Every key that reaches itself, as the path `(a, b, a)` by which it does; one path for each cycle found."""
    cycles: list[tuple[str, ...]] = []
    done: set[str] = set()
    for start in reads:
        path: list[str] = []
        waiting: list[tuple[str, bool]] = [(start, False)]
        while waiting:
            key, leaving = waiting.pop()
            if leaving:
                path.pop()
                done.add(key)
            elif key in path:
                cycles.append((*path[path.index(key) :], key))
            elif key not in done:
                path.append(key)
                waiting.append((key, True))
                waiting.extend((read, False) for read in reversed(reads.get(key, ())))
    return cycles


def topological(reads: Mapping[str, tuple[str, ...]]) -> list[str]:
    """Keys of an acyclic graph, each after what it reads, otherwise in the order given."""
    order: dict[str, None] = {}
    for start in reads:
        waiting: list[tuple[str, bool]] = [(start, False)]
        while waiting:
            key, leaving = waiting.pop()
            if leaving:
                order.setdefault(key)
            elif key not in order:
                waiting.append((key, True))
                waiting.extend((read, False) for read in reversed(reads[key]))
    return list(order)


def near(key: str, known: Mapping[str, object]) -> str:
    """Advice that names the keys a wrong one may have meant."""
    found = difflib.get_close_matches(key, known, n=2)
    return f"did you mean {' or '.join(found)}?" if found else "write the key of a metric; `catalog` lists them"


def _cannot_be_read(
    key: str, definition: MetricDefinition, known: Mapping[str, MetricDefinition]
) -> Iterator[tuple[str, str]]:
    read = known.get(key)
    for_ratio = key in (definition.ratio_numerator_metric, definition.ratio_denominator_metric)
    if read is None:
        yield f"{key}, which is no metric", near(key, known)
    elif definition.active and not read.active:
        yield f"{key}, which is switched off", f"switch {key} on, or this one off"
    elif read.aggregation == "ratio":
        yield f"{key}, which is a ratio of periods and has no values", "read the two ends of the ratio"
    elif read.event_level and not for_ratio:
        yield f"{key}, which has a value for each event", f"give {key} a fold, so that it has one for each conversation"
    elif read.multi_label:
        yield f"{key}, which has several labels at once", "read a metric with one value"


def _check_threshold(spec: ThresholdSpec, read: MetricDefinition) -> Iterator[Finding]:
    kind = KINDS[read.metric_type]
    given: Kind = "boolean" if isinstance(spec.value, bool) else "label" if isinstance(spec.value, str) else "number"
    if kind != given:
        advice = f"write a {kind}, as {spec.metric} has"
        yield Finding(("threshold", "value"), f"the {given} {spec.value!r}", advice)
    elif kind != "number" and spec.operator in _ORDERED:
        yield Finding(("threshold", "operator"), spec.operator, f"write == or !=; a {kind} has no order")
    if spec.fold in _NUMBER_FOLDS and kind != "number":
        yield Finding(("threshold", "fold"), f"{spec.fold} of a {kind}", "write each, any, all, first, last or count")
    if (spec.fold == "count") != (spec.count is not None):
        advice = "say how many values must satisfy it" if spec.fold == "count" else "remove it, or write fold: count"
        yield Finding(("threshold", "count"), "nothing" if spec.count is None else str(spec.count), advice)
