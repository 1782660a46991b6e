"""Rules about several fields of one definition.

Rules about one field are in `models`, about several metrics in `references`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache

from pipeline.catalog.aggregations import AGGREGATIONS
from pipeline.catalog.expressions import (
    CONVERSATION_FILTER_COLUMNS,
    EVENT_FILTER_COLUMNS,
    parse_filter,
    parse_formula,
    parse_sql_expression,
)
from pipeline.catalog.models import EVENT_DOMAINS, JUDGED_MODES, MetricDefinition, PatternEnd
from pipeline.catalog.paths import parse_path
from pipeline.catalog.reading import Place
from pipeline.errors import ExpressionError

_NEEDED = {
    "ai_query": "ai_query_prompt",
    "ai_classify": "ai_labels",
    "sql_expr": "sql_expression",
    "pattern": "pattern",
    "formula": "formula",
    "threshold": "threshold",
    "python": "python_file",
}
_MODES_OF_FIELD = {
    "extract_path": ("static", "ai_extract"),
    "ai_labels": ("ai_classify", "ai_extract"),
    "ai_schema": ("ai_extract",),
    "ai_query_prompt": ("ai_query",),
    "sql_expression": ("sql_expr",),
    "pattern": ("pattern",),
    "formula": ("formula",),
    "threshold": ("threshold",),
    "written_name": ("written",),
    "repeated": ("written",),
    "python_file": ("python",),
} | dict.fromkeys(("prompt", "ai_query_endpoint", "model_tier", "repeat", "scale"), tuple(sorted(JUDGED_MODES)))
_TYPES_OF_FIELD = {
    "valid_range_min": "numerical",
    "valid_range_max": "numerical",
    "scale": "numerical",
    "categories": "categorical",
    "multi_label": "categorical",
    "true_label": "boolean",
    "false_label": "boolean",
}
_FOLDS_OF_TYPE = {
    "numerical": ("first", "last", "count", "avg", "min", "max", "median", "p95", "p99", "sum"),
    "boolean": ("first", "last", "any", "all"),
    "categorical": ("first", "last"),
}
_PROMPT_PATH = re.compile(r"\{(\$[^{}|]*)(?:\|[^{}]*)?\}")


@dataclass(frozen=True)
class Finding:
    """One thing wrong with a definition, at a place inside it."""

    place: Place
    found: str
    advice: str


def check_definition(definition: MetricDefinition) -> list[Finding]:
    """Everything wrong with a definition taken alone."""
    rules: tuple[Callable[[MetricDefinition], Iterator[Finding]], ...] = (
        _mode,
        _source,
        _type,
        _aggregation,
        _ranges,
        _scope,
        _labels,
        _pattern,
        _expressions,
    )
    return [finding for rule in rules for finding in rule(definition)]


def _mode(definition: MetricDefinition) -> Iterator[Finding]:
    mode = definition.extraction_mode
    needed = _NEEDED.get(mode)
    if needed and getattr(definition, needed) is None:
        yield Finding((needed,), "nothing", f"add it: extraction_mode {mode} needs it")
    counts = definition.aggregation in ("count", "ratio") or definition.fold == "count"
    if mode == "static" and definition.extract_path is None and not counts:
        advice = "add it; only the aggregations count and ratio, and fold: count, go without a value"
        yield Finding(("extract_path",), "nothing", advice)
    if mode == "ai_extract" and definition.ai_labels is None and definition.ai_schema is None:
        yield Finding(("ai_labels",), "nothing", "add ai_labels or ai_schema: ai_extract needs one of them")
    if mode == "sql_expr" and not definition.builtin:
        advice = "use static, formula or ai_query; SQL is for built-ins only, because it could be used for injection"
        yield Finding(("extraction_mode",), "sql_expr", advice)
    for field, modes in _MODES_OF_FIELD.items():
        if mode not in modes and _is_set(definition, field):
            yield Finding((field,), f"it with extraction_mode {mode}", f"remove it; it is for {', '.join(modes)}")
    if definition.ai_query_endpoint is not None and definition.model_tier != "custom":
        yield Finding(("ai_query_endpoint",), f"it with model_tier {definition.model_tier}", "write model_tier: custom")


def _source(definition: MetricDefinition) -> Iterator[Finding]:
    source, mode = definition.source, definition.extraction_mode
    if (source == "custom") != (definition.custom_source_key is not None):
        advice = "add the domain of the events" if source == "custom" else "remove it; it belongs to source custom"
        yield Finding(("custom_source_key",), definition.custom_source_key or "nothing", advice)
    written = mode == "written" and source == "world_events"
    if source in EVENT_DOMAINS and mode not in ("static", "sql_expr") and not written:
        advice = f"write call_intelligence; {mode} reads conversations"
        yield Finding(("source",), source, advice)
    event_types = ("metric.written",) if written else ("call_intelligence.row",)
    if (written or source == "call_intelligence") and definition.event_types != event_types:
        yield Finding(("event_types",), str(list(definition.event_types)), f"write [{event_types[0]}] for this source")
    for field in ("gate", "sampling_rate", "cap"):
        if definition.event_level and _is_set(definition, field):
            yield Finding(
                (field,), "it on a metric of single events", "remove it, or add a fold: it picks conversations"
            )


def _type(definition: MetricDefinition) -> Iterator[Finding]:
    for field, metric_type in _TYPES_OF_FIELD.items():
        if definition.metric_type != metric_type and _is_set(definition, field):
            advice = f"remove it; it is for {metric_type} metrics"
            yield Finding((field,), f"it on a {definition.metric_type} metric", advice)
    mode, spec = definition.extraction_mode, definition.pattern
    wanted = {
        "threshold": "boolean",
        "ai_classify": "categorical",
        "pattern": "boolean" if spec is None or spec.result == "exists" else "numerical",
    }.get(mode)
    if wanted and definition.metric_type != wanted and not _classifies_boolean(definition):
        yield Finding(("metric_type",), definition.metric_type, f"write {wanted}: that is what this {mode} gives")


def _classifies_boolean(definition: MetricDefinition) -> bool:
    """Two labels, named as true and false, are a boolean."""
    labels = {label if isinstance(label, str) else label.label for label in definition.ai_labels or ()}
    ends = {definition.true_label, definition.false_label}
    return definition.extraction_mode == "ai_classify" and definition.metric_type == "boolean" and labels == ends


def _aggregation(definition: MetricDefinition) -> Iterator[Finding]:
    aggregation, metric_type = definition.aggregation, definition.metric_type
    if metric_type not in AGGREGATIONS[aggregation].types:
        advice = {
            "numerical": "write metric_type: boolean, or avg",
            "boolean": "write rate or count",
            "categorical": "write count; each category gets its share",
        }[metric_type]
        yield Finding(("aggregation",), f"{aggregation} of a {metric_type} metric", advice)
    events = (definition.ratio_numerator_event, definition.ratio_denominator_event)
    metrics = (definition.ratio_numerator_metric, definition.ratio_denominator_metric)
    given = [name for name in _RATIO_FIELDS if getattr(definition, name) is not None]
    if aggregation != "ratio":
        for name in given:
            yield Finding((name,), f"it with aggregation {aggregation}", "remove it, or write aggregation: ratio")
    elif (all(events), any(metrics)) != (True, False) and (all(metrics), any(events)) != (True, False):
        advice = "name both ends: ratio_numerator_event and ratio_denominator_event, or both ratio_…_metric"
        yield Finding(("aggregation",), f"a ratio with {', '.join(given) or 'no ends'}", advice)
    elif all(events) and not definition.event_level:
        advice = "use a source of events with extraction_mode static and no fold, or a ratio of two metrics"
        yield Finding(("aggregation",), "a ratio of events that are not counted one by one", advice)
    elif definition.extraction_mode != "static" or definition.extract_path is not None:
        yield Finding(("extraction_mode",), "a value of its own for a ratio", "write static and no extract_path")


_RATIO_FIELDS = (
    "ratio_numerator_event",
    "ratio_denominator_event",
    "ratio_numerator_metric",
    "ratio_denominator_metric",
)


def _ranges(definition: MetricDefinition) -> Iterator[Finding]:
    low, high, scale = definition.valid_range_min, definition.valid_range_max, definition.scale
    if low is not None and high is not None and low >= high:
        yield Finding(("valid_range_max",), f"{high:g}", f"write a number above valid_range_min, which is {low:g}")
    if scale is None:
        return
    if scale.min >= scale.max:
        yield Finding(("scale", "max"), str(scale.max), f"write a number above scale.min, which is {scale.min}")
    last: float | None = None
    for index, band in sorted(enumerate(scale.bands), key=lambda item: item[1].range_min):
        place, found = ("scale", "bands", index), f"{band.range_min:g} to {band.range_max:g}"
        if band.range_min > band.range_max or band.range_min < scale.min or band.range_max > scale.max:
            yield Finding(place, found, f"write a range inside {scale.min} to {scale.max}, lower end first")
        elif last is not None and band.range_min <= last:
            yield Finding(place, found, f"start above {last:g}, where the band before it ends")
        last = band.range_max


def _scope(definition: MetricDefinition) -> Iterator[Finding]:
    below, over_events = definition.scope != "conversation", definition.source in EVENT_DOMAINS
    if below and (over_events or definition.extraction_mode not in {"static", "pattern", *JUDGED_MODES}):
        advice = "write conversation; static, pattern and judged metrics of conversations look below that"
        yield Finding(("scope",), definition.scope, advice)
    if definition.participant_role is not None and not (below or over_events):
        yield Finding(("participant_role",), "it with scope conversation", "write scope: participant or scope: turn")
    if definition.fold is None:
        return
    folds = _FOLDS_OF_TYPE[definition.metric_type]
    if definition.fold not in folds:
        advice = f"write {', '.join(folds)}"
        yield Finding(("fold",), f"{definition.fold} of a {definition.metric_type} metric", advice)
    if not below and definition.extraction_mode not in ("static", "sql_expr"):
        yield Finding(("fold",), "it with scope conversation", "remove it; there is one value to fold")


def _labels(definition: MetricDefinition) -> Iterator[Finding]:
    for field in ("ai_labels", "categories"):
        seen: set[str] = set()
        for index, entry in enumerate(getattr(definition, field) or ()):
            label = entry if isinstance(entry, str) else entry.label
            if label in seen:
                yield Finding((field, index), repr(label), "remove it; it is listed before")
            seen.add(label)
    if definition.max_labels is not None and not definition.multi_label:
        yield Finding(("max_labels",), str(definition.max_labels), "write multi_label: true, or remove it")
    if definition.true_label is not None and definition.true_label == definition.false_label:
        yield Finding(("false_label",), repr(definition.false_label), "write another text than true_label")
    if definition.repeated in ("sum", "count") and definition.metric_type != "numerical":
        advice = "write first or last, or metric_type: numerical"
        yield Finding(("repeated",), f"{definition.repeated} of a {definition.metric_type} metric", advice)
    if definition.repeated == "list" and not definition.multi_label:
        yield Finding(("repeated",), "list", "write metric_type: categorical and multi_label: true, or last")


def _pattern(definition: MetricDefinition) -> Iterator[Finding]:
    spec = definition.pattern
    if spec is None:
        return
    yield from _pattern_end(spec, ("pattern",))
    if spec.outcome is not None:
        yield from _pattern_end(spec.outcome, ("pattern", "outcome"))
        if spec.within_seconds is None and spec.within_turns is None:
            yield Finding(("pattern", "within_seconds"), "nothing", "say how soon: within_seconds or within_turns")
    for field in ("within_seconds", "within_turns"):
        if spec.outcome is None and getattr(spec, field) is not None:
            yield Finding(("pattern", field), "it without outcome", "add outcome, or remove it")


def _pattern_end(end: PatternEnd, place: Place) -> Iterator[Finding]:
    if bool(end.keywords) == (end.regex is not None):
        found = "keywords and regex" if end.keywords else "neither keywords nor regex"
        yield Finding(place, found, "write one of keywords and regex")
    for index, keyword in enumerate(end.keywords):
        if not keyword.strip():
            yield Finding((*place, "keywords", index), repr(keyword), "write a word")
    if end.regex is not None and (reason := regex_fault(end.regex)):
        advice = "use RE2 syntax, which has no look-around and no back-references"
        yield Finding((*place, "regex"), f"{end.regex!r} ({reason})", advice)


@lru_cache(maxsize=1024)
def regex_fault(regex: str) -> str | None:
    """What DuckDB's RE2 says against a regular expression, None when it accepts it."""
    import duckdb

    with duckdb.connect(config={"threads": 1}) as con:
        try:
            con.execute("SELECT regexp_matches('', ?)", [regex]).fetchall()
        except duckdb.Error as error:
            return str(error).splitlines()[0].removeprefix("Invalid Input Error: ").rstrip(": ")
    return None


def _expressions(definition: MetricDefinition) -> Iterator[Finding]:
    columns = EVENT_FILTER_COLUMNS if definition.source in EVENT_DOMAINS else CONVERSATION_FILTER_COLUMNS
    checks: Mapping[str, Callable[[str], object]] = {
        "extract_path": parse_path,
        "source_filter": lambda text: parse_filter(text, columns),
        "formula": parse_formula,
        "gate": parse_formula,
        "sql_expression": lambda text: parse_sql_expression(text, columns),
        "ai_query_prompt": _prompt_paths,
        "prompt": _prompt_paths,
    }
    for field, parse in checks.items():
        text = getattr(definition, field)
        if text is None:
            continue
        try:
            parse(text)
        except ExpressionError as error:
            found, _, advice = str(error).partition("; ")
            yield Finding((field,), found.rstrip("."), advice or "mend it")


def _prompt_paths(prompt: str) -> None:
    for found in _PROMPT_PATH.finditer(prompt):
        parse_path(found[1])


def _is_set(definition: MetricDefinition, field: str) -> bool:
    return bool(getattr(definition, field) != MetricDefinition.model_fields[field].default)
