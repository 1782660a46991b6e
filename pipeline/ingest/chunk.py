"""Records on their way to the database: collected over files, held as Arrow tables."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from pipeline.errors import InternalError
from pipeline.ingest.lines import CanonicalLines
from pipeline.ingest.reader import CANONICAL, Canonical, Refusal
from pipeline.ingest.report import FileOutcome

_PIECE_BYTES = 16 * 2**20  # of JSON that is staged at once, which takes some fifteen times as much
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
class Chunk:
    """What one transaction will hold.

    Attributes:
        readings: the files that records are of, by `file_id`.
        count: records.
    """

    readings: dict[str, Reading] = field(default_factory=dict)
    count: int = 0
    _pieces: list[pa.Table] = field(default_factory=list)
    _pieces_size: int = 0
    _last_size: int = 0
    _rows: list[tuple[int, str, str, str, str, str | None, str | None]] = field(default_factory=list)
    _rows_size: int = 0

    @property
    def size(self) -> int:
        """Bytes of the records' text."""
        return self._pieces_size + self._rows_size

    def add(self, reading: Reading, record: Canonical | Refusal) -> None:
        """Take one record, or one item that gave none."""
        self.readings[reading.file_id] = reading
        source_key, reason, detail = (
            (record.source_key, None, None) if isinstance(record, Canonical) else ("", record.reason, record.detail)
        )
        self._rows.append((self.count, reading.file_id, source_key, record.place, record.text, reason, detail))
        self._rows_size += len(record.text)
        self.count += 1
        if self._rows_size >= _PIECE_BYTES:
            self._close_rows()

    def add_lines(self, reading: Reading, lines: CanonicalLines) -> None:
        """Take a block of canonical records."""
        self.readings[reading.file_id] = reading
        count = len(lines.texts)
        prefix = "line " if lines.member is None else f"member {lines.member}: line "
        numbers = pa.arange(lines.first, lines.first + count)
        self._add_piece(
            pa.arange(self.count, self.count + count),
            pa.repeat(reading.file_id, count),
            pa.repeat(CANONICAL, count),
            pc.binary_join_element_wise(prefix, numbers.cast(pa.string()), ""),
            pa.array(lines.texts, pa.binary()).view(pa.string()),
            pa.nulls(count, pa.string()),
            pa.nulls(count, pa.string()),
        )
        self.count += count

    def sealed(self) -> list[pa.Table]:
        """Tables of `incoming` records, each small enough to be staged at once; `position` counts over all of them."""
        self._close_rows()
        return self._pieces or [_INCOMING.empty_table()]

    def _close_rows(self) -> None:
        if self._rows:
            columns = zip(*self._rows, strict=True)
            self._add_piece(*(pa.array(column, kind.type) for column, kind in zip(columns, _INCOMING, strict=True)))
            self._rows, self._rows_size = [], 0

    def _add_piece(self, *columns: pa.Array) -> None:
        piece = pa.table(list(columns), _INCOMING)
        size = piece.column("record").nbytes
        self._pieces_size += size
        # Several batches in one piece are read by several threads.
        if self._pieces and self._last_size + size <= _PIECE_BYTES:
            self._pieces[-1] = pa.concat_tables([self._pieces[-1], piece])
            self._last_size += size
        else:
            self._pieces.append(piece)
            self._last_size = size
