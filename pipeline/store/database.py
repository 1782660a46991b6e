"""Connections to the live file and to the published snapshot.

The live file is opened only inside `Store.write`, under a `flock` on a sidecar file, and only for as long as the SQL
runs. Nothing else may open it: closing any descriptor of the file would drop DuckDB's own lock.
"""

from __future__ import annotations

import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import get_ident

import duckdb

from pipeline.errors import InternalError, StoreUnavailableError
from pipeline.settings import Settings
from pipeline.store.interrupts import deferred_interrupts
from pipeline.store.migrations import migrate

_POLL_SECONDS = 0.02


class Store:
    """The metric store of one deployment.

    Args:
        settings: where the file is, how much memory and how many threads DuckDB may use, whose rows are written.
    """

    def __init__(self, settings: Settings) -> None:
        self.path = settings.database_path
        self.snapshot_path = settings.snapshot_path
        self.control_path = settings.control_path
        self.workspace_id = settings.workspace_id
        self._settings = settings
        self._migrated = False
        self._writer: int | None = None

    @contextmanager
    def write(self) -> Iterator[duckdb.DuckDBPyConnection]:
        """Open the live file, alone; migrate it the first time; close it at the end. An open transaction is undone.

        Never keep it across a model call or anything else that is slow and is not SQL.

        Raises:
            StoreUnavailableError: the file cannot be opened, or another process held it too long.
        """
        if self._writer == get_ident():
            raise InternalError("Store.write was entered twice by one thread; pass the connection down instead.")
        with self._locked():
            self._writer = get_ident()
            try:
                with self._connect(self.path, read_only=False) as con:
                    if not self._migrated:
                        migrate(con)
                        self._migrated = True
                    yield con
            finally:
                self._writer = None

    @contextmanager
    def transaction(self) -> Iterator[duckdb.DuckDBPyConnection]:
        """Like `write`, in one transaction: committed when the block ends, undone when it raises."""
        with self.write() as con:
            con.execute("BEGIN")
            yield con
            con.execute("COMMIT")

    @contextmanager
    def read(self) -> Iterator[duckdb.DuckDBPyConnection]:
        """Open the published snapshot, read-only; never waits for a writer.

        Raises:
            StoreUnavailableError: nothing has been published yet.
        """
        if not self.snapshot_path.exists():
            raise StoreUnavailableError(
                f"Nothing has been published at {self.snapshot_path}. Run `metric-store run` (or `demo`) first."
            )
        with self._connect(self.snapshot_path, read_only=True) as con:
            yield con

    def publish(self) -> Path:
        """Replace the snapshot by a copy of the live file, atomically. Open readers keep the old one.

        Returns:
            The snapshot's path.
        """
        fresh = self.snapshot_path.with_name(f"{self.snapshot_path.name}.{os.getpid()}.{get_ident()}.tmp")
        with self.write() as con:
            for leftover in self.snapshot_path.parent.glob(f"{self.snapshot_path.name}.*.tmp*"):
                leftover.unlink(missing_ok=True)
            live = con.execute("SELECT current_database()").fetchall()[0][0]
            con.execute(f"ATTACH {_literal(str(fresh))} AS snapshot")
            con.execute(f"COPY FROM DATABASE {_identifier(live)} TO snapshot")
            con.execute("DETACH snapshot")
            fresh.replace(self.snapshot_path)
        return self.snapshot_path

    @contextmanager
    def _locked(self) -> Iterator[None]:
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            handle = self.path.with_name(f"{self.path.name}.lock").open("a")
        except OSError as error:
            raise StoreUnavailableError(f"Cannot write beside {self.path}: {error.strerror}.") from error
        with handle:
            deadline = time.monotonic() + self._settings.lock_seconds
            while True:
                try:
                    fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    break
                except BlockingIOError:
                    if time.monotonic() > deadline:
                        raise StoreUnavailableError(
                            f"Another process has been writing to {self.path} for {self._settings.lock_seconds:g} s. "
                            "Wait for it, or raise METRIC_STORE_LOCK_SECONDS."
                        ) from None
                    time.sleep(_POLL_SECONDS)
            yield  # closing the handle releases the lock

    @contextmanager
    def _connect(self, path: Path, *, read_only: bool) -> Iterator[duckdb.DuckDBPyConnection]:
        with deferred_interrupts(), self._connected(path, read_only=read_only) as con:
            yield con

    @contextmanager
    def _connected(self, path: Path, *, read_only: bool) -> Iterator[duckdb.DuckDBPyConnection]:
        config: dict[str, str | bool | int | float | list[str]] = {
            "threads": self._settings.threads,
            "memory_limit": self._settings.memory_limit,
            "temp_directory": str(path.with_name(f"{path.name}.spill")),
            "autoinstall_known_extensions": False,
            "autoload_known_extensions": False,
        }
        try:
            con = duckdb.connect(str(path), read_only=read_only, config=config)
        except (duckdb.IOException, duckdb.ConnectionException, duckdb.SerializationException) as error:
            raise StoreUnavailableError(f"Cannot open the database {path}: {_first_line(error)}") from error
        try:
            con.execute("SET TimeZone = 'UTC'")  # not accepted as a start-up option, and neither is the next
            con.execute("SET enable_progress_bar = FALSE")  # DuckDB would print over ours
            yield con
        except (
            duckdb.IOException,
            duckdb.FatalException,
            duckdb.OutOfMemoryException,
            duckdb.TransactionException,
        ) as error:
            if isinstance(error, duckdb.TransactionException) and "Failed to commit" not in str(error):
                raise  # a bug of ours; a full disk at COMMIT is one of these too
            raise StoreUnavailableError(
                f"The database {path} stopped the work: {_first_line(error)} "
                "What was committed is kept; free disk or raise METRIC_STORE_MEMORY_LIMIT, then run again."
            ) from error
        finally:
            con.close()


def _first_line(error: Exception) -> str:
    return str(error).splitlines()[0]


def _identifier(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def _literal(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"
