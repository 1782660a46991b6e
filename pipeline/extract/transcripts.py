"""Conversations as the modes that cost money are given them."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import duckdb
import orjson

from pipeline.judge.conversation import Conversation, Turn
from pipeline.store import load_sql, text_list

SQL = "pipeline.extract.sql"


def read_transcripts(
    con: duckdb.DuckDBPyConnection, workspace_id: str, conversation_ids: Sequence[str], since: datetime | None = None
) -> dict[str, Conversation]:
    """Some conversations as the judge knows them, by id.

    Args:
        con: a connection from the store.
        workspace_id: whose they are.
        conversation_ids: which.
        since: not after the first arrival of any of them; what arrived before is not read. None: all is.
    """
    rows = _read(con, "transcripts", workspace_id, conversation_ids, since)
    return {row["conversation_id"]: _for_judge(row) for row in rows}


def read_conversations(
    con: duckdb.DuckDBPyConnection, workspace_id: str, conversation_ids: Sequence[str], since: datetime | None = None
) -> dict[str, dict[str, Any]]:
    """Columns of some conversations by id, with `turns`, other `events` and `intelligence` as mappings."""
    rows = _read(con, "python_conversations", workspace_id, conversation_ids, since)
    for row in rows:
        row["intelligence"] = orjson.loads(row["intelligence"])
        for item in (*row["turns"], *row["events"]):
            item["data"] = orjson.loads(item["data"] or "{}")
    return {row["conversation_id"]: row for row in rows}


def _read(
    con: duckdb.DuckDBPyConnection,
    statement: str,
    workspace_id: str,
    conversation_ids: Sequence[str],
    since: datetime | None,
) -> list[dict[str, Any]]:
    parameters = {"workspace_id": workspace_id, "conversation_ids": text_list(conversation_ids), "since": since}
    result = con.execute(load_sql(SQL, statement), parameters)
    names = [column[0] for column in result.description]
    return [dict(zip(names, row, strict=True)) for row in result.fetchall()]


def _for_judge(row: dict[str, Any]) -> Conversation:
    turns, intelligence = orjson.loads(row.pop("turns")), orjson.loads(row.pop("intelligence"))
    return Conversation(
        conversation_id=row["conversation_id"],
        turns=tuple(
            Turn(turn["index"], turn["role"] or "unknown", turn["text"] or "", turn["participant"]) for turn in turns
        ),
        fields={name: found.isoformat() if hasattr(found, "isoformat") else found for name, found in row.items()},
        intelligence=intelligence if isinstance(intelligence, dict) else {},
    )
