"""What one event is worth under the definitions that read events: the only place that says so.

Used from two sides: metrics with a fold become values of the event's conversation here in `extract`; event-level
metrics have no value rows, and `aggregate` builds their periods straight from this relation.
"""

from __future__ import annotations

from collections.abc import Sequence

import duckdb

from pipeline.catalog.catalog import Metric
from pipeline.catalog.expressions import EVENT_FILTER_COLUMNS
from pipeline.extract.definition_table import create_definition_table
from pipeline.extract.readers import readers_of
from pipeline.store import load_sql

_SQL = "pipeline.extract.sql"


def create_event_values(con: duckdb.DuckDBPyConnection, metrics: Sequence[Metric]) -> str:
    """Create the temporary view `event_value` over all events that the metrics read.

    Its columns: workspace_id, metric_key, definition_version, event_id, event_type, conversation_id, observed_at (the
    event's own instant, null when unknown), ingested_at, sequence, traffic, service_id, participant, status,
    value_number, value_text, value_boolean, value_list. One row for each (metric, event that its event types, domain,
    participant role and source filter let in); an event outside its channel or product scope is `not_applicable`.
    A metric without a path counts: its value is 1, or true. Filter the view by metric_key, observed_at or ingested_at;
    the filters reach the scan of `events`.

    The temporary tables `definition` and `reader` belong to the view; a connection holds one such view at a time.

    Args:
        con: a connection with our schema; the view is gone when it closes.
        metrics: definitions over events, event-level or folded.

    Returns:
        The name of the view.

    Raises:
        ExpressionError: a path, filter or expression of one of the metrics cannot be compiled.
    """
    create_definition_table(con, metrics)
    for macro in ("scope", "typed", "hour_of"):
        con.execute(load_sql(_SQL, macro))
    create_event_reading(con, metrics)
    con.execute(load_sql(_SQL, "event_value"))
    return "event_value"


def create_event_reading(con: duckdb.DuckDBPyConnection, metrics: Sequence[Metric]) -> None:
    """Create the view `event_reading`, untyped, for some of the metrics in an existing table `definition`."""
    readers = readers_of(metrics, EVENT_FILTER_COLUMNS)
    readers.install(con)
    con.execute(
        load_sql(_SQL, "event_reading")
        .replace("/*found*/", readers.found("data"))
        .replace("/*passes*/", readers.passes)
    )
