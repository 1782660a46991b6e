"""A copy of the store that is thrown away: what would be, if the files that wait were read now."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from pipeline.settings import Settings
from pipeline.store import Store
from pipeline.store.engine import literal


@contextmanager
def scratch_of(store: Store, settings: Settings) -> Iterator[tuple[Store, Settings]]:
    """A store in a folder of its own with the rows of a store in a file, and settings that name it.

    Only the home changes: the landing folder stays the one that is read.
    """
    with tempfile.TemporaryDirectory(prefix="metric-store-dry-run-") as folder:
        path = Path(folder) / "metric_store.duckdb"
        with store.write() as con:
            (live,) = con.execute("SELECT current_database()").fetchall()[0]
            quoted = '"' + live.replace('"', '""') + '"'
            con.execute(f"ATTACH {literal(str(path))} AS scratch")
            con.execute(f"COPY FROM DATABASE {quoted} TO scratch")
            con.execute("DETACH scratch")
        own = {"home": Path(folder), "database": path, "landing": settings.landing_url, "catalog": None}
        copied = settings.model_copy(update=own)
        yield Store(copied), copied
