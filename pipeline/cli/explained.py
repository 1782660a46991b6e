"""What would become of one record, as tables."""

from __future__ import annotations

import re
from typing import Any

import orjson

from pipeline.cli.console import emit, emit_table
from pipeline.ingest.explain import EventOutcome, Explanation, RuleOutcome

_WIDE = 70
"""Characters of a value; transcripts are long."""
_REASONS = 3
_NUMBER = re.compile(r"\[\d+\]")


def show_explanation(found: Explanation) -> None:
    """Print the rules that were tried, one event of each that made some, what is refused, and what nothing read."""
    emit(f"{found.url}{f', {found.place}' if found.place else ''}")
    emit(f"read with {found.source_key}{f', {found.mapping_file}' if found.mapping_file else ''}")
    tried = [rule for rule in found.rules if rule.applied or rule.skipped]
    if tried:
        rules = [(rule.line, _label(rule), rule.applied, rule.events or None, _skipped(rule)) for rule in tried]
        emit_table(["line", "rule", "items", "events", "did not apply"], rows=rules, title="\nRules")
    shown: set[str] = set()
    for event, count in _examples(found.events):
        _show_event(event, count, shown)
    refused = _refused(found)
    if refused:
        emit_table(["items", "the first", "reason", "why", "item"], refused, title="\nWould be refused")
    if found.unread:
        leaves = [(leaf.path, f"{leaf.count:,} of {leaf.total:,}", _cell(leaf.example)) for leaf in found.unread]
        emit_table(["path", "not read", "for example"], leaves, title="\nNothing reads")
    stored = sum(event.reason is None for event in found.events)
    emit(f"\nWould be stored: {stored:,}; refused: {sum(row[0] for row in refused):,}. Nothing was written.")


def _show_event(event: EventOutcome, count: int, shown: set[str]) -> None:
    """Print an event; what an event before it has said in the same words is left out."""
    rows = [(field.name, _cell(field.value), field.expression or "by default", field.line) for field in event.fields]
    new = [row for row in rows if repr(row) not in shown]
    shown.update(map(repr, rows))
    title = f"\nEvent from {event.place}" + (f", one of {count} that this rule makes" if count > 1 else "")
    emit_table(["field", "value", "from", "line"], new, title=title)
    if len(new) < len(rows):
        emit(f"and {', '.join(row[0] for row in rows if row not in new)} as above")
    absent = [f"{field.name} (line {field.line})" for field in event.absent]
    if missed := [text for text in absent if text not in shown]:
        emit(f"without a value: {', '.join(missed)}")
    shown.update(absent)


def _refused(found: Explanation) -> list[tuple[int, str, str, str, str | None]]:
    """One row for what is refused for the same reason at the same path, whatever the number of the item."""
    items = [(item.place, item.reason, item.detail, _cell(item.item)) for item in found.refused]
    events = [(event.place, event.reason, event.detail or "", None) for event in found.events if event.reason]
    groups: dict[tuple[str, str, str], list[tuple[str, str, str, str | None]]] = {}
    for place, reason, detail, item in (*items, *events):
        groups.setdefault((_NUMBER.sub("[*]", place), reason, detail), []).append((place, reason, detail, item))
    return [(len(group), *group[0]) for group in groups.values()]


def _label(rule: RuleOutcome) -> str:
    return "  " * rule.rule.count(".") + rule.makes


def _skipped(rule: RuleOutcome) -> str | None:
    told = [f"{count:,}: {why}" for why, count in list(rule.skipped.items())[:_REASONS]]
    left = sum(list(rule.skipped.values())[_REASONS:])
    return "\n".join([*told, *([f"{left:,} for other reasons"] if left else [])]) or None


def _examples(events: list[EventOutcome]) -> list[tuple[EventOutcome, int]]:
    """The first event of each rule, preferably one that would be refused, and the number of all."""
    by_rule: dict[str | None, list[EventOutcome]] = {}
    for event in events:
        by_rule.setdefault(event.rule, []).append(event)
    return [
        (next((event for event in group if event.reason is not None), group[0]), len(group))
        for group in by_rule.values()
    ]


def _cell(value: Any) -> str:
    text = value if isinstance(value, str) else orjson.dumps(value, default=str).decode().strip('"')
    text = " ".join(text.split())
    return text if len(text) <= _WIDE else f"{text[: _WIDE - 1]}…"
