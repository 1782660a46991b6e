"""Values of single conversations."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import duckdb
import orjson

from pipeline.aggregate.queries import Row, Traffic, fetch_rows
from pipeline.store import load_sql, run_script

SQL = "pipeline.reports.sql"
HIDDEN_FAILURE = "The key may not read transcripts, which this failure may quote."


def single_values(
    con: duckdb.DuckDBPyConnection,
    workspace_id: str,
    *,
    keys: Sequence[str] | None = None,
    whole: bool = True,
    status: str = "ok",
    traffic: Traffic = "production",
    entity_type: str | None = None,
    entity_id: str | None = None,
    service_id: str | None = None,
    run_id: str | None = None,
    session_id: str | None = None,
    dated: bool = False,
    date_from: datetime | None = None,
    date_to: datetime | None = None,
    limit: int = 100,
    offset: int = 0,
) -> list[Row]:
    """Values of the definitions in force, newest conversation first.

    Args:
        con: a connection to read from.
        workspace_id: whose values.
        keys: only these metrics.
        whole: only the one value of each conversation, not those of participants, segments and single answers.
        status: a state, or `all`.
        traffic: production, simulation or all.
        entity_type: conversation or event.
        entity_id: one entity.
        service_id: one service.
        run_id: conversations of one simulation run.
        session_id: conversations of one session.
        dated: leave out conversations without any instant.
        date_from: conversations that start at or after this instant.
        date_to: and before this one.
        limit: rows at most.
        offset: rows to skip.

    Returns:
        The columns of `metric_values`, `conversation_run_id`, `session_id`, `channel`, and `total` without the limit;
        `context` (CALL, SEGMENT or SEGMENT_RANGE); and, unless `whole`, `participant_role`, `from_segment` and
        `to_segment`: the first and last turn that the value is about, as {id, index, text, start_offset_ms,
        end_offset_ms}, offsets in milliseconds from the conversation's start, null where the instant is unknown.
    """
    run_script(con, load_sql(SQL, "values_in_force"))
    parameters = {
        "workspace_id": workspace_id,
        "keys": None if keys is None else list(keys),
        "whole": whole,
        "status": status,
        "traffic": traffic,
        "entity_type": entity_type,
        "entity_id": entity_id,
        "service_id": service_id,
        "run_id": run_id,
        "session_id": session_id,
        "dated": dated,
        "date_from": date_from,
        "date_to": date_to,
        "limit": limit,
        "offset": offset,
    }
    return fetch_rows(con, load_sql(SQL, "values"), parameters)


def value_of(row: Row) -> float | str | bool | list[str] | None:
    """The value in a row of `metric_values`, whatever its type; None unless its status is `ok`."""
    if row["status"] != "ok":
        return None
    columns = ("value_list", "value_boolean", "value_number", "value_text")
    return next((row[column] for column in columns if row[column] is not None), None)


def single_value(row: Row, *, transcripts: bool) -> dict[str, Any]:
    """A value with its reasoning and evidence, which quote what was said."""
    copied = (
        *("metric_key", "definition_version", "entity_id", "participant", "segment_from", "segment_to"),
        *("sample_index", "observed_at", "service_id", "status", "confidence", "model", "computed_at", "run_id"),
        *("context", "participant_role"),
    )
    return {
        **{name: row[name] for name in copied},
        "entity_type": shown_entity(row["entity_type"]),
        "source": row["traffic"],
        "value": value_of(row),
        "from_segment": _segment(row["from_segment"], transcripts),
        "to_segment": _segment(row["to_segment"], transcripts),
        "reasoning": row["reasoning"] if transcripts else None,
        "evidence": _evidence(row["evidence"]) if transcripts else None,
        "error": row["error"] if transcripts else row["error"] and HIDDEN_FAILURE,
    }


def _segment(turn: dict[str, Any] | None, transcripts: bool) -> dict[str, Any] | None:
    return turn if turn is None or transcripts else {**turn, "text": None}


def shown_entity(entity_type: str) -> str:
    """The contract calls a conversation a call."""
    return "call" if entity_type == "conversation" else entity_type


def _evidence(text: str | None) -> list[dict[str, Any]] | None:
    if text is None:
        return None
    found = orjson.loads(text)
    return [
        item if isinstance(item, dict) else {"quote": item} for item in (found if isinstance(found, list) else [found])
    ]
