"""Seeded data, made by DuckDB in sets; the same bytes for the same numbers."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import duckdb

from pipeline.store import load_sql, run_script

SQL = "pipeline.bench.sql"
FIRST = datetime(2026, 1, 5, tzinfo=UTC)
"""When the first conversation begins, unless a stage says otherwise."""


def write_events(
    path: Path,
    *,
    conversations: int,
    length: int,
    words: int,
    prefix: str = "c",
    first: datetime = FIRST,
    span_seconds: int = 86_400,
    awkward: bool = False,
) -> None:
    """Write canonical records as NDJSON, gzipped when the path ends in `.gz`.

    Args:
        path: of the file.
        conversations: how many; their starts are spread evenly over the span.
        length: events of each.
        words: in a turn; 80 make a record of about 1 KB.
        prefix: of the conversations' ids.
        first: start of the first conversation.
        span_seconds: from the first start to the last.
        awkward: whether records that are refused, repeated or contradicted are among them, at the end.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with duckdb.connect() as con:
        con.execute("SET TimeZone = 'UTC'")
        parameters = {
            "conversations": conversations,
            "length": length,
            "prefix": prefix,
            "first": first.astimezone(UTC).replace(tzinfo=None),
            "span_seconds": span_seconds,
        }
        run_script(con, load_sql(SQL, "words"), {"words": words // 2})
        run_script(con, load_sql(SQL, "events"), parameters)
        if awkward:
            run_script(con, load_sql(SQL, "awkward"))
        con.execute("COPY (FROM records SELECT * EXCLUDE (position)) TO $path (FORMAT json)", {"path": str(path)})
