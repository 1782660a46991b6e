"""Mode `static`: a JSON path. Mode `sql_expr`: a SQL expression of a built-in.

Both read, with scope conversation, the call-intelligence summary and the typed columns of the conversation; with scope
participant or turn, the data of each turn; over event sources, the data of each event of the conversation. However many
definitions there are, each of the three is one scan. A path without matches is `missing`; a metric without a path
counts, and its value is 1 (or true). Several matches, or a list, need `multi_label` or a `fold`.
"""

from __future__ import annotations

from collections.abc import Sequence

import duckdb

from pipeline.catalog.catalog import Metric
from pipeline.catalog.expressions import CONVERSATION_FILTER_COLUMNS
from pipeline.extract.events import create_event_reading
from pipeline.extract.readers import readers_of
from pipeline.store import load_sql

_SQL = "pipeline.extract.sql"


def read_conversations(con: duckdb.DuckDBPyConnection, metrics: Sequence[Metric]) -> None:
    """Add to `reading`, one row for each conversation, from the columns of `conversations`."""
    _read(con, metrics, "conversation_reading", "intelligence")


def read_turns(con: duckdb.DuckDBPyConnection, metrics: Sequence[Metric]) -> None:
    """Add to `reading`, one row for each turn of the asked role, from the turn's data."""
    _read(con, metrics, "turn_reading", "data")


def read_events(con: duckdb.DuckDBPyConnection, metrics: Sequence[Metric]) -> None:
    """Add to `reading`, one row for each event of the conversation that the definition lets in."""
    create_event_reading(con, metrics)
    con.execute(load_sql(_SQL, "folded_event_reading"))


def _read(con: duckdb.DuckDBPyConnection, metrics: Sequence[Metric], name: str, document: str) -> None:
    readers = readers_of(metrics, CONVERSATION_FILTER_COLUMNS)
    readers.install(con)
    con.execute(load_sql(_SQL, name).replace("/*found*/", readers.found(document)))
