"""Conversations: those whose metrics say something, and one with all its values."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import duckdb
import orjson

from pipeline.aggregate.queries import Row, Traffic, fetch_rows
from pipeline.errors import UnknownConversationError
from pipeline.reports.outcome_filter import Outcome, compile_outcome
from pipeline.reports.values import single_values, value_of
from pipeline.store import load_sql, run_script

SQL = "pipeline.reports.sql"
_NEWEST = "started_at DESC NULLS LAST, conversation_id"
_RANDOM = "hash(conversation_id || $seed), conversation_id"


def find_conversations(
    con: duckdb.DuckDBPyConnection,
    workspace_id: str,
    outcome: Outcome | None,
    *,
    traffic: Traffic = "production",
    service_id: str | None = None,
    channel: str | None = None,
    run_id: str | None = None,
    session_id: str | None = None,
    date_from: datetime | None = None,
    date_to: datetime | None = None,
    seed: str | None = None,
    limit: int = 100,
    offset: int = 0,
) -> list[Row]:
    """Conversations that pass every filter.

    Args:
        con: a connection to read from.
        workspace_id: whose conversations.
        outcome: what their metrics must say.
        traffic: production, simulation or all.
        service_id: one service.
        channel: one channel.
        run_id: one simulation run.
        session_id: one session.
        date_from: started at or after.
        date_to: started before.
        seed: a random sample that is the same for the same seed; None is newest first.
        limit: rows at most.
        offset: rows to skip.

    Returns:
        Their summary columns, `total` without the limit, and no turns.
    """
    run_script(con, load_sql(SQL, "values_in_force"))
    condition, parameters = compile_outcome(outcome) if outcome is not None else ("true", {})
    query = load_sql(SQL, "conversations").replace("{outcome}", condition)
    query = query.replace("{order}", _NEWEST if seed is None else _RANDOM)
    parameters |= {
        "workspace_id": workspace_id,
        "traffic": traffic,
        "service_id": service_id,
        "channel": channel,
        "run_id": run_id,
        "session_id": session_id,
        "date_from": date_from,
        "date_to": date_to,
        "limit": limit,
        "offset": offset,
    }
    if seed is not None:
        parameters["seed"] = seed
    return fetch_rows(con, query, parameters)


def read_conversation(con: duckdb.DuckDBPyConnection, workspace_id: str, subject_id: str) -> Row:
    """One conversation by its id or its session's, with turns and `intelligence` as an object.

    Raises:
        UnknownConversationError: there is none.
    """
    found = fetch_rows(con, load_sql(SQL, "conversation"), {"workspace_id": workspace_id, "id": subject_id})
    if not found:
        raise UnknownConversationError(f"No conversation has the id {subject_id!r}, nor has a session.")
    return {**found[0], "intelligence": orjson.loads(found[0]["intelligence"])}


def metrics_map(rows: Sequence[Row]) -> dict[str, Any]:
    """Value or list of values by metric, without those that have none."""
    return {row["metric_key"]: value_of(row) for row in rows if row["whole"] and row["status"] == "ok"}


def conversation_values(
    con: duckdb.DuckDBPyConnection, workspace_id: str, conversation_id: str, keys: Sequence[str] | None
) -> list[Row]:
    """What all metrics say about one conversation: every row, whatever its status."""
    return single_values(
        con,
        workspace_id,
        keys=keys,
        whole=False,
        status="all",
        traffic="all",
        entity_type="conversation",
        entity_id=conversation_id,
        limit=10_000,
    )
