"""`list`, `get` and `trend`: reading published numbers."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from enum import StrEnum
from typing import Annotated, Any

import duckdb
import typer

from pipeline.aggregate import queries
from pipeline.cli import instants
from pipeline.cli.completion import metric_keys
from pipeline.cli.console import Json, emit, emit_json, emit_table, note
from pipeline.errors import UnknownMetricError
from pipeline.reports.changes import add_changes, rows_before
from pipeline.reports.series import periods_between
from pipeline.settings import Settings, load_settings
from pipeline.store import Store


class Traffic(StrEnum):
    """Whose conversations."""

    PRODUCTION = "production"
    SIMULATION = "simulation"
    ALL = "all"


class Grain(StrEnum):
    """Length of a period."""

    HOUR = "hour"
    DAY = "day"


TrafficOption = Annotated[Traffic, typer.Option(help="`all` shows each class on its own, never mixed.")]
ServiceOption = Annotated[str | None, typer.Option(help="One service; default over all of them.")]
Key = Annotated[str, typer.Argument(help="The metric's key.", autocompletion=metric_keys)]


def register(app: typer.Typer) -> None:
    """Add the commands of this module."""
    app.command(name="list")(list_metrics)
    app.command()(get)
    app.command()(trend)


def list_metrics(
    traffic: TrafficOption = Traffic.PRODUCTION,
    service: ServiceOption = None,
    grain: Annotated[Grain | None, typer.Option(help="Default: each metric's own.")] = None,
    as_json: Json = False,
) -> None:
    """The newest number of every metric."""
    settings = load_settings()
    store = Store(settings)
    with store.read() as con:
        rows = queries.latest(
            con,
            store.workspace_id,
            granularity=None if grain is None else grain.value,
            traffic=traffic.value,
            service_id=service,
            limit=_UNLIMITED,
        )
        goals = queries.goals(con, store.workspace_id)
        add_changes(list(zip(rows, rows_before(con, store.workspace_id, rows), strict=True)), goals)
    if as_json:
        emit_json(rows)
        return
    emit_table(
        ["metric", *_COLUMNS, "change"],
        [(row["metric_key"], *_cells(row), _change(row)) for row in rows],
        spare=_SPARE,
    )


def get(
    key: Key,
    start: Annotated[str | None, typer.Option("--from", help=instants.HELP)] = None,
    end: Annotated[str | None, typer.Option("--to", help=instants.HELP)] = None,
    grain: Annotated[Grain, typer.Option(help="Length of the periods.")] = Grain.DAY,
    service: ServiceOption = None,
    traffic: TrafficOption = Traffic.PRODUCTION,
    as_known_at: Annotated[
        str | None, typer.Option(help="The rows as they stood at this instant, before later corrections.")
    ] = None,
    as_json: Json = False,
) -> None:
    """The periods of one metric, newest first."""
    settings = load_settings()
    date_from, date_to = instants.span(start, end, settings)
    rows = read_metric(
        settings,
        key,
        lambda con: periods_between(
            con,
            settings.workspace_id,
            key,
            settings.zone,
            granularity=grain.value,
            date_from=date_from,
            date_to=date_to,
            traffic=traffic.value,
            service_id=service,
            as_known_at=instants.instant(as_known_at, settings) if as_known_at else None,
            categories=True,
            limit=_UNLIMITED if start else 90,
        ),
    )
    if as_json:
        emit_json(rows)
    else:
        emit_table(["category", *_COLUMNS], [(row["category"], *_cells(row)) for row in rows], spare=_SPARE)


def trend(
    key: Key,
    days: Annotated[int, typer.Option(min=1, max=365)] = 30,
    service: ServiceOption = None,
    traffic: TrafficOption = Traffic.PRODUCTION,
    as_json: Json = False,
) -> None:
    """A chart of one metric's last days; a day without values is a gap, not a zero."""
    settings = load_settings()
    rows = read_metric(
        settings,
        key,
        lambda con: queries.trend(
            con,
            settings.workspace_id,
            key,
            zone=settings.zone,
            days=days,
            traffic=traffic.value,
            service_id=service,
        ),
    )
    if as_json:
        emit_json(rows)
        return
    if not rows:
        return
    from pipeline.cli.chart import draw

    emit(draw(key, rows, settings.zone))


_UNLIMITED = 1_000_000
_COLUMNS = (
    *("period", "traffic", "value", "unit", "n", "eligible", "coverage", "interval", "bounds", "examined", "revision"),
)
_SPARE = ("traffic", "revision", "eligible", "unit", "bounds", "examined", "interval")
_WELL_COVERED = 0.9


def read_metric(
    settings: Settings, key: str, query: Callable[[duckdb.DuckDBPyConnection], list[queries.Row]]
) -> list[queries.Row]:
    """What a query of one metric gives; of one that is defined and that no run has looked at yet: nothing."""
    with Store(settings).read() as con:
        try:
            return query(con)
        except UnknownMetricError:
            from pipeline.workspace.catalogs import current_catalog  # what is stored is read without definitions

            current_catalog(settings).get(key)  # raises with the nearest keys
            note(f"No run has looked at {key} yet. `metric-store run` does.")
            return []


def _cells(row: dict[str, Any]) -> Sequence[Any]:
    return (
        _period(row),
        row["traffic"],
        row["value_text"] if row["value_text"] is not None else row["value"],
        row["unit"],
        row["event_count"],
        row["eligible_count"],
        None if row["coverage"] is None else f"{row['coverage']:.1%}",
        interval_of(row),
        bounds_of(row),
        examined_of(row),
        row["revision"],
    )


def _change(row: dict[str, Any]) -> str | None:
    """What stands out against the period before, or that the period is not over."""
    if row["stands_out"]:
        return f"{row['delta']:+.4g}" + {"good": " better", "bad": " worse"}.get(row["direction"], "")
    return None if row["complete"] else "not over"


def interval_of(row: dict[str, Any]) -> str | None:
    """The 95 % interval of a row in words."""
    low, high = row["interval_low"], row["interval_high"]
    return None if low is None else f"{low:.4g} to {high:.4g}"


def examined_of(row: dict[str, Any]) -> str:
    """How the examined conversations were chosen, and what follows for the value."""
    words = [row["selection"], *(["estimated"] if row["estimated"] else [])]
    if row["uncovered_share"]:
        words.append(f"nothing of {row['uncovered_share']:.0%}")
    return ", ".join(words)


def bounds_of(row: dict[str, Any]) -> str | None:
    """Where the value could lie whatever the conversations without one hold; shown where they are more than a few."""
    low, high, coverage = row["bound_low"], row["bound_high"], row["coverage"]
    if coverage is None or coverage >= _WELL_COVERED or (low is None and high is None):
        return None
    return f"{'?' if low is None else f'{low:.4g}'} to {'?' if high is None else f'{high:.4g}'}"


def _period(row: dict[str, Any]) -> str:
    start = row["period_start"]
    return f"{start:%F}" if row["granularity"] == "day" else f"{start:%F %H:%M}"
