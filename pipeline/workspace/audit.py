"""The record of every write: who, when, what."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

import duckdb
import orjson


def record(
    con: duckdb.DuckDBPyConnection,
    workspace_id: str,
    actor: str,
    action: str,
    subject: str | None,
    now: datetime,
    detail: Mapping[str, object] | None = None,
) -> None:
    """Add an entry in the transaction of the write itself, so that neither exists without the other.

    Args:
        con: a connection inside a transaction on the live file.
        workspace_id: whose log.
        actor: `key:<id>`, `cli` or `local`.
        action: noun and verb, for example `settings.replace`.
        subject: what was changed.
        now: the instant of the write.
        detail: never a secret, never text of a conversation.
    """
    con.execute(
        "INSERT INTO audit_log VALUES (?, ?, ?, ?, ?, ?)",
        [workspace_id, now, actor, action, subject, orjson.dumps(detail or {}).decode()],
    )


def read_log(con: duckdb.DuckDBPyConnection, workspace_id: str, limit: int) -> list[dict[str, Any]]:
    """The newest entries first."""
    rows = con.execute(
        "SELECT happened_at, actor, action, subject, detail FROM audit_log WHERE workspace_id = ? "
        "ORDER BY happened_at DESC LIMIT ?",
        [workspace_id, limit],
    ).fetchall()
    return [dict(zip(("happened_at", "actor", "action", "subject", "detail"), row, strict=True)) for row in rows]
