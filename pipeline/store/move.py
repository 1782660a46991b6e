"""Moving a store: every row of its file into a lake, or of a lake into a file, in one transaction."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import duckdb

from pipeline.errors import InternalError, SettingsError, StoreUnavailableError
from pipeline.settings import Settings
from pipeline.store.database import Store

Place = Literal["lake", "file"]

_ROWS_AT_ONCE = 2048  # a vector of DuckDB: conversations can be long
_OF_ITS_OWN = "schema_migrations"
_TABLES = """
SELECT table_name FROM duckdb_tables()
WHERE database_name = current_database() AND schema_name = 'main' AND table_name <> $own ORDER BY table_name
"""
_COUNT = "SELECT count(*) FROM {table}"
_DIGEST = "SELECT count(*), sum(hash(r)) FROM {table} AS r"
_INSERT = "INSERT INTO {table} BY NAME FROM moved_rows"


@dataclass(frozen=True)
class Moved:
    """What was moved.

    Attributes:
        rows: number of rows by table.
        left: where they still are, as users know it.
        size: of what readers of the new place read, in bytes.
    """

    rows: dict[str, int]
    left: str
    size: int


def move_store(settings: Settings, to: Place, on_table: Callable[[str], None] = lambda _: None) -> Moved:
    """Copy a store to where there is none, and publish it. Nobody else writes either of them meanwhile.

    What a kill interrupts leaves no row behind, and the next call begins anew. The rows that were moved are compared
    with those that were read, by number and digest, before anything is committed.

    Args:
        settings: name both the lake and the file.
        to: which of the two is the new place; the other one is read, and left as it is.
        on_table: called with the name of a table before its rows are moved.

    Raises:
        SettingsError: no lake is configured.
        StoreUnavailableError: there is nothing to move, or there are rows in the new place already.
    """
    if settings.catalog is None:
        raise SettingsError("No lake is configured: set METRIC_STORE_CATALOG and METRIC_STORE_DATA_PATH.")
    file, lake = settings.model_copy(update={"catalog": None}), settings
    if to == "lake" and not file.database_path.exists():
        raise StoreUnavailableError(
            f"There is no store at {file.database_path}: set METRIC_STORE_DATABASE to its file."
        )
    source, target = (Store(each) for each in ((file, lake) if to == "lake" else (lake, file)))
    names = {"lake": "The lake of METRIC_STORE_CATALOG", "file": f"The file {file.database_path}"}
    with source.write() as old, target.write() as new:
        tables = [name for (name,) in old.execute(_TABLES, {"own": _OF_ITS_OWN}).fetchall()]
        if filled := [table for table in tables if _asked(new, _COUNT, table) != (0,)]:
            raise StoreUnavailableError(
                f"{names[to]} holds rows already (in {', '.join(filled)}): move to an empty one."
            )
        if all(_asked(old, _COUNT, table) == (0,) for table in tables):
            raise StoreUnavailableError("There is nothing to move: no table has a row.")
        rows = {}
        new.execute("BEGIN")
        for table in tables:
            on_table(table)
            rows[table] = _copy(old, new, table)
        target.engine.check()
        new.execute("COMMIT")
        target.engine.publish_control(new)
        size = target.engine.publish(new)
    return Moved(rows, names["file" if to == "lake" else "lake"], size)


def _copy(old: duckdb.DuckDBPyConnection, new: duckdb.DuckDBPyConnection, table: str) -> int:
    """Insert the rows of a table in their order: it is what lets later queries skip most of them."""
    new.register("moved_rows", old.table(table).to_arrow_reader(_ROWS_AT_ONCE))
    new.execute(_INSERT.replace("{table}", table))
    new.unregister("moved_rows")
    read, found = (_asked(con, _DIGEST, table) for con in (old, new))
    if read != found:
        raise InternalError(f"{table}: {read[0]:,} rows were read, and other {found[0]:,} arrived. Nothing was moved.")
    return int(read[0])


def _asked(con: duckdb.DuckDBPyConnection, query: str, table: str) -> tuple[int, ...]:
    row: tuple[int, ...] = con.execute(query.replace("{table}", table)).fetchall()[0]
    return row
