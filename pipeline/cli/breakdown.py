"""`breakdown`: one metric by what conversations say of themselves."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Annotated, Literal

import duckdb
import typer

from pipeline.aggregate.queries import Row, check_known
from pipeline.cli import instants
from pipeline.cli.console import Json, emit_json, emit_table
from pipeline.cli.read import (
    Key,
    ServiceOption,
    Traffic,
    TrafficOption,
    bounds_of,
    examined_of,
    interval_of,
    read_metric,
)
from pipeline.settings import load_settings


def register(app: typer.Typer) -> None:
    """Add the commands of this module."""
    app.command()(breakdown)


def breakdown(
    key: Key,
    by: Annotated[
        str,
        typer.Option(
            help="service, channel, direction, category, tag, tag:KEY (tags such as plan:gold), summary:FIELD, none."
        ),
    ] = "service",
    start: Annotated[str | None, typer.Option("--from", help=f"{instants.HELP} Default: 30 days ago.")] = None,
    end: Annotated[str | None, typer.Option("--to", help=instants.HELP)] = None,
    groups: Annotated[int, typer.Option(min=1, max=500, help="The largest ones; all others are one row.")] = 50,
    order: Annotated[
        Literal["size", "low"],
        typer.Option(help="size: most conversations first; low: by the value that is certain at least."),
    ] = "size",
    service: ServiceOption = None,
    traffic: TrafficOption = Traffic.PRODUCTION,
    as_json: Json = False,
) -> None:
    """One metric by service, channel, tag or a field of the summary; the groups add up to the whole."""
    from pipeline.reports.breakdown import breakdown as grouped

    settings = load_settings()
    date_from, date_to = instants.span(start, end, settings)
    until = date_to or datetime.now(UTC)
    span = (date_from or until - timedelta(days=30), until)

    def asked(con: duckdb.DuckDBPyConnection) -> list[Row]:
        check_known(con, settings.workspace_id, key)
        return grouped(
            con,
            settings.workspace_id,
            key,
            span,
            by=by,
            traffic=traffic.value,
            service_id=service,
            most_groups=groups,
            order=order,
        )

    rows = read_metric(settings, key, asked)
    if as_json:
        emit_json(rows)
        return
    emit_table(
        ["group", "traffic", "value", "n", "eligible", "coverage", "interval", "bounds", "examined", "mean"],
        [
            (
                "all others" if row["rest"] else row["group_key"] or "(none)",
                row["traffic"],
                row["value_text"] if row["value_text"] is not None else row["value"],
                row["event_count"],
                row["eligible_count"],
                None if row["coverage"] is None else f"{row['coverage']:.1%}",
                interval_of(row),
                bounds_of(row),
                examined_of(row),
                row["mean"],
            )
            for row in rows
        ],
        spare=("traffic", "mean", "bounds", "examined"),
    )
