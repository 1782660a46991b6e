"""`export`: everything at once, as a file."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated, get_args

import typer

from pipeline.cli import instants
from pipeline.cli.console import BROKEN_PIPE, note
from pipeline.cli.read import Traffic, TrafficOption
from pipeline.errors import UserError
from pipeline.reports.export import Format, Kind, write_export
from pipeline.settings import load_settings
from pipeline.store import Store
from pipeline.workspace.catalogs import current_catalog

STANDARD_OUTPUT = Path("-")

Target = Annotated[Path, typer.Option("--output", "-o", help="File; - is standard output.")]
FormatOption = Annotated[
    Format | None, typer.Option("--format", help="Default: by the ending of the file, else ndjson.")
]
Metrics = Annotated[list[str] | None, typer.Option("--metric", help="Only this metric; repeatable.")]


def register(app: typer.Typer) -> None:
    """Add the command of this module."""
    app.command()(export)


def export(
    kind: Annotated[Kind, typer.Argument(help="What to write.", show_default=False)],
    target: Target = STANDARD_OUTPUT,
    file_format: FormatOption = None,
    start: Annotated[str | None, typer.Option("--from", help=f"Started at or after. {instants.HELP}")] = None,
    end: Annotated[str | None, typer.Option("--to", help="Started before.")] = None,
    keys: Metrics = None,
    service: Annotated[str | None, typer.Option(help="One service; default every one.")] = None,
    traffic: TrafficOption = Traffic.PRODUCTION,
) -> None:
    """Conversations with their metrics, values or period rows as Parquet, CSV or NDJSON."""
    settings = load_settings()
    catalog, store = current_catalog(settings), Store(settings)
    chosen = file_format or format_of(target)
    date_from, date_to = instants.span(start, end, settings)
    with TemporaryDirectory() as folder, store.read() as con:
        file = Path(folder) / "export" if target == STANDARD_OUTPUT else target
        rows, undated = write_export(
            con,
            store.workspace_id,
            kind,
            chosen,
            file,
            keys=None if keys is None else [catalog.get(key).key for key in keys],
            traffic=traffic.value,
            service_id=service,
            date_from=date_from,
            date_to=date_to,
        )
        if target == STANDARD_OUTPUT:
            send(file)
    left_out = f" {undated:,} without an instant left out: nobody knows when they were." if undated else ""
    note(f"{rows:,} {kind if rows != 1 else kind[:-1]} written.{left_out}")


def format_of(target: Path) -> Format:
    """The format that a file's ending says; NDJSON for standard output and files without an ending.

    Raises:
        UserError: the ending is that of another format.
    """
    formats = get_args(Format)
    found = next((each for each in formats if target.suffix.lower() == f".{each}"), None)
    if found is None and target.suffix.lower() not in ("", ".jsonl", ".json"):
        raise UserError(
            f"No export is written as {target.suffix}. End the file with {', '.join(f'.{each}' for each in formats)}, "
            "or name a --format."
        )
    return found or "ndjson"


def send(file: Path) -> None:
    """Copy a file to standard output as it is."""
    try:
        with file.open("rb") as source:
            shutil.copyfileobj(source, sys.stdout.buffer)
        sys.stdout.buffer.flush()
    except BrokenPipeError:
        raise typer.Exit(BROKEN_PIPE) from None
