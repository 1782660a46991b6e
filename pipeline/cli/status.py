"""`status`: what is done, missing and failing."""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated

import typer

from pipeline.cli import instants
from pipeline.cli.console import Json, complain, emit, emit_json, emit_table
from pipeline.cli.server import Env, Key, Server, Url, Workspace, asked
from pipeline.cli.shown import All, Quiet, choose, in_group, tell_left_out
from pipeline.settings import load_settings
from pipeline.status import MetricStatus, Status, read_status
from pipeline.store import Store
from pipeline.workspace.catalogs import current_catalog


def register(app: typer.Typer) -> None:
    """Add the command of this module."""
    app.command()(status)


def status(
    start: Annotated[
        str | None, typer.Option("--from", help=f"Hours that start at or after; default a day ago. {instants.HELP}")
    ] = None,
    end: Annotated[
        str | None, typer.Option("--to", help="Hours that start before; default with the hour in progress.")
    ] = None,
    group: Annotated[str | None, typer.Option("--group", help="Only the metrics of this group.")] = None,
    everything: All = False,
    quiet: Quiet = False,
    as_json: Json = False,
    url: Url = None,
    key: Key = None,
    env: Env = None,
    workspace: Workspace = None,
) -> None:
    """The ledger: which hours of which definition version are done, missing or failing. Exit code 1 when any fails.

    What is wrong stands first, with the reason, then your own metrics.
    """
    with asked(url, key, env, workspace) as server:
        found = _local(start, end) if server is None else _remote(server, start, end)
    if group is not None:
        keys = in_group(group, {metric.key: metric.group for metric in found.metrics})
        found = replace(found, metrics=tuple(metric for metric in found.metrics if metric.key in keys))
    if as_json:
        emit_json(found)
    else:
        _show(found, everything=everything, quiet=quiet)
    if any(metric.failing for metric in found.metrics) or found.failed_files or "failed_files" in found.hidden:
        raise typer.Exit(1)


def _local(start: str | None, end: str | None) -> Status:
    settings = load_settings()
    last = instants.instant(end, settings) if end else None
    first = instants.instant(start, settings) if start else None
    return read_status(Store(settings), current_catalog(settings), settings, first, last)


def _remote(server: Server, start: str | None, end: str | None) -> Status:
    from pydantic import TypeAdapter

    date_from = instants.instant(start, server) if start else None
    date_to = instants.instant(end, server) if end else None
    return TypeAdapter(Status).validate_python(server.store.status(date_from=date_from, date_to=date_to))


def _show(found: Status, *, everything: bool, quiet: bool) -> None:
    if not quiet:
        _show_tables(found, everything=everything)
    for metric in found.metrics:
        if quiet and metric.failing:
            complain(f"{metric.key} fails in {len(metric.failing):,} hours: {metric.last_failure}")
    for file in found.failed_files:
        complain(f"{file.url}: {file.failure}")
    for problem in found.problems:
        complain(str(problem))
    for name, count in found.hidden.items():
        complain(f"{count:,} {name.replace('_', ' ')} that this key may not read.")


def _show_tables(found: Status, *, everything: bool) -> None:
    shipped = {metric.key for metric in found.metrics if metric.shipped}
    shown, left_out = choose(found.metrics, shipped, _wrong, everything=everything)
    title = f"Hours from {found.date_from:%F %H:%M} to {found.date_to:%F %H:%M} UTC"
    if shown:
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
                for m in shown
            ],
            title=title,
            spare=("version", "done until"),
        )
    else:
        emit(f"{title}: nothing is wrong.")
    tell_left_out(left_out)
    emit(
        f"\n{found.conversations:,} conversations, {found.conversations_without_instant:,} without any instant; "
        f"{found.stale_conversations:,} to assemble, {found.stale_periods:,} hours to aggregate."
    )
    if found.contradictions:
        emit_table(["events disagree about", "conversations"], list(found.contradictions.items()))
    if found.rejected:
        emit_table(["refused because", "records", "last"], [(r.reason, r.records, r.last_at) for r in found.rejected])


def _wrong(metric: MetricStatus) -> bool:
    return bool(metric.failing) or metric.freshness.state == "stale"
