"""`metric-store keys`: who may use the HTTP API."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Annotated

import typer

from pipeline.cli.console import Json, emit, emit_json, emit_table, note
from pipeline.settings import load_settings
from pipeline.store import Store
from pipeline.workspace.keys import Role, create_key, read_keys, revoke_key

keys = typer.Typer(no_args_is_help=True, help="Keys of the HTTP API.")
_ACTOR = "cli"


def register(app: typer.Typer) -> None:
    """Add the commands."""
    app.add_typer(keys, name="keys")


@keys.command()
def create(
    role: Annotated[Role, typer.Option(help="viewer reads; admin changes definitions too; owner manages keys.")],
    name: Annotated[str, typer.Option(help="Who uses it for what.")] = "",
    days: Annotated[int | None, typer.Option("--expires-in-days", min=1, max=36_500)] = None,
    metric: Annotated[list[str] | None, typer.Option(help="Only this metric; repeatable.")] = None,
    transcripts: Annotated[bool, typer.Option(help="Whether it may read what was said.")] = True,
    per_minute: Annotated[int | None, typer.Option(min=1, help="Requests a minute.")] = None,
    as_json: Json = False,
) -> None:
    """Make a key. It is printed once and stored only as a hash."""
    store, now = Store(load_settings()), datetime.now(UTC)
    key_id, key = create_key(
        store,
        name or role,
        role,
        actor=_ACTOR,
        now=now,
        metrics=metric,
        transcripts=transcripts,
        requests_per_minute=per_minute,
        expires_at=None if days is None else now + timedelta(days=days),
    )
    if as_json:
        emit_json({"key_id": key_id, "key": key})
    else:
        emit(key)
        note(f"This is the only time that the key is shown. `metric-store keys revoke {key_id}` ends it.")


@keys.command(name="list")
def list_keys(as_json: Json = False) -> None:
    """All keys of the workspace, without their secrets."""
    store = Store(load_settings())
    with store.write() as con:
        found = [key for key in read_keys(con) if key.workspace_id == store.workspace_id]
    columns = ("key_id", "name", "role", "created_at", "expires_at", "revoked_at", "last_used_at")
    if as_json:
        emit_json([{name: getattr(key, name) for name in columns} for key in found])
    else:
        emit_table(columns, [[getattr(key, name) for name in columns] for key in found])


@keys.command()
def revoke(key_id: Annotated[str, typer.Argument(help="As `keys list` shows it.")], as_json: Json = False) -> None:
    """End a key at once."""
    store = Store(load_settings())
    revoke_key(store, key_id, actor=_ACTOR, now=datetime.now(UTC))
    if as_json:
        emit_json({"key_id": key_id, "revoked": True})
    else:
        note(f"{key_id} is revoked.")
