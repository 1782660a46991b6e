"""`conversation`: one conversation with all that is known about it."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from pipeline.cli.console import Json, emit, emit_json, emit_table
from pipeline.cli.server import Env, Key, Url, Workspace, asked
from pipeline.settings import load_settings
from pipeline.store import Store

_FACTS = (
    *("started_at", "ended_at", "channel", "direction", "service_id", "source", "run_id", "session_id", "tags"),
    *("duration_seconds", "turn_count", "tool_call_count", "tool_failure_count", "escalated", "completion_reason"),
    *("final_state", "quality_score"),
)


def register(app: typer.Typer) -> None:
    """Add the command of this module."""
    app.command()(conversation)


def conversation(
    conversation_id: Annotated[str, typer.Argument(help="Its id, or its session's.", metavar="ID")],
    as_json: Json = False,
    url: Url = None,
    key: Key = None,
    env: Env = None,
    workspace: Workspace = None,
) -> None:
    """What was said in one conversation, and what every metric says about it or why it says nothing."""
    with asked(url, key, env, workspace) as server:
        found = _local(conversation_id) if server is None else server.store.conversation(conversation_id)
    if as_json:
        emit_json(found)
    else:
        _show(found)


def _local(conversation_id: str) -> dict[str, Any]:
    from pipeline.api.models.conversations import ConversationDetail
    from pipeline.reports.conversations import conversation_values, read_conversation

    store = Store(load_settings())
    with store.read() as con:
        row = read_conversation(con, store.workspace_id, conversation_id)
        values = conversation_values(con, store.workspace_id, row["conversation_id"], None)
    return ConversationDetail.of(row, values).model_dump(mode="json")


def _show(found: dict[str, Any]) -> None:
    emit(found["conversation_id"])
    for name in _FACTS:
        if found[name] not in (None, []):
            shown = ", ".join(found[name]) if isinstance(found[name], list) else found[name]
            emit(f"  {name.replace('_', ' ')}: {shown}")
    emit("")
    if found["turns"] is None:
        emit("This key may not read what was said.")
    for turn in found["turns"] or ():
        emit(f"{turn['index']:>4}  {turn['role'] or 'unknown'}: {turn['text'] or ''}")
    emit("")
    emit_table(
        ["metric", "value", "status", "participant", "confidence", "why"],
        [
            (
                value["metric_key"],
                value["value"],
                value["status"],
                value["participant"],
                value["confidence"],
                value["error"] or value["reasoning"],
            )
            for value in found["values"]
        ],
        spare=("confidence",),
    )
