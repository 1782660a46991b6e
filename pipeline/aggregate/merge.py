"""Hour rows -> any longer span, exactly as if its values had been aggregated anew."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

import duckdb

from pipeline.aggregate.calendar import Span, register_spans
from pipeline.aggregate.intervals import register_student
from pipeline.aggregate.plan import QUANTILES
from pipeline.aggregate.queries import Row, Traffic, fetch_rows
from pipeline.errors import ExpressionError
from pipeline.store import load_sql, run_script
from pipeline.window import floor_hour

SQL = "pipeline.aggregate.sql"


def merge_parts(
    con: duckdb.DuckDBPyConnection,
    workspace_id: str,
    keys: Sequence[str],
    spans: Sequence[Span],
    *,
    version: str | None = None,
    traffic: Traffic = "production",
    as_known_at: datetime | None = None,
) -> list[Row]:
    """Period rows of any spans, from the parts on the stored hour rows.

    Counts, sums, means, extremes, rates, ratios, standard deviations, categories, and the intervals of all of these
    come out as they would from the values (`avg_confidence` too, where all values of an hour have a confidence or none
    has). The work is done on `con` in temporary tables, so a connection to the snapshot will do.

    Args:
        con: a connection to read from.
        workspace_id: whose rows.
        keys: metrics.
        spans: half-open, whole UTC hours; they may overlap, as rolling weeks do.
        version: a definition version; else each metric's current one.
        traffic: `all` gives rows for each class.
        as_known_at: the hours as they stood at this instant.

    Returns:
        Rows with the columns of `metric_periods` but for their history, `granularity` being `span`; by metric, traffic,
        service (None is all of them), start and category (None is the summary).

    Raises:
        ExpressionError: a span does not consist of whole UTC hours, or a metric is a percentile or a distinct count of
            numbers, which parts do not determine.
    """
    for instant in {instant for span in spans for instant in span}:
        if floor_hour(instant) != instant:
            raise ExpressionError(
                f"A period cannot start or end at {instant.isoformat()}: hour rows are whole hours of UTC. Ask for"
                " another zone or a longer period, or read the day rows of the workspace's zone."
            )
    register_spans(con, "spans", spans)
    run_script(con, load_sql(SQL, "macros"))
    run_script(con, load_sql(SQL, "known_periods"))
    run_script(
        con,
        load_sql(SQL, "merge_parts"),
        {
            "workspace_id": workspace_id,
            "keys": list(keys),
            "version": version,
            "traffic": traffic,
            "as_known_at": as_known_at,
        },
    )
    _check_mergeable(con)
    run_script(con, load_sql(SQL, "merge"))
    register_student(con)
    run_script(con, load_sql(SQL, "finish"))
    return fetch_rows(con, load_sql(SQL, "merged_rows"), {"workspace_id": workspace_id})


def _check_mergeable(con: duckdb.DuckDBPyConnection) -> None:
    holistic = [*QUANTILES, "count_distinct"]
    found = con.execute(
        "SELECT metric_key, aggregation FROM plan WHERE list_contains($1, aggregation)"
        " AND NOT (aggregation = 'count_distinct' AND metric_type = 'categorical') ORDER BY ALL LIMIT 1",
        [holistic],
    ).fetchall()
    for key, aggregation in found:
        raise ExpressionError(
            f"{key} is aggregated by {aggregation}, which cannot be merged from hours: read its hour or day rows."
        )
