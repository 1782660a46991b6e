"""A metric by service, channel, direction or category, over any spans: computed from the values themselves."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import duckdb
import pyarrow as pa

from pipeline.aggregate.calendar import Span
from pipeline.aggregate.queries import Row, Traffic, fetch_rows
from pipeline.catalog.catalog import Metric
from pipeline.errors import ExpressionError
from pipeline.store import STATES, load_sql, run_script

By = Literal["service", "channel", "direction", "category", "none"]

SQL = "pipeline.reports.sql"
_GROUPS: dict[By, str] = {
    "service": "v.service_id",
    "channel": "v.channel",
    "direction": "v.direction",
    "category": "v.value_text",
    "none": "NULL::VARCHAR",
}
_CONFIDENCE = 0.95


def from_values(
    con: duckdb.DuckDBPyConnection,
    workspace_id: str,
    metric: Metric,
    spans: Sequence[Span],
    *,
    by: By = "none",
    traffic: Traffic = "production",
    service_id: str | None = None,
) -> list[Row]:
    """Aggregates of one metric by span and group, of whatever length and zone the spans are.

    Args:
        con: a connection to read from.
        workspace_id: whose values.
        metric: the definition in force.
        spans: half-open.
        by: what to group by; a conversation without it is in the group None.
        traffic: `all` gives a row for each class.
        service_id: one service.

    Returns:
        The columns of `metric_periods` that values determine, `group_key`, `mean`, and `quantiles` (50, 90, 95 and
        99 %); only spans and groups that hold a conversation.

    Raises:
        ExpressionError: the metric has no values of conversations: it counts events, or is a ratio of two others.
    """
    definition = metric.definition
    if definition.event_level or definition.aggregation == "ratio":
        what = "is a ratio of sums" if definition.aggregation == "ratio" else "counts events, not conversations"
        raise ExpressionError(f"{metric.key} {what}, so it cannot be computed from values; read its period rows.")
    instant = pa.timestamp("us", tz="UTC")
    starts, ends = (pa.array([span[end] for span in spans], instant) for end in (0, 1))
    con.register("spans", pa.table({"span_start": starts, "span_end": ends}))
    run_script(con, load_sql("pipeline.aggregate.sql", "macros"))
    run_script(con, load_sql(SQL, "values_in_force"))
    states = ",\n".join(f"count(*) FILTER (status = '{state}') AS {state}_count" for state in STATES if state != "ok")
    query = load_sql(SQL, "from_values").replace("{group}", _GROUPS[by]).replace("{states}", states)
    parameters = {
        "workspace_id": workspace_id,
        "key": metric.key,
        "traffic": traffic,
        "service_id": service_id,
        "aggregation": definition.aggregation,
    }
    rows = fetch_rows(con, query, parameters)
    con.unregister("spans")
    for row in rows:
        row |= {
            "metric_type": definition.metric_type,
            "aggregation": definition.aggregation,
            "unit": definition.unit,
            "service_id": service_id,
            "category": None,
            "estimated": False,
        }
        if definition.aggregation == "avg":
            row |= _student(row)
    return rows


def _student(row: Row) -> Row:
    """The interval of a mean; none for fewer than two values."""
    from scipy.stats import t

    n, deviation = row["event_count"], row["deviation"]
    if n < 2 or deviation is None:
        return {}
    half = float(t.ppf((1 + _CONFIDENCE) / 2, n - 1)) * deviation / n**0.5
    return {"interval_low": row["mean"] - half, "interval_high": row["mean"] + half, "interval_method": "student"}
