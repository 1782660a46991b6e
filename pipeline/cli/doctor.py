"""`metric-store doctor`: is everything that a run needs there, and what to do about what is not?"""

from __future__ import annotations

import os
import shutil
import socket
import sys
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Literal
from urllib.parse import urlsplit

import typer

from pipeline.cli.console import Json, complain, emit_json, emit_table
from pipeline.cli.serve import PORT
from pipeline.errors import SettingsError, UserError
from pipeline.settings import Settings, read_settings
from pipeline.settings_known import unknown_variables

if TYPE_CHECKING:
    from pipeline.settings_models import ModelEndpoint

State = Literal["ok", "warning", "problem"]

FAILED = 1
_SKEW = timedelta(minutes=2)
_SECONDS = 5.0
_COPIES = 4
"""The published file, the one before it, the live file, and room to write one of them anew."""
_LEAST_BYTES = 2**30


@dataclass(frozen=True)
class Finding:
    """What was looked at, how it is, and what to do about it."""

    subject: str
    state: State
    found: str
    advice: str | None = None


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
    yield _store(settings)
    yield _landing(settings)
    yield from _definitions(settings)
    yield _port()
    yield from _models(settings)


def _versions() -> Finding:
    names = ("metric-store", "duckdb", "dagster", "polars")
    told = [f"{name} {version(name)}" for name in names]
    return Finding("versions", "ok", ", ".join([f"Python {sys.version.split()[0]}", *told]))


def _home(settings: Settings) -> Finding:
    home = settings.home
    if not home.exists():
        return Finding("home", "warning", f"{home} is not there yet", "`metric-store run` makes it")
    if not os.access(home, os.R_OK | os.W_OK | os.X_OK):
        return Finding("home", "problem", f"{home} cannot be written", "change its owner or METRIC_STORE_HOME")
    return Finding("home", "ok", str(home))


def _disk(settings: Settings) -> Finding:
    there = next(path for path in (settings.home.resolve(), *settings.home.resolve().parents) if path.exists())
    free = shutil.disk_usage(there).free
    file = settings.database_path
    needed = max(_LEAST_BYTES, _COPIES * (file.stat().st_size if file.exists() else 0))
    found = f"{free / 2**30:,.1f} GiB are free"
    if free < needed:
        return Finding("disk", "warning", found, f"have {needed / 2**30:,.1f} GiB free: publishing keeps copies")
    return Finding("disk", "ok", found)


def _store(settings: Settings) -> Finding:
    from pipeline.store import Store

    try:
        store = Store(settings)
        if not store.is_published("data"):
            return Finding("store", "warning", "nothing has been published yet", "`metric-store run`")
        with store.read() as con:
            found = con.execute("SELECT max(started_at) FROM extraction_runs").fetchone()
            newest = con.execute("SELECT max(occurred_at) FROM events").fetchone()
    except UserError as error:
        return Finding("store", "problem", str(error), "see the sentence")
    ran = found[0] if found else None
    if newest and newest[0] is not None and newest[0] > datetime.now(UTC) + _SKEW:
        ahead = f"the newest event is of {newest[0]:%Y-%m-%d %H:%M}, which is in the future"
        return Finding("store", "warning", ahead, "compare the clocks of this machine and of the source")
    return Finding("store", "ok", "no run has ended yet" if ran is None else f"the last run began {ran:%Y-%m-%d %H:%M}")


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
        return Finding("landing", "warning", "the folder is not there", f"put files into {_without_user(url)}")
    return Finding("landing", "ok", _without_user(url))


def _definitions(settings: Settings) -> Iterator[Finding]:
    from pipeline.workspace.catalogs import current_catalog

    try:
        catalog = current_catalog(settings)
    except UserError as error:
        yield Finding("definitions", "problem", str(error), "see the sentence")
        return
    warned = len(catalog.problems) - len(catalog.errors)
    told = f"{len(catalog.active):,} metrics, {len(catalog.errors)} errors, {warned} warnings"
    state: State = "problem" if catalog.errors else "warning" if warned else "ok"
    yield Finding("definitions", state, told, None if state == "ok" else "`metric-store definitions validate`")
    asking = [metric for metric in catalog.active if metric.definition.judged]
    if asking and not any(True for _ in _endpoints(settings)):
        told = f"none is configured, so {len(asking)} metrics that ask one are `no_model`"
        yield Finding("model", "warning", told, "fill [models.default] in metric-store.toml, or switch them off")


def _port() -> Finding:
    try:
        socket.create_server(("127.0.0.1", PORT)).close()
    except OSError as error:
        return Finding("port", "warning", f"{PORT} cannot be had ({error.strerror})", "`metric-store serve --port`")
    return Finding("port", "ok", f"{PORT} is free for `metric-store serve`")


def _endpoints(settings: Settings) -> Iterator[tuple[str, ModelEndpoint]]:
    models = settings.models
    tiers = ("default", "free", "fast", "balanced", "max", "custom")
    found = [(name, getattr(models, name)) for name in tiers] + list(models.endpoints.items())
    yield from ((name, endpoint) for name, endpoint in found if endpoint is not None)


def _models(settings: Settings) -> Iterator[Finding]:
    """One finding for each endpoint; the server is asked for its list of models, which costs nothing."""
    import httpx2

    for name, endpoint in _endpoints(settings):
        subject, where = f"model {name}", _without_user(endpoint.base_url)
        key = os.environ.get(endpoint.key_variable, "") if endpoint.key_variable else None
        if key == "":
            yield Finding(subject, "problem", f"{endpoint.key_variable} is not set", "export the key of the endpoint")
            continue
        headers = {} if key is None else {"Authorization": f"Bearer {key}"}
        try:
            answer = httpx2.get(f"{endpoint.base_url.rstrip('/')}/models", headers=headers, timeout=_SECONDS)
        except (httpx2.HTTPError, httpx2.InvalidURL, ValueError) as error:
            yield Finding(subject, "problem", f"{where} does not answer ({type(error).__name__})", "check base_url")
            continue
        yield _answered(subject, where, answer)
        if (skew := _skew(answer.headers.get("Date"))) is not None and abs(skew) > _SKEW:
            told = f"this machine is {abs(skew.total_seconds()):,.0f} s {'ahead of' if skew.days >= 0 else 'behind'}"
            yield Finding("clock", "warning", f"{told} {where}", "set the clock: hours are cut by it")


def _answered(subject: str, where: str, answer: object) -> Finding:
    status = int(getattr(answer, "status_code", 0))
    if status in (401, 403):
        return Finding(subject, "problem", f"{where} refuses the key ({status})", "check the variable of key_variable")
    if status >= 500:
        return Finding(subject, "problem", f"{where} answers {status}", "try again later, or ask who runs it")
    told = "answers" if status < 400 else f"answers {status} to a list of models, which not every server has"
    return Finding(subject, "ok", f"{where} {told}")


def _skew(date: str | None) -> timedelta | None:
    try:
        return None if date is None else datetime.now(UTC) - parsedate_to_datetime(date)
    except (ValueError, TypeError):
        return None


def _without_user(url: str) -> str:
    """An address without what may be a password."""
    parts = urlsplit(url)
    return url if not parts.netloc else parts._replace(netloc=parts.netloc.rpartition("@")[2], query="").geturl()
