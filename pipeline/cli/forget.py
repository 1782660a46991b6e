"""`metric-store forget`: conversations that must go, from every table and from the files."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from pipeline.cli.console import Json, emit, emit_json
from pipeline.erasure import forget_and_publish
from pipeline.errors import UserError
from pipeline.settings import load_settings
from pipeline.store import Store


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(forget)


def forget(
    ids: Annotated[list[str] | None, typer.Argument(help="Conversations.")] = None,
    participant: Annotated[list[str] | None, typer.Option(help="All conversations of this participant.")] = None,
    session: Annotated[list[str] | None, typer.Option(help="All conversations of this session.")] = None,
    file: Annotated[Path | None, typer.Option(help="A file of conversation ids, one a line.")] = None,
    as_json: Json = False,
) -> None:
    """Erase conversations: their rows, quotes and answers. Numbers restate; the same ids are refused from now on.

    The next maintenance, daily or by `metric-store maintain`, rewrites the files, which until then hold freed bytes.
    """
    wanted = [*(ids or []), *_listed(file)]
    if not wanted and not participant and not session:
        raise UserError("Nothing is named: give conversation ids, --participant, --session or --file.")
    settings = load_settings()
    found = forget_and_publish(
        Store(settings), settings, ids=wanted, participants=participant or (), sessions=session or (), actor="cli"
    )
    if as_json:
        emit_json(asdict(found))
        return
    emit(
        f"{found.conversations:,} conversations are erased, with {found.events:,} events and {found.values:,} values. "
        "`metric-store maintain`, which also runs daily, removes their bytes from the files."
    )


def _listed(file: Path | None) -> list[str]:
    if file is None:
        return []
    try:
        lines = file.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"{file} cannot be read: {error}. Give a text file with one conversation id a line.") from None
    return [line.strip() for line in lines if line.strip()]
