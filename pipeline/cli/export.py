"""`export`: everything at once, as a file."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated, Any, get_args

import typer

from pipeline.cli import instants
from pipeline.cli.completion import metric_keys
from pipeline.cli.console import BROKEN_PIPE, Json, note
from pipeline.cli.read import Traffic, TrafficOption
from pipeline.cli.server import Env, Key, Url, Workspace, asked
from pipeline.reports.export import Exported, Format, Kind, write_export
from pipeline.settings import load_settings
from pipeline.store import Store
from pipeline.workspace.catalogs import current_catalog

STANDARD_OUTPUT = Path("-")

Target = Annotated[Path, typer.Option("--output", "-o", help="File; - is standard output.")]
FormatOption = Annotated[
    Format | None, typer.Option("--format", help="Default: by the ending of the file, else ndjson.")
]
Metrics = Annotated[
    list[str] | None, typer.Option("--metric", help="Only this metric; repeatable.", autocompletion=metric_keys)
]


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
    as_json: Json = False,
    url: Url = None,
    key: Key = None,
    env: Env = None,
    workspace: Workspace = None,
) -> None:
    """Conversations with their metrics, values or period rows as Parquet, CSV or NDJSON."""
    if as_json and file_format not in (None, "ndjson"):
        raise typer.BadParameter(f"--json is --format ndjson; leave out one of them, not {file_format} with it.")
    chosen = "ndjson" if as_json else file_format or format_of(target)
    with TemporaryDirectory() as folder, asked(url, key, env, workspace) as server:
        file = Path(folder) / "export" if target == STANDARD_OUTPUT else target
        date_from, date_to = instants.span(start, end, load_settings() if server is None else server)
        asked_for: dict[str, Any] = {"service_id": service, "date_from": date_from, "date_to": date_to}
        if server is None:
            rows, undated = _local(kind, chosen, file, keys=keys, traffic=traffic.value, **asked_for)
        else:
            from pipeline.client import calls

            call = calls.export(kind, file_format=chosen, metric_key=keys, source=traffic.value, **asked_for)
            rows, undated = server.store.download(call, file)
        if target == STANDARD_OUTPUT:
            send(file)
    left_out = f" {undated:,} without an instant left out: nobody knows when they were." if undated else ""
    note(f"{rows:,} {kind if rows != 1 else kind[:-1]} written.{left_out}")


def _local(kind: Kind, file_format: Format, file: Path, *, keys: list[str] | None, **options: Any) -> Exported:
    settings = load_settings()
    catalog, store = current_catalog(settings), Store(settings)
    known = None if keys is None else [catalog.get(key).key for key in keys]
    with store.read() as con:
        return write_export(con, store.workspace_id, kind, file_format, file, keys=known, **options)


def format_of(target: Path) -> Format:
    """The format that a file's ending says; without an ending, lines of JSON.

    Raises:
        typer.BadParameter: the ending is that of another format.
    """
    ending = target.suffix.removeprefix(".").lower()
    if ending in ("", "jsonl") or target == STANDARD_OUTPUT:
        return "ndjson"
    for each in get_args(Format):
        if each == ending:
            return each  # type: ignore[no-any-return]
    known = ", ".join(f".{each}" for each in get_args(Format))
    raise typer.BadParameter(
        f"{target.name} cannot be written: .{ending} is none of {known}. Take one of these, or say --format."
    )


def send(file: Path) -> None:
    """Copy a file to standard output as it is."""
    try:
        with file.open("rb") as source:
            shutil.copyfileobj(source, sys.stdout.buffer)
        sys.stdout.buffer.flush()
    except BrokenPipeError:
        raise typer.Exit(BROKEN_PIPE) from None
