"""`status`: what is done, missing and failing."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated

import typer

from pipeline.cli import instants
from pipeline.cli.console import Json, complain, emit, emit_json, emit_table
from pipeline.settings import load_settings
from pipeline.status import Status, read_status
from pipeline.store import Store
from pipeline.window import HOUR, floor_hour
from pipeline.workspace.catalogs import current_catalog


def register(app: typer.Typer) -> None:
    """Add the command of this module."""
    app.command()(status)


def status(
    start: Annotated[str | None, typer.Option("--from", help=f"First hour; default a day ago. {instants.HELP}")] = None,
    end: Annotated[str | None, typer.Option("--to", help="Hour after the last; default the hour in progress.")] = None,
    as_json: Json = False,
) -> None:
    """The ledger: which hours of which definition version are done, missing or failing. Exit code 1 when any fails."""
    settings = load_settings()
    last = instants.hour(end, settings) if end else floor_hour(datetime.now(UTC)) + HOUR
    first = instants.hour(start, settings) if start else last - settings.window_hours * HOUR
    if last <= first:
        raise typer.BadParameter("--to must be at least an hour after --from.")
    found = read_status(Store(settings), current_catalog(settings), settings, first, last)
    if as_json:
        emit_json(found)
    else:
        _show(found, first, last)
    if any(metric.failing for metric in found.metrics) or found.failed_files:
        raise typer.Exit(1)


def _show(found: Status, first: datetime, last: datetime) -> None:
    emit_table(
        ["metric", "version", "done", "missing", "failing", "freshness", "done until", "why"],
        [
            (
                m.key,
                m.version[:12],
                len(m.done),
                len(m.missing),
                len(m.failing),
                m.freshness.state,
                None if m.freshness.done_until is None else f"{m.freshness.done_until:%F %H:%M}",
                m.last_failure,
            )
            for m in found.metrics
        ],
        title=f"Hours from {first:%F %H:%M} to {last:%F %H:%M} UTC",
        spare=("version", "done until"),
    )
    emit(
        f"\n{found.conversations:,} conversations, {found.conversations_without_instant:,} without any instant; "
        f"{found.stale_conversations:,} to assemble, {found.stale_periods:,} hours to aggregate."
    )
    if found.rejected:
        emit_table(["refused because", "records", "last"], [(r.reason, r.records, r.last_at) for r in found.rejected])
    for file in found.failed_files:
        complain(f"{file.url}: {file.failure}")
    for problem in found.problems:
        complain(str(problem))
