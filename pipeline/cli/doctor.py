"""`metric-store doctor`: is everything that a run needs there, and what to do about what is not?"""

from __future__ import annotations

import os
import shutil
import socket
import sys
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from importlib.metadata import version
from pathlib import Path

import typer

from pipeline.cli.console import Json, complain, emit_json, emit_table
from pipeline.cli.doctor_models import Clock, Finding, State, endpoints, look_at_models, without_user
from pipeline.cli.serve import PORT
from pipeline.errors import SettingsError, UserError
from pipeline.settings import Settings, read_settings
from pipeline.settings_known import unknown_variables

FAILED = 1
_SKEW = timedelta(minutes=2)
_SECONDS = 2.0
_COPIES = 4
"""The published file, the one before it, the live file, and room to write one of them anew."""
_LEAST_BYTES = 2**30
_REPAIR = "do what the sentence says; if the file is damaged, put a copy in its place"


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(doctor)


def doctor(as_json: Json = False) -> None:
    """Look at what a run needs. Nothing is made or changed; models are asked which there are, and nothing else.

    Exit code 1 when there is a problem; a warning is none.
    """
    findings = list(look())
    if as_json:
        emit_json([asdict(finding) for finding in findings])
    else:
        rows = [(each.subject, each.state, each.found, each.advice) for each in findings]
        emit_table(["subject", "state", "found", "what to do"], rows)
    problems = sum(finding.state == "problem" for finding in findings)
    if problems:
        complain(f"{problems} of {len(findings)} things would stop a run; mend what the lines above name.")
        raise typer.Exit(FAILED)


def look() -> Iterator[Finding]:
    """Every finding, in the order in which one would mend them."""
    yield _versions()
    for name, advice in unknown_variables(Settings, os.environ).items():
        yield Finding("variable", "warning", f"{name} is no setting{advice}", "rename or unset it")
    try:
        settings = read_settings()
    except SettingsError as error:
        yield Finding("settings", "problem", str(error), "the rest is looked at once they can be read")
        return
    yield _home(settings)
    yield _disk(settings)
    store, newest = _store(settings)
    yield store
    yield _landing(settings)
    yield from _definitions(settings)
    yield _port()
    models, clocks = look_at_models(settings)
    yield from models
    yield from _clock(newest, clocks)


def _versions() -> Finding:
    names = ("metric-store", "duckdb", "dagster", "polars")
    told = [f"{name} {version(name)}" for name in names]
    return Finding("versions", "ok", ", ".join([f"Python {sys.version.split()[0]}", *told]))


def _home(settings: Settings) -> Finding:
    home, there = settings.home, _nearest(settings.home)
    if not there.is_dir():
        return Finding("home", "problem", f"{home} cannot be made, {there} is a file", "change METRIC_STORE_HOME")
    if not os.access(there, os.R_OK | os.W_OK | os.X_OK):
        return Finding("home", "problem", f"{there} cannot be written", "change its owner or METRIC_STORE_HOME")
    if not home.exists():
        return Finding("home", "warning", f"{home} is not there yet", "`metric-store run` makes it")
    return Finding("home", "ok", str(home))


def _nearest(path: Path) -> Path:
    """The path if it is there, else the first above it that is."""
    return next(each for each in (path.resolve(), *path.resolve().parents) if each.exists())


def _disk(settings: Settings) -> Finding:
    free = shutil.disk_usage(_nearest(settings.home)).free
    file = settings.database_path
    needed = max(_LEAST_BYTES, _COPIES * (file.stat().st_size if file.exists() else 0))
    found = f"{free / 2**30:,.1f} GiB are free"
    if free < needed:
        return Finding("disk", "warning", found, f"have {needed / 2**30:,.1f} GiB free: publishing keeps copies")
    return Finding("disk", "ok", found)


def _store(settings: Settings) -> tuple[Finding, datetime | None]:
    """How what is published is, and the instant of its newest event."""
    from pipeline.store import Store
    from pipeline.store.migrations import applied_migrations, pending_migrations

    try:
        store = Store(settings)
        if not store.is_published("data"):
            return Finding("store", "warning", "nothing has been published yet", "`metric-store run`"), None
        with store.read() as con:
            pending = pending_migrations(applied_migrations(con))
            if pending:
                told = f"written by an older version, without {pending[0]}"
                return Finding("store", "warning", told, "`metric-store run` brings it up to date"), None
            ((ran,),) = con.execute("SELECT max(started_at) FROM extraction_runs").fetchall()
            ((newest,),) = con.execute("SELECT max(occurred_at) FROM events").fetchall()
            schema = max(name for name in applied_migrations(con) if name[0].isdigit())
    except UserError as error:
        return Finding("store", "problem", str(error), _REPAIR), None
    told = "no run has ended yet" if ran is None else f"the last run began {ran.astimezone(UTC):%Y-%m-%d %H:%M} UTC"
    return Finding("store", "ok", f"schema {schema}, {told}"), newest


def _landing(settings: Settings) -> Finding:
    url = settings.landing_url
    if "://" in url:
        import fsspec

        try:
            files, path = fsspec.url_to_fs(url)
            there = files.exists(path)
        except Exception as error:  # whatever a driver raises
            return Finding("landing", "problem", f"it cannot be opened ({type(error).__name__})", "check landing")
    else:
        there = Path(url).is_dir()
        if there and not os.access(url, os.R_OK | os.X_OK):
            return Finding("landing", "problem", f"{url} cannot be read", "change its owner or its mode")
    if not there:
        return Finding("landing", "warning", "the folder is not there", f"put files into {without_user(url)}")
    return Finding("landing", "ok", without_user(url))


def _definitions(settings: Settings) -> Iterator[Finding]:
    from pipeline.workspace.catalogs import current_catalog

    try:
        catalog = current_catalog(settings)
    except UserError as error:
        yield Finding("definitions", "problem", str(error), "do what the sentence says")
        return
    warned = len(catalog.problems) - len(catalog.errors)
    told = f"{len(catalog.active):,} metrics, {len(catalog.errors)} errors, {warned} warnings"
    worst = next(iter((*catalog.errors, *catalog.problems)), None)
    told += "" if worst is None else f"; first {worst}"
    state: State = "problem" if catalog.errors else "warning" if warned else "ok"
    yield Finding("definitions", state, told, None if state == "ok" else "`metric-store definitions validate`")
    asking = [metric for metric in catalog.active if metric.definition.judged]
    if asking and not any(True for _ in endpoints(settings)):
        told = f"none is configured, so {len(asking)} metrics that ask one are `no_model`"
        yield Finding("model", "warning", told, "fill [models.default] in metric-store.toml, or switch them off")


def _port() -> Finding:
    try:
        socket.create_server(("127.0.0.1", PORT)).close()
    except OSError as error:
        if (served := _served()) is not None:
            return Finding("port", "ok", f"{PORT} is served by metric-store {served}")
        told = f"{PORT} cannot be had ({error.strerror}), and no metric-store answers there"
        return Finding("port", "warning", told, "`metric-store serve --port`; `ss -ltnp` names the program")
    return Finding("port", "ok", f"{PORT} is free for `metric-store serve`")


def _served() -> str | None:
    """The version of the metric store that has the port; None if something else has it."""
    import httpx2

    try:
        found = httpx2.get(f"http://127.0.0.1:{PORT}/health", timeout=_SECONDS).json()
        return str(found["version"]) if "published_at" in found else None
    except (httpx2.HTTPError, ValueError, TypeError, KeyError):
        return None


def _clock(newest: datetime | None, clocks: Sequence[Clock]) -> Iterator[Finding]:
    """This machine's clock beside those of the servers that answered, and beside the newest event."""
    wrong = [clock for clock in clocks if abs(clock.ahead) > _SKEW]
    for clock in wrong:
        side = "ahead of" if clock.ahead > timedelta() else "behind"
        told = f"this machine is {abs(clock.ahead.total_seconds()):,.0f} s {side} {clock.where}"
        yield Finding("clock", "warning", told, "set the clock: hours are cut by it")
    if newest is not None and newest > datetime.now(UTC) + _SKEW:
        told = f"the newest event is of {newest.astimezone(UTC):%Y-%m-%d %H:%M} UTC, which is in the future"
        yield Finding("clock", "warning", told, "compare the clocks of this machine and of the source")
    elif not wrong:
        beside = [*(clock.where for clock in clocks), *([] if newest is None else ["the newest event"])]
        told = f"agrees with {', '.join(beside)}" if beside else "there is nothing to compare it with"
        yield Finding("clock", "ok", told)
