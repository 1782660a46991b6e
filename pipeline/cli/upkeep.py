"""`maintain`: what the daily job does, by hand."""

from __future__ import annotations

import typer

from pipeline.cli.console import Json, emit, emit_json
from pipeline.settings import load_settings
from pipeline.store import Store


def register(app: typer.Typer) -> None:
    """Add the command of this module."""
    app.command()(maintain)


def maintain(as_json: Json = False) -> None:
    """Tidy the store up: merge small files, remove what no reader needs. Dagster does it once a day."""
    size = Store(load_settings()).maintain()
    if as_json:
        emit_json({"bytes": size})
    else:
        emit(f"The store's data has {size:,} bytes.")
