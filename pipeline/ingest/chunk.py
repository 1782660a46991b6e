"""Records on their way to the database: collected over files, held as Arrow tables."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import pyarrow as pa

from pipeline.errors import InternalError
from pipeline.ingest.lines import CanonicalLines
from pipeline.ingest.reader import CANONICAL, Canonical, Refusal
from pipeline.ingest.report import FileOutcome

_BATCH_BYTES = 4 * 2**20  # of records that came one by one; batches are staged by several threads
# `line` is that of a record that nobody has parsed yet, and `place` what stands before its number; `identity` is what a
# record without an id of its own is known by, where that is not its text.
_INCOMING = pa.schema(
    [
        ("position", pa.int64()),
        ("file_id", pa.string()),
        ("source_key", pa.string()),
        ("place", pa.string()),
        ("line", pa.int64()),
        ("record", pa.string()),
        ("identity", pa.string()),
        ("reason", pa.string()),
        ("detail", pa.string()),
        ("document", pa.string()),
        ("version", pa.float64()),
        ("delivery", pa.int64()),
    ]
)


_REFUSES = (
    "{:,} of its {:,} records were refused, more than max_rejected_share ({:g}) allows; the others are stored. "
    "`metric-store status` says why; mend the file or its mapping"
)


@dataclass
class Reading:
    """A file while it is read.

    Attributes:
        outcome: what this run did with it.
        stored: record, event, duplicate and rejected counts that an interrupted run has already committed.
        seen: records that were read, stored ones included.
        finished: whether its row says how it ended, rather than how far it got.
        max_rejected_share: of its records; more fail the file, whose other records stay.
    """

    file_id: str
    fingerprint: str
    outcome: FileOutcome
    started_at: datetime
    stored: tuple[int, int, int, int] = (0, 0, 0, 0)
    seen: int = 0
    finished: bool = False
    max_rejected_share: float = 1.0

    def row(self, now: datetime) -> dict[str, Any]:
        """Its row in `ingested_files`."""
        outcome = self.outcome
        done = (outcome.record_count, outcome.event_count, outcome.duplicate_count, outcome.rejected_count)
        records, events, duplicates, rejected = (a + b for a, b in zip(self.stored, done, strict=True))
        if records != events + duplicates + rejected:
            raise InternalError(f"{outcome.url}: {records} records became {events} + {duplicates} + {rejected}.")
        if self.finished and outcome.status == "done":
            refuses = rejected > records * self.max_rejected_share
            outcome.failure = _REFUSES.format(rejected, records, self.max_rejected_share) if refuses else None
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
class Chunk:
    """What one transaction will hold.

    Attributes:
        readings: the files that records are of, by `file_id`.
        count: records.
    """

    readings: dict[str, Reading] = field(default_factory=dict)
    count: int = 0
    _batches: list[pa.RecordBatch] = field(default_factory=list)
    _batches_size: int = 0
    _rows: list[tuple[int | float | str | None, ...]] = field(default_factory=list)
    _rows_size: int = 0

    @property
    def size(self) -> int:
        """Bytes of the records' text."""
        return self._batches_size + self._rows_size

    def add(self, reading: Reading, record: Canonical | Refusal) -> None:
        """Take one record, or one item that gave none."""
        self.readings[reading.file_id] = reading
        if isinstance(record, Canonical):
            given: tuple[int | float | str | None, ...] = (
                record.source_key,
                record.place,
                None,
                record.text,
                record.identity,
                None,
                None,
                record.document,
                record.version,
                None if record.document is None else record.number,
            )
        else:
            given = ("", record.place, None, record.text, None, record.reason, record.detail, None, None, None)
        self._rows.append((self.count, reading.file_id, *given))
        self._rows_size += len(record.text)
        self.count += 1
        if self._rows_size >= _BATCH_BYTES:
            self._close_rows()

    def add_lines(self, reading: Reading, lines: CanonicalLines) -> None:
        """Take a block of lines, one record each."""
        self._close_rows()
        self.readings[reading.file_id] = reading
        count = len(lines.texts)
        prefix = "line " if lines.member is None else f"member {lines.member}: line "
        self._add_batch(
            pa.arange(self.count, self.count + count),
            pa.repeat(reading.file_id, count),
            pa.repeat(CANONICAL, count),
            pa.repeat(prefix, count),
            pa.arange(lines.first, lines.first + count),
            lines.texts,
            *(pa.nulls(count, field.type) for field in list(_INCOMING)[_INCOMING.get_field_index("identity") :]),
        )
        self.count += count

    def sealed(self) -> pa.Table:
        """The records, as the table `incoming`; `position` counts its rows."""
        self._close_rows()
        return pa.Table.from_batches(self._batches, _INCOMING)

    def _close_rows(self) -> None:
        if self._rows:
            columns = zip(*self._rows, strict=True)
            self._add_batch(*(pa.array(column, kind.type) for column, kind in zip(columns, _INCOMING, strict=True)))
            self._rows, self._rows_size = [], 0

    def _add_batch(self, *columns: pa.Array) -> None:
        batch = pa.RecordBatch.from_arrays(list(columns), schema=_INCOMING)
        self._batches.append(batch)
        self._batches_size += batch.column("record").nbytes
