"""`check`: whether what the metrics say is good enough; a gate for CI."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, fields
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated, Any

import typer

from pipeline.cli import instants
from pipeline.cli.console import Json, complain, emit_json, emit_table
from pipeline.cli.server import Env, Key, Url, Workspace, asked
from pipeline.errors import UserError
from pipeline.reports.checks import CheckResult, Scope, evaluate_checks, select_checks
from pipeline.settings import load_settings
from pipeline.store import Store
from pipeline.window import HOUR
from pipeline.workspace.catalogs import current_catalog

Names = Annotated[list[str] | None, typer.Argument(help="Checks or sets of checks; default all of your own.")]
RunId = Annotated[str | None, typer.Option("--run-id", help="The conversations of one simulation run.")]
Last = Annotated[str | None, typer.Option("--last", help="Full hours or days until now, for example 24h or 7d.")]
Junit = Annotated[Path | None, typer.Option("--junit", help="Also write a JUnit XML file.")]

Result = Mapping[str, Any]
"""The fields of a `CheckResult`, from the local store or from a server."""


def register(app: typer.Typer) -> None:
    """Add the command of this module."""
    app.command()(check)


def check(
    names: Names = None,
    start: Annotated[str | None, typer.Option("--from", help=f"Started at or after. {instants.HELP}")] = None,
    end: Annotated[str | None, typer.Option("--to", help="Started before.")] = None,
    run_id: RunId = None,
    last: Last = None,
    as_json: Json = False,
    junit: Junit = None,
    url: Url = None,
    key: Key = None,
    env: Env = None,
    workspace: Workspace = None,
) -> None:
    """Check metrics against what is asked of them; default the last 24 full hours. Exit code 1 when a check fails."""
    length = span(last)
    with asked(url, key, env, workspace) as server:
        if server is None:
            results = _local(names or (), run_id, start, end, length)
        else:
            first, until = instants.span(start, end, server)
            hours = None if length is None else length // HOUR
            found = server.store.checks(names or (), run_id=run_id, date_from=first, date_to=until, last_hours=hours)
            names_of = [*(each.name for each in fields(CheckResult)), "passed"]
            results = [{name: each[name] for name in names_of} for each in found["checks"]]
    conclude(results, as_json=as_json, junit=junit)


def _local(
    names: Sequence[str], run_id: str | None, start: str | None, end: str | None, length: timedelta | None
) -> list[Result]:
    settings, now = load_settings(), datetime.now(UTC)
    scope = Scope.of(now, run_id, *instants.span(start, end, settings), length)
    catalog, store = current_catalog(settings), Store(settings)
    checks = select_checks(catalog, names)
    with store.read() as con:
        results = evaluate_checks(con, store.workspace_id, catalog, checks, scope, now)
    return [{**asdict(result), "passed": result.passed} for result in results]


def span(text: str | None) -> timedelta | None:
    """`24h` or `7d` as a length of time.

    Raises:
        typer.BadParameter: it is anything else.
    """
    if text is None:
        return None
    found = re.fullmatch(r"([1-9]\d{0,4})([hd])", text)
    if found is None:
        raise typer.BadParameter(f"{text!r} is not a length of time; write for example 24h or 7d.")
    return timedelta(hours=int(found[1]) * (1 if found[2] == "h" else 24))


def conclude(results: Sequence[Result], *, as_json: bool, junit: Path | None) -> None:
    """Print the results, write the JUnit file, and leave with exit code 1 when a check fails."""
    failed = [result for result in results if not result["passed"] and result["severity"] == "error"]
    if junit is not None:
        _write_junit(results, junit)
    if as_json:
        emit_json({"passed": not failed, "checks": results})
    else:
        columns = ("check", "verdict", "metric", "asked", "n", "eligible", "value", "interval", "coverage", "why")
        emit_table(columns, [_cells(result) for result in results], spare=("metric", "eligible", "interval"))
        for result in failed:
            complain(f"{result['name']}: {result['verdict']}. {result['reason']}")
    if failed:
        raise typer.Exit(1)


def _cells(result: Result) -> tuple[Any, ...]:
    rate = result["over"] == "conversations"
    low, high = result["interval_low"], result["interval_high"]
    return (
        result["name"],
        result["verdict"] + (" (warning)" if result["severity"] == "warning" and not result["passed"] else ""),
        result["metric_key"],
        f"{result['condition']} in {result['min_pass_rate']:.0%}" if rate else result["condition"],
        result["n"],
        result["eligible"],
        _shown(result["value"], rate),
        None if low is None else f"{_shown(low, rate)} to {_shown(high, rate)}",
        None if result["coverage"] is None else f"{result['coverage']:.1%}",
        result["reason"] or None,
    )


def _shown(value: float | None, rate: bool) -> str | None:
    return None if value is None else f"{value:.1%}" if rate else f"{value:.4g}"


def _write_junit(results: Sequence[Result], file: Path) -> None:
    from xml.etree import ElementTree

    suite = ElementTree.Element(
        "testsuite",
        name="metric-store",
        tests=str(len(results)),
        failures=str(sum(not result["passed"] and result["severity"] == "error" for result in results)),
    )
    for result in results:
        case = ElementTree.SubElement(suite, "testcase", classname=result["metric_key"], name=result["name"])
        if not result["passed"]:
            kind = "failure" if result["severity"] == "error" else "skipped"
            ElementTree.SubElement(case, kind, type=result["verdict"], message=result["reason"])
    try:
        ElementTree.ElementTree(suite).write(file, encoding="utf-8", xml_declaration=True)
    except OSError as error:
        raise UserError(f"Cannot write {file}: {error.strerror}.") from error
