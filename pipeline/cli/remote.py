"""The reading and defining verbs against a server: `metric-store list --url URL --key KEY`, or `--env NAME`.

A profile is a table of `~/.config/metric-store/profiles.toml` (or $METRIC_STORE_PROFILES):

    [myorg]
    url = "https://metrics.example.com"
    workspace_id = "00000000-0000-4000-8000-000000000001"
    key_variable = "MYORG_METRICS_KEY"   # or key = "ms_…"
"""

from __future__ import annotations

import os
import tomllib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from pipeline.cli.check import Junit, Last, Names, RunId, conclude, span
from pipeline.cli.console import Json, emit, emit_json, emit_table
from pipeline.cli.define import read_definitions, show_diff
from pipeline.errors import SettingsError, UserError
from pipeline.window import HOUR

VERBS = ("settings", "define", "evaluate", "list", "get", "trend", "check")
_KEY_VARIABLE = "METRIC_STORE_KEY"

Url = Annotated[str | None, typer.Option("--url", help="Of the server.")]
Key = Annotated[str | None, typer.Option("--key", envvar=_KEY_VARIABLE, help=f"Default ${_KEY_VARIABLE}.")]
Env = Annotated[str | None, typer.Option("--env", help="A profile of profiles.toml.")]
Workspace = Annotated[str | None, typer.Option("--workspace", help="UUID of the workspace that the key belongs to.")]
MetricKey = Annotated[str, typer.Argument(help="The metric's key.")]
Source = Annotated[Literal["production", "simulation", "all"], typer.Option("--traffic")]
Service = Annotated[str | None, typer.Option("--service", help="One service; default over all of them.")]

app = typer.Typer(no_args_is_help=True, help="Work on a server.", pretty_exceptions_enable=False)


def wanted(arguments: Sequence[str]) -> bool:
    """Whether a command line names a server."""
    names = {argument.partition("=")[0] for argument in arguments}
    return bool(arguments) and arguments[0] in VERBS and not names.isdisjoint({"--url", "--env"})


@dataclass(frozen=True)
class Profile:
    """Where a server is and how to get in."""

    url: str
    key: str | None
    workspace_id: str | None


def profiles_path() -> Path:
    """The file of profiles."""
    configured = os.environ.get("METRIC_STORE_PROFILES")
    if configured:
        return Path(configured)
    return Path(os.environ.get("XDG_CONFIG_HOME") or Path.home() / ".config") / "metric-store" / "profiles.toml"


def read_profile(name: str) -> Profile:
    """A profile by its name.

    Raises:
        SettingsError: the file cannot be read or has no such profile; the message names those that it has.
    """
    path = profiles_path()
    try:
        profiles = tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise SettingsError(f"There is no {path}. Write [{name}] with url and key_variable into it.") from None
    except (tomllib.TOMLDecodeError, OSError) as error:
        raise SettingsError(f"{path} cannot be read: {error}") from None
    found = profiles.get(name)
    if not isinstance(found, dict) or not isinstance(found.get("url"), str):
        raise SettingsError(f"{path} has no profile [{name}] with a url. It has {', '.join(profiles) or 'none'}.")
    key = found.get("key") or os.environ.get(str(found.get("key_variable", "")))
    return Profile(found["url"], key, found.get("workspace_id"))


def _client(url: str | None, key: str | None, env: str | None, workspace: str | None) -> Any:
    from pipeline.client import MetricStore

    profile = read_profile(env) if env is not None else Profile("", None, None)
    options: dict[str, Any] = {}
    if workspace_id := workspace or profile.workspace_id:
        options["workspace_id"] = workspace_id
    return MetricStore(url or profile.url, profile.key or key, **options)


@app.command()
def settings(
    url: Url = None, key: Key = None, env: Env = None, workspace: Workspace = None, as_json: Json = False
) -> None:
    """Every definition, built-in and custom."""
    with _client(url, key, env, workspace) as store:
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
    with _client(url, key, env, workspace) as store:
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
    with _client(url, key, env, workspace) as store:
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
    with _client(url, key, env, workspace) as store:
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
    with _client(url, key, env, workspace) as store:
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
    with _client(url, key, env, workspace) as store:
        rows = store.trend(metric, days=days, source=traffic, service_id=service)
    _show(rows, as_json)


@app.command()
def check(
    names: Names = None,
    start: Annotated[datetime | None, typer.Option("--from", help="ISO 8601, UTC without an offset.")] = None,
    end: Annotated[datetime | None, typer.Option("--to")] = None,
    run_id: RunId = None,
    last: Last = None,
    url: Url = None,
    key: Key = None,
    env: Env = None,
    workspace: Workspace = None,
    as_json: Json = False,
    junit: Junit = None,
) -> None:
    """Check metrics against what is asked of them; default the last 24 full hours. Exit code 1 when a check fails."""
    length = span(last)
    with _client(url, key, env, workspace) as store:
        found = store.checks(
            names or (),
            run_id=run_id,
            date_from=_aware(start),
            date_to=_aware(end),
            last_hours=None if length is None else length // HOUR,
        )
    conclude(found["checks"], as_json=as_json, junit=junit)


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


def refuse_half_an_address(arguments: Sequence[str]) -> None:
    """A key without a server would silently work on the local store.

    Raises:
        UserError: `--key` was given without `--url` or `--env`.
    """
    if arguments and arguments[0] in VERBS and "--key" in arguments and not wanted(arguments):
        raise UserError("--key needs --url or --env; without them the command works on the local store.")
