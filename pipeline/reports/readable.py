"""What one key may read of each table: which rows, and which columns or parts of them.

Three things are kept apart: other workspaces, metrics that are not on the key's list, and what was said. A column that
would tell any of them is left out or emptied, whichever door asks.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from pipeline.aggregate.queries import Row
from pipeline.catalog.catalog import Catalog
from pipeline.catalog.models import MetricDefinition
from pipeline.store.engine import literal

MEASURES = (
    "completion_reason",
    "final_state",
    "duration_seconds",
    "quality_score",
    "escalated",
    "event_count",
    "turn_count",
    "agent_turn_count",
    "user_turn_count",
    "tool_call_count",
    "tool_failure_count",
)
"""Columns of `conversations` that a metric would give."""

_SPOKEN = {
    "events": ("data",),
    "conversations": ("turns", "intelligence"),
    "metric_values": ("reasoning", "evidence", "error"),
    "current_values": ("reasoning", "evidence", "error"),
    "extraction_runs": ("failure",),
}
"""Columns that can quote what was said."""

_METRIC_COLUMN = {
    "metric_definitions": "key",
    **dict.fromkeys(
        (
            "metric_values",
            "metric_periods",
            "extraction_runs",
            "current_values",
            "current_periods",
            "latest_periods",
        ),
        "metric_key",
    ),
}
_LABELS = ("metric_values", "current_values", "metric_periods", "current_periods", "latest_periods")

_WORDS = re.compile(r"\b(text|turns|transcript|summary|messages?|content)\b|\bdata\b(?!\.)|\*", re.IGNORECASE)
"""Names under which words stand in events and summaries, and paths that take whatever there is."""

_FIXED = """(metric_key, definition_version) IN (
    SELECT (key, version)
    FROM metric_definitions
    WHERE workspace_id = {workspace}
        AND (
            json_type(body, '$.categories') = 'ARRAY'
            OR (body ->> '$.extraction_mode' = 'ai_classify' AND json_type(body, '$.ai_labels') = 'ARRAY')
        )
)"""
"""Whether a row's labels come from a list that its definition fixes, as `has_fixed_labels` says of a definition."""

_ONLY_TEXT = """list_transform(turns, lambda turn: {
    'index': turn.index, 'role': turn.role, 'participant': turn.participant, 'text': turn.text,
    'started_at': turn.started_at, 'ended_at': turn.ended_at, 'event_id': turn.event_id, 'data': NULL::JSON
}) AS turns"""


@dataclass(frozen=True)
class Rights:
    """Whose rows may be read, of which metrics, and whether what was said.

    Attributes:
        metrics: keys of the metrics, sorted; None is all.
        measures: with a list of metrics, the columns of `conversations` that those metrics give.
    """

    workspace_id: str
    metrics: tuple[str, ...] | None
    transcripts: bool
    measures: tuple[str, ...] = ()


def rights_of(workspace_id: str, metrics: Iterable[str] | None, transcripts: bool, catalog: Catalog) -> Rights:
    """The rights of a key under a catalog."""
    if metrics is None:
        return Rights(workspace_id, None, transcripts)
    keys = tuple(sorted(metrics))
    given = {given_column(metric.definition) for metric in catalog.metrics if metric.key in keys}
    return Rights(workspace_id, keys, transcripts, tuple(name for name in MEASURES if name in given))


def given_column(definition: MetricDefinition) -> str | None:
    """The column of `conversations` that a metric is a copy of, or None."""
    copied = definition.extraction_mode == "static" and definition.source == "call_intelligence"
    return definition.extract_path.removeprefix("$.") if copied and definition.extract_path else None


def has_fixed_labels(definition: MetricDefinition) -> bool:
    """Whether labels of a metric can only be ones that its definition lists, so that they quote nobody."""
    return definition.metric_type != "categorical" or (
        definition.categories is not None
        or (definition.extraction_mode == "ai_classify" and bool(definition.ai_labels))
    )


def fixed_labels(catalog: Catalog) -> frozenset[tuple[str, str]]:
    """Keys and versions of the definitions in force whose labels quote nobody."""
    return frozenset((metric.key, metric.version) for metric in catalog.metrics if has_fixed_labels(metric.definition))


def without_quotes(rows: Iterable[Row], catalog: Catalog, *, transcripts: bool) -> list[Row]:
    """Value or period rows; for who may not read transcripts, labels that can quote are emptied or left out."""
    if transcripts:
        return list(rows)
    fixed = fixed_labels(catalog)
    shown = []
    for row in rows:
        if (row["metric_key"], row["definition_version"]) in fixed:
            shown.append(row)
        elif row.get("category") is None:
            emptied: Row = {name: None for name in ("value_text", "value_list", "distribution") if name in row}
            shown.append({**row, **emptied})
    return shown


def needs_transcripts(definition: MetricDefinition) -> str | None:
    """Why only who may read transcripts may define a metric; None: anybody may.

    With a pattern, a prompt or a function one asks what was said; with free labels one reads it.
    """
    if definition.extraction_mode not in ("static", "formula", "threshold", "written", "sql_expr"):
        return f"the mode {definition.extraction_mode} reads what was said"
    if not has_fixed_labels(definition):
        return "categorical without categories: its labels would be what was said"
    read = f"{definition.extract_path or ''} {definition.source_filter or ''} {definition.gate or ''}"
    if _WORDS.search(read) and definition.categories is None:
        return "it reads the text of turns"
    return None


def readable(table: str, rights: Rights) -> str:
    """A SELECT of what may be read of a table or view of the snapshot; its columns keep their names and order."""
    dropped: list[str] = [] if rights.transcripts else list(_SPOKEN.get(table, ()))
    replaced: list[str] = []
    conditions = [f"workspace_id = {literal(rights.workspace_id)}"]
    if rights.metrics is not None:
        if (column := _METRIC_COLUMN.get(table)) is not None:
            conditions.append(f"list_contains([{', '.join(map(literal, rights.metrics))}]::VARCHAR[], {column})")
        elif table == "conversations":
            dropped += [name for name in MEASURES if name not in rights.measures]
            dropped += [] if "intelligence" in dropped else ["intelligence"]
            replaced += [_ONLY_TEXT] if rights.transcripts else []
        elif table == "events":
            conditions.append("event_type LIKE '%.turn'")
            replaced += ["to_json({'text': data ->> '$.text'}) AS data"] if rights.transcripts else []
    if not rights.transcripts and table in _LABELS:
        fixed = _FIXED.format(workspace=literal(rights.workspace_id))
        lists = ("value_text", "value_list") if table.endswith("values") else ("value_text",)
        replaced += [f"CASE WHEN {fixed} THEN {name} END AS {name}" for name in lists]
        if table.endswith("periods"):
            conditions.append(f"(category IS NULL OR {fixed})")
    star = "*"
    star += f" EXCLUDE ({', '.join(dropped)})" if dropped else ""
    star += f" REPLACE ({', '.join(replaced)})" if replaced else ""
    return f"SELECT {star} FROM {table} WHERE {' AND '.join(conditions)}"  # noqa: S608 - names are ours, texts are literals
