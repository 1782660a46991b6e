"""Whether ingestion would store records, decided by the code that stores them; nothing is written."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import duckdb

from pipeline.ingest.chunk import Chunk, Reading
from pipeline.ingest.load import stage
from pipeline.ingest.reader import Canonical, Refusal, record_of_line
from pipeline.ingest.report import FileOutcome
from pipeline.settings import Settings

CONFLICT = "an event before it in this record has the same event_id and says something else"


def staged_rows(
    con: duckdb.DuckDBPyConnection, records: Sequence[Canonical], settings: Settings
) -> list[dict[str, Any]]:
    """The rows that would be stored, and why some would not (`reason`, `detail`), by the SQL that ingestion runs.

    Args:
        con: a connection to a database in memory.
        records: in their order.
        settings: limits.
    """
    chunk = Chunk()
    reading = Reading("", "", FileOutcome(""), datetime.now(UTC))
    for record in records:
        chunk.add(reading, record)
    stage(con, chunk.sealed(), settings)
    found = con.execute("SELECT * EXCLUDE (position, file_id, source_key) FROM staged ORDER BY position")
    names = [column[0] for column in found.description or ()]
    rows = [dict(zip(names, row, strict=True)) for row in found.fetchall()]
    seen: dict[str, dict[str, Any]] = {}
    for row in rows:
        if row["reason"] is None and seen.setdefault(row["event_id"], dict(row)) != row:
            row["reason"], row["detail"] = "event_id_conflict", CONFLICT
    return rows


class EventChecker:
    """Says of events, one JSON text each, why ingestion would refuse them; safe to share between threads.

    Args:
        settings: limits.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._database = duckdb.connect(config={"threads": 1, "memory_limit": settings.memory_limit})
        self._database.execute("SET GLOBAL TimeZone = 'UTC'")
        self._own = threading.local()

    def problems(self, lines: Sequence[str]) -> list[str | None]:
        """For each event, why it would not be stored; None when it would.

        An event that is in the store already, with other content under the same id, is found by ingestion only.
        """
        found = [record_of_line("", line) for line in lines]
        records = [each for each in found if isinstance(each, Canonical)]
        rows = iter(staged_rows(self._connection(), records, self._settings) if records else ())
        return [each.detail if isinstance(each, Refusal) else next(rows)["detail"] for each in found]

    def close(self) -> None:
        """Let go of the database."""
        self._database.close()

    def _connection(self) -> duckdb.DuckDBPyConnection:
        """One for each thread: temporary tables are of a connection."""
        if not hasattr(self._own, "con"):
            self._own.con = self._database.cursor()
        con: duckdb.DuckDBPyConnection = self._own.con
        return con
