"""Calls: conversations in the words of the published contract."""

from __future__ import annotations

from datetime import datetime

import duckdb
import orjson

from pipeline.aggregate.queries import Row, fetch_rows
from pipeline.reports.conversations import SQL, read_conversation
from pipeline.store import load_sql, run_script


def find_calls(
    con: duckdb.DuckDBPyConnection,
    workspace_id: str,
    *,
    with_simulated: bool = False,
    service_id: str | None = None,
    direction: str | None = None,
    status: str | None = None,
    min_duration: float | None = None,
    max_duration: float | None = None,
    since: datetime | None = None,
    until: datetime | None = None,
    limit: int = 20,
    offset: int = 0,
) -> list[Row]:
    """Calls that pass every filter, newest first; each has `total`, how many there are without the limit.

    Args:
        con: a connection to read from.
        workspace_id: whose calls.
        with_simulated: simulated ones, too.
        service_id: one service.
        direction: one direction.
        status: the contract's word for how it ended.
        min_duration: seconds at least.
        max_duration: seconds at most.
        since: started at or after.
        until: started before.
        limit: rows at most.
        offset: rows to skip.
    """
    parameters: dict[str, object] = {
        "workspace_id": workspace_id,
        "with_simulated": with_simulated,
        "service_id": service_id,
        "direction": direction,
        "status": status,
        "min_duration": min_duration,
        "max_duration": max_duration,
        "since": since,
        "until": until,
        "limit": limit,
        "offset": offset,
    }
    run_script(con, load_sql(SQL, "call_status"))
    return fetch_rows(con, load_sql(SQL, "calls"), parameters)


def read_call(con: duckdb.DuckDBPyConnection, workspace_id: str, subject_id: str) -> Row:
    """One call by its id or its session's: a conversation with its `status` and its `tools`.

    Raises:
        UnknownConversationError: there is none.
    """
    found = read_conversation(con, workspace_id, subject_id)
    run_script(con, load_sql(SQL, "call_status"))
    ((status,),) = con.execute("SELECT call_status(?)", [found["completion_reason"]]).fetchall()
    tools = fetch_rows(con, load_sql(SQL, "call_tools"), {"workspace_id": workspace_id, "id": found["conversation_id"]})
    for tool in tools:
        tool["input"] = None if tool["input"] is None else orjson.loads(tool["input"])
    turns = [{**turn, "data": orjson.loads(turn["data"])} for turn in found["turns"]]
    return {**found, "status": status, "turns": turns, "tools": tools}
