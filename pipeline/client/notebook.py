"""A connection for notebooks: whatever cell asks for it reads the newest publication."""

from __future__ import annotations

import weakref
from pathlib import Path
from typing import TYPE_CHECKING

from pipeline.settings import load_settings
from pipeline.store.database import engine_of

if TYPE_CHECKING:
    import duckdb


def open_store(home: str | Path | None = None) -> duckdb.DuckDBPyConnection:
    """A read-only DuckDB connection to what was published last. Instants are UTC.

    Call it in the cell that reads. DuckDB keeps one instance for each path in a process, so `duckdb.connect` in a cell
    that is run again shows what was there the first time; this does not. A connection keeps the publication that it
    was opened on, so the queries of one cell agree with each other.

    Args:
        home: folder of the store; by default what the settings of the working directory say.

    Raises:
        SettingsError: a setting cannot be used.
        StoreUnavailableError: nothing has been published yet, or it cannot be opened.
    """
    settings = load_settings() if home is None else load_settings(home=Path(home))
    opened = engine_of(settings).publications("data").open({})
    con = opened.cursor()
    weakref.finalize(con, opened.close)  # a lake keeps the publication for as long as somebody reads it
    return con
