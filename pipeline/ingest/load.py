"""Writes records to the store in chunks, one transaction each."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import duckdb
import pyarrow as pa

from pipeline.errors import InternalError
from pipeline.ingest.reader import Canonical, Refusal
from pipeline.ingest.report import FileOutcome
from pipeline.settings import Settings
from pipeline.store import Store, load_sql, run_script

_SQL = "pipeline.ingest.sql"
_CHUNK_BYTES = 16 * 2**20  # of JSON; staging takes some fifteen times as much
_FUTURE = timedelta(hours=24)  # clocks of sources may be ahead of ours
_ISO = r"\d{4}-\d{2}-\d{2}[T ]\d{2}:\d{2}:\d{2}(\.\d{1,9})?(Z|[+-]\d{2}(:?\d{2})?)?"
_ZONE = r"(Z|[+-]\d{2}(:?\d{2})?)$"
_INCOMING = pa.schema(
    [
        ("position", pa.int64()),
        ("file_id", pa.string()),
        ("source_key", pa.string()),
        ("place", pa.string()),
        ("record", pa.string()),
        ("reason", pa.string()),
        ("detail", pa.string()),
    ]
)
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


@dataclass
class Reading:
    """A file while it is read.

    Attributes:
        outcome: what this run did with it.
        stored: record, event, duplicate and rejected counts that an interrupted run has already committed.
        seen: records that were read, stored ones included.
        finished: whether its row says how it ended, rather than how far it got.
    """

    file_id: str
    fingerprint: str
    outcome: FileOutcome
    started_at: datetime
    stored: tuple[int, int, int, int] = (0, 0, 0, 0)
    seen: int = 0
    finished: bool = False

    def row(self, now: datetime) -> dict[str, Any]:
        """Its row in `ingested_files`."""
        outcome = self.outcome
        done = (outcome.record_count, outcome.event_count, outcome.duplicate_count, outcome.rejected_count)
        records, events, duplicates, rejected = (a + b for a, b in zip(self.stored, done, strict=True))
        if records != events + duplicates + rejected:
            raise InternalError(f"{outcome.url}: {records} records became {events} + {duplicates} + {rejected}.")
        return {
            "file_id": self.file_id,
            "url": outcome.url,
            "fingerprint": self.fingerprint,
            "source_key": outcome.source_key,
            "status": outcome.status if self.finished else "reading",
            "record_count": records,
            "event_count": events,
            "duplicate_count": duplicates,
            "rejected_count": rejected,
            "failure": outcome.failure,
            "started_at": self.started_at,
            "finished_at": now,
        }


@dataclass
class _Chunk:
    rows: list[tuple[int, str, str, str, str | None, str | None, str | None]] = field(default_factory=list)
    readings: dict[str, Reading] = field(default_factory=dict)
    size: int = 0


class Loader:
    """Collects records over files and commits them chunk by chunk.

    A file's row in `ingested_files` is written with its records, so that a run that was killed is taken up at the
    record after the last that was committed.
    """

    def __init__(self, store: Store, settings: Settings, on_commit: Callable[[Reading], None]) -> None:
        self._store = store
        self._settings = settings
        self._on_commit = on_commit
        self._chunk = _Chunk()

    def add(self, reading: Reading, record: Canonical) -> None:
        """Take one canonical record."""
        self._append(reading, record.source_key, record.place, record.text, None, None)

    def refuse(self, reading: Reading, refusal: Refusal) -> None:
        """Take one item that gave no record."""
        self._append(reading, "", refusal.place, refusal.text, refusal.reason, refusal.detail)

    def finish(self, reading: Reading) -> None:
        """The file's last record has been added."""
        reading.finished = True
        self._chunk.readings[reading.file_id] = reading
        if len(self._chunk.readings) >= self._settings.chunk_records:
            self.flush()

    def _append(
        self, reading: Reading, source_key: str, place: str, record: str, reason: str | None, detail: str | None
    ) -> None:
        reading.seen += 1
        if reading.seen <= reading.stored[0]:
            return
        chunk = self._chunk
        chunk.readings[reading.file_id] = reading
        chunk.rows.append((len(chunk.rows), reading.file_id, source_key, place, record, reason, detail))
        chunk.size += len(record)
        if len(chunk.rows) >= self._settings.chunk_records or chunk.size >= _CHUNK_BYTES:
            self.flush()

    def flush(self) -> None:
        """Commit what was collected."""
        chunk, self._chunk = self._chunk, _Chunk()
        if not chunk.readings:
            return
        columns = list(zip(*chunk.rows, strict=True)) or [()] * len(_INCOMING)
        incoming = pa.table(
            [pa.array(column, kind.type) for column, kind in zip(columns, _INCOMING, strict=True)], _INCOMING
        )
        with self._store.transaction() as con:
            now = _ingested_at(con)
            parameters: dict[str, object] = {
                "workspace_id": self._store.workspace_id,
                "ingested_at": now,
                "earliest": self._settings.earliest_event,
                "latest": datetime.now(UTC) + _FUTURE,
                "iso_pattern": _ISO,
                "zone_pattern": _ZONE,
            }
            con.register("incoming", incoming)
            con.register("files", _files(chunk, now))
            run_script(con, load_sql(_SQL, "stage"), parameters)
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


def _files(chunk: _Chunk, now: datetime) -> pa.Table:
    return pa.Table.from_pylist([reading.row(now) for reading in chunk.readings.values()], _FILES)


def _ingested_at(con: duckdb.DuckDBPyConnection) -> datetime:
    """Now, or a microsecond after the latest arrival when the clock has gone back."""
    (latest,) = con.execute("SELECT max(ingested_at) FROM events").fetchall()[0]
    now = datetime.now(UTC)
    return now if latest is None else max(now, latest + timedelta(microseconds=1))
