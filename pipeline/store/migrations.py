"""Numbered SQL files, applied once each, in order, under the write lock; then what the database says about itself."""

from __future__ import annotations

import hashlib
from collections.abc import Set
from datetime import UTC, datetime
from functools import cache
from importlib.resources import files

import duckdb

from pipeline.errors import StoreUnavailableError
from pipeline.store.sql import load_sql

_DESCRIPTION = "description-"


@cache
def migrations() -> dict[str, str]:
    """Name and text of every migration, oldest first; the last one is the description, named by its digest."""
    folder = files("pipeline.store").joinpath("schema")
    numbered = {
        entry.name.removesuffix(".sql"): entry.read_text(encoding="utf-8")
        for entry in sorted(folder.iterdir(), key=lambda entry: entry.name)
        if entry.name.endswith(".sql")
    }
    description = "\n".join(load_sql("pipeline.store.description", name) for name in ("data", "control", "views"))
    return numbered | {_DESCRIPTION + hashlib.sha256(description.encode()).hexdigest()[:12]: description}


def migrate(con: duckdb.DuckDBPyConnection) -> bool:
    """Bring the schema up to date, all in one transaction.

    Returns:
        Whether an older store was changed, so that what is published of it has to be published again.

    Raises:
        StoreUnavailableError: the file was written by a newer version.
    """
    con.execute("CREATE TABLE IF NOT EXISTS schema_migrations (name VARCHAR NOT NULL, applied_at TIMESTAMPTZ NOT NULL)")
    applied = applied_migrations(con)
    pending = pending_migrations(applied)
    known = migrations()
    if not pending:
        return False
    con.execute("BEGIN")
    for name in pending:
        con.execute(known[name])
        con.execute("INSERT INTO schema_migrations VALUES (?, ?)", [name, datetime.now(UTC)])
    con.execute("COMMIT")
    return bool(applied) and any(not name.startswith(_DESCRIPTION) for name in pending)


def applied_migrations(con: duckdb.DuckDBPyConnection) -> set[str]:
    """Names of the migrations that a database has had."""
    return {name for (name,) in con.execute("SELECT name FROM schema_migrations").fetchall()}


def pending_migrations(applied: Set[str]) -> list[str]:
    """Names of the migrations that are still to come, oldest first.

    Raises:
        StoreUnavailableError: a newer version has applied some that this one does not know.
    """
    known = migrations()
    if unknown := sorted(name for name in applied - known.keys() if not name.startswith(_DESCRIPTION)):
        raise StoreUnavailableError(
            f"The database was written by a newer metric-store (schema {unknown[-1]}). Upgrade this installation."
        )
    return [name for name in known if name not in applied]
