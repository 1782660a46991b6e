"""Naming advice: warnings, which keep nothing out. Only the user's own metrics are looked at."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterator, Sequence

from pipeline.catalog.catalog import Metric, Problem

_SYNONYMS = {
    word: words[0]
    for words in (
        ("avg", "average", "mean"),
        ("duration", "length", "time"),
        ("call", "conversation", "session", "chat", "dialog", "dialogue"),
        ("count", "number", "num", "total", "volume"),
        ("rate", "ratio", "share", "percentage", "percent", "pct"),
        ("failure", "error", "fault", "failed"),
        ("success", "succeeded", "successful"),
        ("resolved", "resolution", "solved"),
        ("agent", "assistant", "bot"),
        ("caller", "customer", "user", "client"),
        ("escalation", "escalated", "handoff", "handover", "transfer", "transferred"),
        ("topic", "subject", "theme"),
        ("score", "rating", "grade"),
        ("max", "maximum"),
        ("min", "minimum"),
    )
    for word in words
}
_UNITS = frozenset({"second", "ms", "minute", "hour"})
_CASINGS: dict[str, Callable[[str], object]] = {
    "snake_case": re.compile(r"[a-z0-9]+(_[a-z0-9]+)*").fullmatch,
    "SCREAMING_SNAKE_CASE": re.compile(r"[A-Z0-9]+(_[A-Z0-9]+)*").fullmatch,
    "kebab-case": re.compile(r"[a-z0-9]+(-[a-z0-9]+)+").fullmatch,
    "camelCase": re.compile(r"[a-z0-9]+([A-Z][a-z0-9]*)+").fullmatch,
    "PascalCase": re.compile(r"([A-Z][a-z0-9]*)+").fullmatch,
}


def lint(metrics: Sequence[Metric]) -> tuple[Problem, ...]:
    """Advice about names that will confuse whoever reads the catalog."""
    own = [metric for metric in metrics if not metric.shipped]
    return tuple(problem for rule in (_units, _casing, _prefixes) for problem in rule(own)) + tuple(
        _twins(own, metrics)
    )


def _warning(metric: Metric, field: str, found: str, advice: str) -> Problem:
    return Problem(metric.file, metric.line, f"{metric.key}.{field}", found, advice, "warning")


def _units(own: Sequence[Metric]) -> Iterator[Problem]:
    for metric in own:
        if metric.definition.metric_type == "numerical" and metric.definition.unit is None:
            yield _warning(metric, "unit", "nothing", "say what the number counts, for example seconds, score, count")


def _casing(own: Sequence[Metric]) -> Iterator[Problem]:
    """Labels of one metric, and written names of all, in one casing."""
    written = {m.definition.written_name: m for m in own if m.definition.written_name}
    yield from _odd_ones(written, "written_name")
    for metric in own:
        labels = metric.definition.categories or tuple(
            label if isinstance(label, str) else label.label for label in metric.definition.ai_labels or ()
        )
        field = "categories" if metric.definition.categories else "ai_labels"
        yield from _odd_ones(dict.fromkeys(labels, metric), field)


def _odd_ones(names: dict[str, Metric], field: str) -> Iterator[Problem]:
    casings = {name: next((casing for casing, fits in _CASINGS.items() if fits(name)), None) for name in names}
    usual = Counter(casing for casing in casings.values() if casing).most_common(1)
    for name, casing in casings.items():
        if casing and casing != usual[0][0]:
            yield _warning(names[name], field, f"{name} in {casing}", f"write it in {usual[0][0]}, like the others")


def _prefixes(own: Sequence[Metric]) -> Iterator[Problem]:
    """A word that begins three keys begins every key of its group that has it."""
    by_group: dict[str, list[Metric]] = {}
    for metric in own:
        by_group.setdefault(metric.definition.group or metric.file, []).append(metric)
    for group in by_group.values():
        first = Counter(metric.key.split("_")[0] for metric in group)
        for metric in group:
            words = metric.key.split("_")
            for prefix in (word for word in words[1:] if first[word] >= 3 and first[word] > first[words[0]]):
                advice = f"begin it with {prefix}_, as {first[prefix]} keys of its group do"
                yield _warning(metric, "key", metric.key, advice)


def _twins(own: Sequence[Metric], metrics: Sequence[Metric]) -> Iterator[Problem]:
    """Two keys that say the same in other words."""
    first: dict[frozenset[str], Metric] = {}
    for metric in [*(m for m in metrics if m.shipped), *own]:
        meaning = _meaning(metric.key)
        if (twin := first.setdefault(meaning, metric)) is not metric and not metric.shipped:
            place = twin.file if twin.line is None else f"{twin.file}:{twin.line}"
            advice = f"is it {twin.key} ({place}) under another name? Keep one, or name what differs"
            yield _warning(metric, "key", metric.key, advice)


def _meaning(key: str) -> frozenset[str]:
    words = (word.removesuffix("s") if len(word) > 3 and not word.endswith("ss") else word for word in key.split("_"))
    return frozenset(_SYNONYMS.get(word, word) for word in words if word not in _UNITS)
