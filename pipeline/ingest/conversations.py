"""Events to conversations: turns, summary, content hash, and whether a conversation has settled."""

from __future__ import annotations

import duckdb

from pipeline.settings import Settings
from pipeline.store import load_sql, run_script

_SQL = "pipeline.ingest.sql"
# In order: each reads the temporary tables of those before it.
_SCRIPTS = (
    "slice",
    "said",
    "talk",
    "latency",
    "dialogue",
    "turn_taking",
    "tools",
    "emotion_and_risk",
    "handover",
    "usage",
    "moments",
    "derive",
    "merge",
    "quality",
    "summarise",
    "turns",
    "describe",
    "assemble",
    "inherit",
    "restate",
)
# Part of the content hash. Raise it, and mark all conversations stale in a migration, when a derived field gets another
# meaning: values are then extracted anew, and a model is asked only where its question changed.
DERIVATION = 2
_MEMORY_PER_BYTE = 16  # of event data, at most, while a batch is assembled


def assemble(con: duckdb.DuckDBPyConnection, settings: Settings) -> int:
    """Rebuild every conversation in `stale_conversations` from its events, one transaction for each batch of them.

    Args:
        con: a connection of `Store.write`, with no transaction open.
        settings: workspace, and the idle time after which a conversation is settled.

    Returns:
        How many conversations were rebuilt.
    """
    # Threads share work by row groups. A batch is hardly larger than one, and a thread without work waits by spinning.
    (threads,) = con.execute("SELECT current_setting('threads')").fetchall()[0]
    con.execute("SET threads = 1")
    workspace: dict[str, object] = {"workspace_id": settings.workspace_id}
    batch_bytes = settings.memory_bytes // _MEMORY_PER_BYTE
    for script in ("own", "event_types", "stale"):
        run_script(con, load_sql(_SQL, script), {**workspace, "batch_bytes": batch_bytes})
    con.execute("BEGIN")
    run_script(con, load_sql(_SQL, "gone"), workspace)
    con.execute("COMMIT")
    batches = con.execute("SELECT batch, count(*) FROM stale_batches GROUP BY batch ORDER BY batch").fetchall()
    for batch, _ in batches:
        parameters = {**workspace, "batch": batch, "settle_minutes": settings.settle_minutes}
        parameters |= {"derivation": f"derivation {DERIVATION}", "reason": "late_data"}
        con.execute("BEGIN")
        for script in _SCRIPTS:
            run_script(con, load_sql(_SQL, script), parameters)
        con.execute("COMMIT")
    con.execute("SET threads = $threads", {"threads": threads})
    return sum(count for _, count in batches)
