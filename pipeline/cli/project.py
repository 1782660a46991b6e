"""`demo`, `init`, `dev` and `settings`: starting, and seeing what is in force."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from pipeline.cli.console import Json, emit, emit_json, emit_table, note
from pipeline.cli.scaffold import write_project
from pipeline.cli.settings_origins import origins
from pipeline.errors import UserError
from pipeline.settings import SETTINGS_FILE, load_settings
from pipeline.settings_known import PREFIX


def register(app: typer.Typer) -> None:
    """Add the commands of this module."""
    app.command()(demo)
    app.command()(init)
    app.command()(dev)
    app.command()(settings)


def refuse_no_project(arguments: Sequence[str]) -> None:
    """A run where there is nothing to run would only leave an empty store behind.

    Raises:
        UserError: the first word is `run` and the working directory is no project.
    """
    if list(arguments[:1]) != ["run"] or any(word in ("-h", "--help") for word in arguments):
        return
    settings = load_settings()
    named = any(name.upper().startswith(PREFIX) for name in os.environ)
    if not (named or SETTINGS_FILE.exists() or settings.home.exists() or settings.definitions.exists()):
        raise UserError(
            f"There is no project in {Path.cwd()}: no {SETTINGS_FILE}, no definitions and no {settings.home}. "
            "Change to the folder of one, or make one with `metric-store init FOLDER`."
        )


def demo(as_json: Json = False) -> None:
    """Sample conversations of two days through the whole pipeline, in a folder of its own."""
    from pipeline.cli.demo import run_demo

    run_demo(as_json=as_json)


def init(folder: Annotated[Path, typer.Argument(help="Folder to make; it must be empty or absent.")]) -> None:
    """Make a project folder: your definitions, settings and Dagster's workspace file."""
    for file in write_project(folder):
        note(f"wrote {file}")
    emit(
        f"Next: cd {folder}, put conversation files into .metric_store/landing, then run `metric-store run` "
        "or `metric-store dev`."
    )


def dev(
    port: Annotated[int, typer.Option(min=0, max=65535, help="0 takes a free one.")] = 3000,
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
) -> None:
    """Start Dagster: the hourly schedule, the user interface, backfills."""
    from pipeline.orchestration.server import serve

    note("Starting Dagster…")
    code = serve(load_settings(), host, port, lambda url: emit(f"Dagster is at {url} (stop with Ctrl-C)"))
    if code:
        raise typer.Exit(1)


def settings(as_json: Json = False) -> None:
    """Every setting in force, and where it was set."""
    found = origins(load_settings())
    if as_json:
        emit_json([{"name": o.name, "value": o.value, "origin": o.origin, "description": o.description} for o in found])
    else:
        emit_table(["setting", "value", "from", "meaning"], [(o.name, o.value, o.origin, o.description) for o in found])
