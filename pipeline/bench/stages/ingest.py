"""Files to events: everything that ingestion promises, beside DuckDB's own reader, which promises nothing."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Iterator
from datetime import datetime
from pathlib import Path
from typing import Any, Literal

import duckdb
import orjson
from pydantic import BaseModel, ValidationError

from pipeline.bench.data import FIRST, SQL, write_events
from pipeline.bench.stage import Answer, Bar, Competitor, Place, Results, Run, Stage, peak, ratio, times
from pipeline.catalog import load_catalog
from pipeline.ingest import IngestProgress, ingest
from pipeline.store import Store, load_sql

_LENGTH = 20
_PRESENT = {"0": 0, "1M": 1_000_000, "10M": 10_000_000}
_NAIVE_RECORDS = 5_000
_FILES = {"NDJSON": "events.ndjson", "gz": "events.ndjson.gz"}


def prepare(at: Place) -> None:
    """A file, the same gzipped, and databases that hold something already."""
    for file in _FILES.values():
        write_events(
            at.folder / file,
            conversations=at.scaled(1_000_000) // _LENGTH,
            length=_LENGTH,
            words=100,
            span_seconds=30 * 86_400,
            awkward=True,
        )
    for name, rows in _PRESENT.items():
        store = Store(at.settings(at.folder / name))
        with store.transaction() as con:
            parameters = {"workspace_id": store.workspace_id, "first": FIRST, "rows": at.scaled(rows)}
            con.execute(load_sql(SQL, "present"), parameters)


def ours(file: str, present: str) -> Callable[[Run], Answer]:
    """What `metric-store ingest` does, into a store with so many events."""

    def work(run: Run) -> Answer:
        settings = run.settings(run.scratch, landing=None)
        store = Store(settings)
        shutil.copyfile(Store(run.settings(run.folder / present)).path, store.path)
        catalog = load_catalog(settings)
        loaded = start = time.perf_counter()

        def note(_: IngestProgress) -> None:
            nonlocal loaded
            loaded = time.perf_counter()

        with run.clock():
            report = ingest(store, catalog, settings, urls=[str(run.folder / file)], on_progress=note)
        # Its conversations are assembled after the last record was committed.
        total = run.parts.pop("all")
        run.parts["loading"] = min(loaded - start, total)
        run.parts["assembling"] = total - run.parts["loading"]
        with store.write() as con:
            return {"records": report.record_count, **_found(con)}

    return work


def floor(file: str) -> Callable[[Run], Answer]:
    """Typed and strict, into the same table; nothing is checked, kept apart or compared."""

    def work(run: Run) -> Answer:
        store = Store(run.settings(run.scratch))
        parameters = {"workspace_id": store.workspace_id, "first": FIRST, "path": str(run.folder / file)}
        with run.clock(), store.write() as con:
            con.execute(load_sql(SQL, "typed_read"), parameters)
        with store.write() as con:
            (records,) = con.execute("SELECT count(*) FROM events").fetchall()[0]
            return {"records": records, **_found(con)}

    return work


class _Event(BaseModel):
    event_id: str
    conversation_id: str
    event_type: str
    occurred_at: datetime
    sequence: int
    channel: str
    direction: str
    service_id: str | None
    traffic: Literal["production", "simulation"]
    origin: str
    data: dict[str, Any]


def naive(run: Run) -> Answer:
    """A pydantic model for each line, ids in a set, and an INSERT of a thousand rows at a time."""
    store = Store(run.settings(run.scratch))
    lines = _lines(run.folder / _FILES["NDJSON"])
    wanted = min(_NAIVE_RECORDS, run.scaled(1_000_000))
    seen: set[str] = set()
    rows: list[tuple[object, ...]] = []
    with store.transaction() as con, run.clock("loading"):
        for _ in range(wanted):
            try:
                event = _Event.model_validate_json(next(lines))
            except ValidationError:
                continue
            if event.occurred_at.tzinfo is not None and event.event_id not in seen:
                seen.add(event.event_id)
                fields = event.model_dump(exclude={"data"})
                rows.append((*fields.values(), orjson.dumps(event.data).decode()))
            if len(rows) == 1000:
                _insert(con, store.workspace_id, rows)
                rows.clear()
        if rows:
            _insert(con, store.workspace_id, rows)
    run.share = wanted / run.scaled(1_000_000)
    with store.write() as con:
        found = _found(con)
    return {key: value for key, value in found.items() if key.startswith("first")}


def _insert(con: duckdb.DuckDBPyConnection, workspace_id: str, rows: list[tuple[object, ...]]) -> None:
    con.executemany(
        "INSERT INTO events (workspace_id, ingested_at, source_key, file_id, event_id, conversation_id, event_type,"
        " occurred_at, sequence, channel, direction, service_id, traffic, origin, data)"
        " VALUES (?, ?, 'canonical', 'file', ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        [(workspace_id, FIRST, *row) for row in rows],
    )


def _lines(path: Path) -> Iterator[bytes]:
    with path.open("rb") as stream:
        yield from stream


def _found(con: duckdb.DuckDBPyConnection) -> Answer:
    cursor = con.execute(load_sql(SQL, "events_found"), {"share": _NAIVE_RECORDS})
    return dict(zip([column[0] for column in cursor.description or ()], cursor.fetchall()[0], strict=True))


def _growth(results: Results) -> float:
    return ratio(results["NDJSON, 10M rows present"].parts["loading"], results["NDJSON"].parts["loading"])


STAGE = Stage(
    name="ingest",
    work="1M events of 1 KB: validated, refused kept, deduplicated, conversations assembled",
    cost="25 minutes, 10 GB",
    prepare=prepare,
    competitors=(
        Competitor("floor: typed read_ndjson", floor(_FILES["NDJSON"])),
        Competitor("NDJSON", ours(_FILES["NDJSON"], "0"), floor="floor: typed read_ndjson"),
        Competitor("floor: typed read_ndjson, gz", floor(_FILES["gz"])),
        Competitor("gz", ours(_FILES["gz"], "0"), floor="floor: typed read_ndjson, gz"),
        Competitor(
            "NDJSON, 1M rows present",
            ours(_FILES["NDJSON"], "1M"),
            floor="floor: typed read_ndjson",
            warm_up=False,
        ),
        Competitor(
            "NDJSON, 10M rows present",
            ours(_FILES["NDJSON"], "10M"),
            floor="floor: typed read_ndjson",
            warm_up=False,
            note="the rows present have 40 bytes of data",
        ),
        Competitor(
            "naive: pydantic per row, executemany",
            naive,
            floor="floor: typed read_ndjson",
            rounds=1,
            warm_up=False,
            note=f"the first {_NAIVE_RECORDS:,} records, scaled up",
        ),
    ),
    bars=(
        times("NDJSON", "floor: typed read_ndjson", 2, "loading"),
        times("gz", "floor: typed read_ndjson, gz", 2, "loading"),
        peak("NDJSON", 1.5),
        Bar("NDJSON, 10M rows present", "loading ≤ 1.3x that into an empty table", _growth, 1.3),
    ),
)
