"""Verbs that are another command on a server than on the local store: `metric-store list --url URL`."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from pipeline.cli.completion import metric_keys
from pipeline.cli.console import Json, emit, emit_json, emit_table
from pipeline.cli.define import read_definitions, show_diff
from pipeline.cli.server import Env, Key, Url, Workspace, connect

VERBS = ("settings", "define", "evaluate", "list", "get", "trend")

MetricKey = Annotated[str, typer.Argument(help="The metric's key.", autocompletion=metric_keys)]
Source = Annotated[Literal["production", "simulation", "all"], typer.Option("--traffic")]
Service = Annotated[str | None, typer.Option("--service", help="One service; default over all of them.")]

app = typer.Typer(no_args_is_help=True, help="Work on a server.", pretty_exceptions_enable=False)


def wanted(arguments: Sequence[str]) -> bool:
    """Whether a command line names a server."""
    names = {argument.partition("=")[0] for argument in arguments}
    return bool(arguments) and arguments[0] in VERBS and not names.isdisjoint({"--url", "--env"})


@app.command()
def settings(
    url: Url = None, key: Key = None, env: Env = None, workspace: Workspace = None, as_json: Json = False
) -> None:
    """Every definition, built-in and custom."""
    with connect(url, key, env, workspace) as store:
        rows = store.settings()
    if as_json:
        emit_json({"definitions": [row.model_dump(mode="json") for row in rows]})
    else:
        cells = [(row.key, row.metric_type, row.extraction_mode, row.managed_by, row.active) for row in rows]
        emit_table(["metric", "type", "mode", "managed by", "active"], cells)


@app.command()
def define(
    body: Annotated[str | None, typer.Option("--body", help='JSON: {"definitions": […]}.')] = None,
    file: Annotated[Path | None, typer.Option("--file", help="JSON or YAML with definitions.")] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would change.")] = False,
    url: Url = None,
    key: Key = None,
    env: Env = None,
    workspace: Workspace = None,
    as_json: Json = False,
) -> None:
    """Replace the custom definitions that came over HTTP."""
    definitions = read_definitions(body, file)
    with connect(url, key, env, workspace) as store:
        changed = store.define(definitions, dry_run=dry_run)
    show_diff(changed.diff.model_dump(), as_json=as_json, dry_run=dry_run)


@app.command()
def evaluate(
    metric: MetricKey,
    subjects: Annotated[list[str], typer.Argument(help="CallSid, call UUID, or simulation session ID.")],
    url: Url = None,
    key: Key = None,
    env: Env = None,
    workspace: Workspace = None,
    as_json: Json = False,
) -> None:
    """Try a metric on conversations; nothing is kept."""
    with connect(url, key, env, workspace) as store:
        found = [store.evaluate(metric, subject) for subject in subjects]
    if as_json:
        emit_json([each.model_dump(mode="json") for each in found])
        return
    for subject, each in zip(subjects, found, strict=True):
        value = "" if each.metric.value is None else f" = {each.metric.value}"
        emit(f"{subject}  {metric}{value}  [{each.status}]")
        if each.reasoning:
            emit(f"  {each.reasoning}")


@app.command(name="list")
def list_metrics(
    traffic: Source = "production",
    service: Service = None,
    url: Url = None,
    key: Key = None,
    env: Env = None,
    workspace: Workspace = None,
    as_json: Json = False,
) -> None:
    """The newest number of every metric."""
    with connect(url, key, env, workspace) as store:
        rows = _pages(lambda offset: store.latest(source=traffic, service_id=service, limit=500, offset=offset))
    _show(rows, as_json)


@app.command()
def get(
    metric: MetricKey,
    start: Annotated[datetime | None, typer.Option("--from", help="ISO 8601, UTC without an offset.")] = None,
    end: Annotated[datetime | None, typer.Option("--to")] = None,
    grain: Annotated[Literal["hour", "day"] | None, typer.Option(help="Default: the metric's own.")] = None,
    limit: Annotated[int, typer.Option(min=1, max=365)] = 90,
    traffic: Source = "production",
    service: Service = None,
    url: Url = None,
    key: Key = None,
    env: Env = None,
    workspace: Workspace = None,
    as_json: Json = False,
) -> None:
    """The periods of one metric, newest first."""
    with connect(url, key, env, workspace) as store:
        rows = store.history(
            metric,
            date_from=_aware(start),
            date_to=_aware(end),
            granularity=grain,
            limit=limit,
            source=traffic,
            service_id=service,
        )
    _show(rows, as_json)


@app.command()
def trend(
    metric: MetricKey,
    days: Annotated[int, typer.Option(min=1, max=365)] = 30,
    traffic: Source = "production",
    service: Service = None,
    url: Url = None,
    key: Key = None,
    env: Env = None,
    workspace: Workspace = None,
    as_json: Json = False,
) -> None:
    """One metric day by day, oldest first."""
    with connect(url, key, env, workspace) as store:
        rows = store.trend(metric, days=days, source=traffic, service_id=service)
    _show(rows, as_json)


def _pages(read: Callable[[int], list[Any]]) -> list[Any]:
    rows: list[Any] = []
    while page := read(len(rows)):
        rows += page
        if len(page) < 500:
            break
    return rows


def _show(rows: Iterable[Any], as_json: bool) -> None:
    if as_json:
        emit_json({"metrics": [row.model_dump(mode="json") for row in rows]})
        return
    columns = ["metric", "period", "value", "unit", "n", "eligible", "coverage", "low", "high", "change"]
    emit_table(columns, [_cells(row) for row in rows])


def _cells(row: Any) -> tuple[Any, ...]:
    low, high = (row.interval.low, row.interval.high) if row.interval is not None else (None, None)
    counts = (row.event_count, row.eligible_count, row.coverage)
    return (row.metric_key, row.period_start, row.value, row.unit, *counts, low, high, row.delta)


def _aware(instant: datetime | None) -> datetime | None:
    from datetime import UTC

    if instant is None or instant.tzinfo is not None:
        return instant
    return instant.replace(tzinfo=UTC)
