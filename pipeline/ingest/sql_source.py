"""A source whose events a SELECT of the user's repository makes, for what rules cannot say.

The SQL reads the table `records` (position, place, member, record as JSON), all records of one file, and files beside
its own; its rows are canonical records, of which each may name the `place` of its record. It runs in a database of
its own, bounded in memory, disk, threads and time, without the network and without any file outside its folder.
"""

from __future__ import annotations

import itertools
import tempfile
import threading
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import duckdb
import orjson
import pyarrow as pa

from pipeline.catalog.source_models import SourceMapping
from pipeline.errors import SourceError
from pipeline.ingest.mapping import HANDED_DOWN, OWN

MEMORY, DISK, SECONDS = "256MB", "2GB", 120.0
FIELDS = frozenset({*OWN, *HANDED_DOWN, "occurred_at"})
_READERS = {
    ".csv": "read_csv",
    ".tsv": "read_csv",
    ".parquet": "read_parquet",
    ".json": "read_json",
    ".ndjson": "read_json",
}
_BATCH = 2000
_TELL = (duckdb.ParserException, duckdb.BinderException, duckdb.CatalogException, duckdb.PermissionException)
_SCHEMA = pa.schema(
    [("position", pa.int64()), ("place", pa.string()), ("member", pa.string()), ("record", pa.string())]
)


class Given(NamedTuple):
    """One record of the file, as the SQL reads it."""

    place: str
    member: str | None
    value: Any


def sql_of(spec: SourceMapping) -> Path:
    """The file with the SELECT.

    Raises:
        SourceError: it is not there, or not in the folder of the mapping.
    """
    if spec.file is None or spec.sql is None:
        raise SourceError(f"the mapping {spec.key} does not come from a file, so that no `sql` beside it can be read")
    path = (spec.file.parent / spec.sql).resolve()
    if not path.is_relative_to(spec.file.parent.resolve()):
        raise SourceError(
            f"`sql` of {spec.key} is {spec.sql}, outside of the mapping's own folder; put it beside the mapping"
        )
    if not path.is_file():
        raise SourceError(f"`sql` of {spec.key} is {spec.sql}, which is not beside {spec.file.name}")
    return path


def records_by_sql(
    spec: SourceMapping, records: Iterable[Given], *, seconds: float = SECONDS
) -> Iterator[tuple[str, dict[str, Any]]]:
    """The canonical records that the SQL makes of all records of one file, each with a place.

    Args:
        spec: names the file with the SELECT.
        records: of one file.
        seconds: after which it is stopped.

    Raises:
        SourceError: the SQL cannot be used, fails, or takes too much.
    """
    path = sql_of(spec)
    with tempfile.TemporaryDirectory() as spill, duckdb.connect(config={"threads": 1, "memory_limit": MEMORY}) as con:
        con.execute("SET TimeZone = 'UTC'")
        con.execute("SET temp_directory = $spill", {"spill": spill})
        con.execute("SET max_temp_directory_size = $disk", {"disk": DISK})
        con.execute("CREATE TABLE records (position BIGINT, place VARCHAR, member VARCHAR, record JSON)")
        _fill(con, records)
        _offer_references(con, path)
        con.execute("SET allowed_directories = $folders", {"folders": [f"{path.parent}/"]})
        con.execute("SET enable_external_access = false")
        con.execute("SET lock_configuration = true")
        timer = threading.Timer(seconds, con.interrupt)
        timer.start()
        try:
            yield from _rows(con, path)
        except _TELL as error:
            raise SourceError(f"{path.name}: {str(error).splitlines()[0]}") from None
        except duckdb.InterruptException:
            raise SourceError(f"{path.name} took more than {seconds:g} seconds; make it do less") from None
        except duckdb.Error as error:  # its text may hold words of a conversation
            raise SourceError(f"{path.name} failed: {type(error).__name__}; try it on the file with DuckDB") from None
        finally:
            timer.cancel()


def _offer_references(con: duckdb.DuckDBPyConnection, path: Path) -> None:
    """Files beside the SQL that it names, such as 'agents.csv', as views of that name."""
    text = path.read_text(encoding="utf-8")
    for file in sorted(path.parent.iterdir()):
        reader = _READERS.get(file.suffix.lower())
        if reader is None or file.name not in text or not file.resolve().is_relative_to(path.parent):
            continue
        try:
            getattr(con, reader)(str(file.resolve())).create_view(file.name)
        except duckdb.Error as error:
            raise SourceError(f"{file.name} beside {path.name} cannot be read: {type(error).__name__}") from None


def _fill(con: duckdb.DuckDBPyConnection, records: Iterable[Given]) -> None:
    numbered = enumerate(records)
    while batch := list(itertools.islice(numbered, _BATCH)):
        rows = [
            (
                position,
                given.place,
                given.member,
                orjson.dumps(given.value, default=str, option=orjson.OPT_NON_STR_KEYS).decode(),
            )
            for position, given in batch
        ]
        con.register(
            "batch",
            pa.table(
                [pa.array(column, kind.type) for column, kind in zip(zip(*rows, strict=True), _SCHEMA, strict=True)],
                _SCHEMA,
            ),
        )
        con.execute("INSERT INTO records SELECT * FROM batch")
        con.unregister("batch")


def _rows(con: duckdb.DuckDBPyConnection, path: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    statements = con.extract_statements(path.read_text(encoding="utf-8"))
    if len(statements) != 1 or statements[0].type != duckdb.StatementType.SELECT:
        raise SourceError(f"{path.name} must be one SELECT; found {len(statements)} statements")
    found = con.execute(statements[0])
    names = [column[0] for column in found.description or ()]
    if unknown := sorted(set(names) - FIELDS - {"place"}):
        raise SourceError(f"{path.name} gives {', '.join(unknown)}; fields are place, {', '.join(sorted(FIELDS))}")
    if "event_type" not in names or "occurred_at" not in names:
        raise SourceError(f"{path.name} must give event_type and occurred_at, which may be null")
    number = 0
    while rows := found.fetchmany(_BATCH):
        for row in rows:
            number += 1
            record = dict(zip(names, row, strict=True))
            place = record.pop("place", None) or f"row {number} of {path.name}"
            yield str(place), _plain(record)


def _plain(record: dict[str, Any]) -> dict[str, Any]:
    """Without fields that are null but the instant, which may be unknown; instants as text."""
    kept = {name: value for name, value in record.items() if value is not None or name == "occurred_at"}
    at = kept.get("occurred_at")
    if hasattr(at, "isoformat"):
        kept["occurred_at"] = at.isoformat()  # type: ignore[union-attr]
    return kept
