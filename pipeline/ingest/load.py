"""Writes records to the store in chunks, one transaction each."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import duckdb
import orjson
import pyarrow as pa
import pyarrow.compute as pc
from duckdb.sqltypes import VARCHAR

from pipeline.ingest.chunk import Chunk, Reading
from pipeline.ingest.clock import instant_text
from pipeline.ingest.lines import CanonicalLines
from pipeline.ingest.reader import CANONICAL, Canonical, Refusal, record_of_line
from pipeline.settings import Settings
from pipeline.store import Store, load_sql, run_script
from pipeline.store.keyed import hash_key, install_keyed_hash, tombstones_are_ours

_SQL = "pipeline.ingest.sql"
_FUTURE = timedelta(hours=24)  # clocks of sources may be ahead of ours
_INSTANT = r"\d{4}-\d{2}-\d{2}[T ]\d{2}:\d{2}:\d{2}(\.\d{1,9})?"
_OFFSET = r"(Z|[+-]\d{2}(:?\d{2})?)"
_PIECE_BYTES = 16 * 2**20  # of records that are looked at closely at once, which takes some fifteen times as much
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
_PARSED = pa.schema(
    [
        ("position", pa.int64()),
        ("source_key", pa.string()),
        ("record", pa.string()),
        ("identity", pa.string()),
        ("reason", pa.string()),
        ("detail", pa.string()),
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
        self._open: tuple[str, int] | None = None  # the document that the last record is of

    def add(self, reading: Reading, record: Canonical | CanonicalLines | Refusal) -> None:
        """Take a record, a block of them, or an item that gave none; what is stored already is passed over."""
        if isinstance(record, CanonicalLines):
            self._add_lines(reading, record)
            return
        # A document is stored as a whole, so that its versions take each other's place in one transaction.
        document = None if record.number is None else (reading.file_id, record.number)
        if self._open is not None and document != self._open:
            self._flush_if_full()
        self._open = document
        reading.seen += 1
        if reading.seen > reading.stored[0]:
            self._chunk.add(reading, record)
            if document is None:
                self._flush_if_full()

    def _add_lines(self, reading: Reading, lines: CanonicalLines) -> None:
        done = max(0, reading.stored[0] - reading.seen)
        reading.seen += len(lines.texts)
        while done < len(lines.texts):
            texts = lines.texts.slice(done, self._settings.chunk_records - self._chunk.count)
            self._chunk.add_lines(reading, replace(lines, first=lines.first + done, texts=texts))
            done += len(texts)
            self._flush_if_full()

    def finish(self, reading: Reading) -> None:
        """The file's last record has been added."""
        self._open = None
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
        incoming = chunk.sealed()
        with self._store.transaction("events", prepare=lambda con: stage(con, incoming, self._settings)) as con:
            now = _ingested_at(con)
            parameters: dict[str, object] = {"workspace_id": self._store.workspace_id, "ingested_at": now}
            with suppress(duckdb.CatalogException):  # connections to a lake share what one of them has brought
                con.create_function("sorted_keys", _sorted_keys, [VARCHAR], VARCHAR)
            con.register("files", _files(chunk, now))
            con.execute("CREATE OR REPLACE TEMP TABLE withheld (file_id VARCHAR)")
            if tombstones_are_ours(con, self._store.workspace_id, key := hash_key(self._settings)) and key is not None:
                install_keyed_hash(con, key)
                run_script(con, load_sql(_SQL, "erased"), parameters)
            if con.execute(
                "SELECT EXISTS (FROM expirations WHERE workspace_id = $1)", [self._store.workspace_id]
            ).fetchall()[0][0]:
                run_script(con, load_sql(_SQL, "expired"), parameters)
            for script in ("own", "deliver", "restate", "load"):
                run_script(con, load_sql(_SQL, script), {**parameters, "reason": "corrected"})
            for file_id, *counts in con.execute(load_sql(_SQL, "counts")).fetchall():
                outcome = chunk.readings[file_id].outcome
                outcome.record_count += counts[0]
                outcome.event_count += counts[1]
                outcome.duplicate_count += counts[2]
                outcome.rejected_count += counts[3]
            con.register("files", _files(chunk, now))
            run_script(con, load_sql(_SQL, "files"), parameters)
        self._on_commit(next(reversed(chunk.readings.values())))


def stage(con: duckdb.DuckDBPyConnection, incoming: pa.Table, settings: Settings) -> None:
    """Type the records of a sealed chunk: the temporary table `staged` has a row for each, with why it is refused."""
    parameters = instant_rules(settings)
    bring_functions(con)
    con.register("incoming", incoming)
    run_script(con, load_sql(_SQL, "staged"))
    run_script(con, load_sql(_SQL, "quick"), parameters)
    rows = con.execute("SELECT position FROM staged WHERE reason = 'left_over'").fetchall()
    con.execute("DELETE FROM staged WHERE reason = 'left_over'")
    for piece in _pieces(incoming, pa.array([position for (position,) in rows], pa.int64())):
        con.register("left_over", piece)
        con.register("parsed", parsed_lines(piece))
        run_script(con, load_sql(_SQL, "stage"), parameters)


def bring_functions(con: duckdb.DuckDBPyConnection) -> None:
    """Give the connection what staging calls in Python."""
    # Connections to a lake share what one of them has brought.
    with suppress(duckdb.CatalogException, duckdb.NotImplementedException):
        con.create_function("instant_text", instant_text, [VARCHAR], VARCHAR)


def _pieces(incoming: pa.Table, positions: pa.Int64Array) -> Iterator[pa.Table]:
    """The records at these positions, in tables that are small enough to be looked at closely."""
    batches: list[pa.RecordBatch] = []
    for batch in incoming.to_batches() if len(positions) else ():
        if (left := batch.filter(pc.is_in(batch["position"], positions))).num_rows:
            batches.append(left)
        if sum(each.nbytes for each in batches) >= _PIECE_BYTES:
            yield pa.Table.from_batches(batches)
            batches.clear()
    if batches:
        yield pa.Table.from_batches(batches)


def parsed_lines(left_over: pa.Table) -> pa.Table:
    """What the lines among records are, each parsed by itself: source, or why it is refused.

    Its `record` is null where that is the line itself.
    """
    lines = left_over.filter(pc.is_valid(left_over["line"])).select(["position", "place", "line", "record"])
    rows: list[dict[str, object]] = []
    for batch in lines.to_batches(max_chunksize=1000):
        for position, place, line, text in zip(*batch.to_pydict().values(), strict=True):
            found = record_of_line(f"{place}{line}", text)
            if isinstance(found, Refusal):
                row: dict[str, object] = {"source_key": "", "reason": found.reason, "detail": found.detail}
            elif found.source_key == CANONICAL:
                row = {"source_key": CANONICAL, "identity": found.identity}
            else:
                row = {"source_key": found.source_key, "record": found.text}
            rows.append({"position": position, **row})
    return pa.Table.from_pylist(rows, _PARSED)


def _sorted_keys(document: str) -> str:
    return orjson.dumps(orjson.loads(document), option=orjson.OPT_SORT_KEYS).decode()


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
