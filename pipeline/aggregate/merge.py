"""Hour rows -> longer spans as they were known at an instant, when the values themselves have changed since."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime

import duckdb

from pipeline.aggregate.calendar import Span, register_spans
from pipeline.aggregate.enter import SQL, finish
from pipeline.aggregate.plan import Plans
from pipeline.aggregate.queries import Row, Traffic, fetch_rows
from pipeline.catalog.catalog import Catalog
from pipeline.errors import ExpressionError
from pipeline.store import load_sql, run_script
from pipeline.window import floor_hour


def merge_hours(
    con: duckdb.DuckDBPyConnection,
    workspace_id: str,
    keys: Sequence[str],
    spans: Sequence[Span],
    *,
    version: str | None = None,
    traffic: Traffic = "production",
    as_known_at: datetime | None = None,
) -> list[Row]:
    """Period rows of any spans of whole hours, from the parts on the stored hour rows.

    They are what `measure` gives of the values of that time, but that metrics over events and ratios have no interval:
    the hours do not say which conversation an event belongs to, nor how the sides of a ratio go together.

    Args:
        con: a connection to read from.
        workspace_id: whose rows.
        keys: metrics.
        spans: half-open, whole UTC hours; they may overlap.
        version: a definition version; else each metric's current one.
        traffic: `all` gives rows for each class.
        as_known_at: the hours as they stood at this instant.

    Returns:
        Rows with the columns of `metric_periods` but for their history, `granularity` being `span`; by metric, traffic,
        service (None is all of them), start and category (None is the summary).

    Raises:
        ExpressionError: a span does not consist of whole UTC hours, or the aggregation of a metric needs its values.
    """
    for instant in {instant for span in spans for instant in span}:
        if floor_hour(instant) != instant:
            raise ExpressionError(
                f"A period cannot start or end at {instant.isoformat()} as it was known earlier: hour rows are whole"
                " hours of UTC. Ask for another zone, or read the day rows of the workspace's zone."
            )
    register_spans(con, "spans", spans)
    run_script(con, load_sql(SQL, "macros"))
    run_script(con, load_sql(SQL, "known_periods"))
    parameters: dict[str, object] = {
        "workspace_id": workspace_id,
        "keys": list(keys),
        "version": version,
        "traffic": traffic,
        "as_known_at": as_known_at,
    }
    run_script(con, load_sql(SQL, "known_hours"), parameters)
    plans = Plans(con, workspace_id, Catalog(()))
    plans.add_all(con.execute("SELECT DISTINCT metric_key, definition_version FROM hours ORDER BY ALL").fetchall())
    for plan in plans.plans:
        if plan.needs_numbers and plan.metric_type != "categorical" and plan.asked:
            raise ExpressionError(
                f"{plan.metric_key} is aggregated by {plan.aggregation}, which cannot be merged from hours: read its"
                " hour or day rows."
            )
    plans.plans = [replace(plan, measurable=not plan.clustered and plan.family != "ratio") for plan in plans.plans]
    plans.register()
    run_script(con, load_sql(SQL, "stored_hours"))
    finish(con, plans)
    return fetch_rows(con, load_sql(SQL, "merged_rows"), {"workspace_id": workspace_id})
