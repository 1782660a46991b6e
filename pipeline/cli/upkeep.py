"""`maintain`, what the daily job does, by hand; and `move`, for a store that outgrows its machine."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated

import typer

from pipeline.cli.console import Json, emit, emit_json, emit_table, progress
from pipeline.erasure import retention
from pipeline.settings import load_settings
from pipeline.store import Store
from pipeline.store.move import Place, move_store


def register(app: typer.Typer) -> None:
    """Add the commands of this module."""
    app.command()(maintain)
    app.command()(move)


def maintain(as_json: Json = False) -> None:
    """Tidy the store up: remove what has expired or no reader needs, merge small files. Dagster does it once a day."""
    settings = load_settings()
    size = retention.maintain(Store(settings), settings)
    if as_json:
        emit_json({"bytes": size})
    else:
        emit(f"The store's data has {size:,} bytes.")


def move(
    to: Annotated[Place, typer.Argument(help="The lake of METRIC_STORE_CATALOG, or the file of this home.")],
    as_json: Json = False,
) -> None:
    """Copy the store from its file into a lake, or back: all of it or nothing, and only to where nothing is.

    Stop `dev`, `serve` and whatever else uses it first; what they write afterwards stays behind.
    """
    with progress() as display:
        task = display.add_task("Tables", total=None)
        moved = move_store(load_settings(), to, lambda table: display.update(task, description=table))
    if as_json:
        emit_json(asdict(moved))
        return
    emit_table(["table", "rows"], [(table, count) for table, count in moved.rows.items() if count])
    emit(f"Moved and published, {moved.size:,} bytes. {moved.left} is as it was.")
    if to == "file":
        emit("Unset METRIC_STORE_CATALOG to use the file.")
