"""Writes records to the store in chunks, one transaction each."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import duckdb
import pyarrow as pa

from pipeline.ingest.chunk import Chunk, Reading
from pipeline.ingest.lines import CanonicalLines
from pipeline.ingest.reader import Canonical, Refusal
from pipeline.settings import Settings
from pipeline.store import Store, load_sql, run_script

_SQL = "pipeline.ingest.sql"
_FUTURE = timedelta(hours=24)  # clocks of sources may be ahead of ours
_INSTANT = r"\d{4}-\d{2}-\d{2}[T ]\d{2}:\d{2}:\d{2}(\.\d{1,9})?"
_OFFSET = r"(Z|[+-]\d{2}(:?\d{2})?)"
_FILES = pa.schema(
    [
        ("file_id", pa.string()),
        ("url", pa.string()),
        ("fingerprint", pa.string()),
        ("source_key", pa.string()),
        ("status", pa.string()),
        ("record_count", pa.int64()),
        ("event_count", pa.int64()),
        ("duplicate_count", pa.int64()),
        ("rejected_count", pa.int64()),
        ("failure", pa.string()),
        ("started_at", pa.timestamp("us", "UTC")),
        ("finished_at", pa.timestamp("us", "UTC")),
    ]
)


class Loader:
    """Collects records over files and commits them chunk by chunk.

    A file's row in `ingested_files` is written with its records, so that a run that was killed is taken up at the
    record after the last that was committed.
    """

    def __init__(self, store: Store, settings: Settings, on_commit: Callable[[Reading], None]) -> None:
        self._store = store
        self._settings = settings
        # The text stays in memory until its transaction ends, beside what DuckDB takes for staging it.
        self._chunk_bytes = settings.memory_bytes // 6
        self._on_commit = on_commit
        self._chunk = Chunk()

    def add(self, reading: Reading, record: Canonical | CanonicalLines | Refusal) -> None:
        """Take a record, a block of them, or an item that gave none; what is stored already is passed over."""
        if isinstance(record, CanonicalLines):
            self._add_lines(reading, record)
            return
        reading.seen += 1
        if reading.seen > reading.stored[0]:
            self._chunk.add(reading, record)
            self._flush_if_full()

    def _add_lines(self, reading: Reading, lines: CanonicalLines) -> None:
        done = max(0, reading.stored[0] - reading.seen)
        reading.seen += len(lines.texts)
        while done < len(lines.texts):
            texts = lines.texts[done : done + self._settings.chunk_records - self._chunk.count]
            self._chunk.add_lines(reading, replace(lines, first=lines.first + done, texts=texts))
            done += len(texts)
            self._flush_if_full()

    def finish(self, reading: Reading) -> None:
        """The file's last record has been added."""
        reading.finished = True
        self._chunk.readings[reading.file_id] = reading
        if len(self._chunk.readings) >= self._settings.chunk_records:
            self.flush()

    def _flush_if_full(self) -> None:
        if self._chunk.count >= self._settings.chunk_records or self._chunk.size >= self._chunk_bytes:
            self.flush()

    def flush(self) -> None:
        """Commit what was collected."""
        chunk, self._chunk = self._chunk, Chunk()
        if not chunk.readings:
            return
        pieces = chunk.sealed()
        with self._store.transaction("events", prepare=lambda con: stage(con, pieces, self._settings)) as con:
            now = _ingested_at(con)
            parameters: dict[str, object] = {"workspace_id": self._store.workspace_id, "ingested_at": now}
            con.register("incoming", pa.concat_tables(pieces))
            con.register("files", _files(chunk, now))
            run_script(con, load_sql(_SQL, "load"), parameters)
            for file_id, *counts in con.execute(load_sql(_SQL, "counts")).fetchall():
                outcome = chunk.readings[file_id].outcome
                outcome.record_count += counts[0]
                outcome.event_count += counts[1]
                outcome.duplicate_count += counts[2]
                outcome.rejected_count += counts[3]
            con.register("files", _files(chunk, now))
            run_script(con, load_sql(_SQL, "files"), parameters)
        self._on_commit(next(reversed(chunk.readings.values())))


def stage(con: duckdb.DuckDBPyConnection, pieces: Sequence[pa.Table], settings: Settings) -> None:
    """Type the records of a sealed chunk: the temporary table `staged` has a row for each, with why it is refused."""
    parameters = instant_rules(settings)
    run_script(con, load_sql(_SQL, "staged"))
    for piece in pieces:
        con.register("incoming", piece)
        run_script(con, load_sql(_SQL, "quick"), parameters)
        if con.execute("SELECT count(*) FROM left_over").fetchall() != [(0,)]:
            run_script(con, load_sql(_SQL, "stage"), parameters)


def instant_rules(settings: Settings) -> dict[str, object]:
    """What staging accepts as an instant: its bounds, and how it is written."""
    return {
        "earliest": settings.earliest_event,
        "latest": datetime.now(UTC) + _FUTURE,
        "iso_pattern": f"{_INSTANT}{_OFFSET}?",
        "zoned_iso_pattern": f"{_INSTANT}{_OFFSET}",
        "zone_pattern": f"{_OFFSET}$",
    }


def _files(chunk: Chunk, now: datetime) -> pa.Table:
    return pa.Table.from_pylist([reading.row(now) for reading in chunk.readings.values()], _FILES)


def _ingested_at(con: duckdb.DuckDBPyConnection) -> datetime:
    """Now, or a microsecond after the latest arrival when the clock has gone back."""
    (latest,) = con.execute("SELECT max(ingested_at) FROM events").fetchall()[0]
    now = datetime.now(UTC)
    return now if latest is None else max(now, latest + timedelta(microseconds=1))
