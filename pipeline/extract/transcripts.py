"""Conversations as the modes that cost money are given them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import duckdb
import orjson

from pipeline.judge.conversation import Conversation, Turn
from pipeline.store import load_sql

SQL = "pipeline.extract.sql"


def read_conversations(
    con: duckdb.DuckDBPyConnection, workspace_id: str, conversation_ids: Sequence[str]
) -> dict[str, dict[str, Any]]:
    """Columns of some conversations by id, with `turns` as mappings and `intelligence` parsed."""
    result = con.execute(
        load_sql(SQL, "transcripts"), {"workspace_id": workspace_id, "conversation_ids": list(conversation_ids)}
    )
    names = [column[0] for column in result.description]
    rows = [dict(zip(names, row, strict=True)) for row in result.fetchall()]
    return {row["conversation_id"]: {**row, "intelligence": orjson.loads(row["intelligence"])} for row in rows}


def for_judge(row: dict[str, Any]) -> Conversation:
    """One conversation as the judge knows it."""
    intelligence = row["intelligence"]
    return Conversation(
        conversation_id=row["conversation_id"],
        turns=tuple(
            Turn(turn["index"], turn["role"] or "unknown", turn["text"] or "", turn["participant"])
            for turn in row["turns"]
        ),
        fields={
            name: found.isoformat() if hasattr(found, "isoformat") else found
            for name, found in row.items()
            if name not in ("turns", "intelligence")
        },
        intelligence=intelligence if isinstance(intelligence, dict) else {},
    )
