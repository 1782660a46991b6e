"""The store in one file: a `flock` around every write, snapshots for readers.

The live file is opened only inside `DatabaseFile.writer`, under a `flock` on a sidecar file, and only for as long as
the SQL runs. Nothing else may open it: closing any descriptor of the file would drop DuckDB's own lock.
"""

from __future__ import annotations

import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import count
from pathlib import Path

import duckdb

from pipeline.errors import StoreUnavailableError
from pipeline.settings import Settings
from pipeline.store.engine import (
    REWRITTEN,
    UNREWRITTEN,
    Config,
    Generation,
    Prepare,
    Published,
    Subject,
    first_line,
    literal,
    plain_errors,
)
from pipeline.store.interrupts import deferred_interrupts
from pipeline.store.replica import fresh_name, replicate
from pipeline.store.spill import spill_folder
from pipeline.store.sql import load_sql, run_script

_POLL_SECONDS = 0.02
# Of new files; DuckDB 1.4 (LTS) and later read it. In DuckDB's default, which is older, a checkpoint looks at every
# row group again, so that its cost grows with the history.
_STORAGE = "v1.4.0"
_FREE_SHARE = 0.2  # of the file that may be free before maintenance writes it anew; what is free is used again
_NAMES = count()


class DatabaseFile:
    """The live file of a deployment, and the two files that are published from it."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._path = settings.database_path
        self._published = {"data": settings.snapshot_path, "control": settings.control_path}
        self._spill = self._path.with_name(f"{self._path.name}.spill")

    @contextmanager
    def writer(
        self,
        subject: Subject | None,  # noqa: ARG002 - one lock for all
        prepare: Prepare,
    ) -> Iterator[duckdb.DuckDBPyConnection]:
        """The live file, alone; there is no connection before the lock."""
        with self._locked(), deferred_interrupts(), self._connected(self._path, read_only=False) as con:
            prepare(con)
            yield con

    @contextmanager
    def reader(self) -> Iterator[duckdb.DuckDBPyConnection]:
        """The published snapshot; never waits for a writer."""
        path = self._published["data"]
        if not path.exists():
            raise _nothing_published(path)
        with deferred_interrupts(), self._connected(path, read_only=True) as con:
            yield con

    def prepare(self) -> None:
        """Nothing to do."""

    def check(self) -> None:
        """The kernel gives nobody else the lock while this process lives."""

    def publish(self, con: duckdb.DuckDBPyConnection) -> int:
        """Replace the snapshot by the live file as it is, atomically. Open readers keep the old one.

        The connection is closed by then: DuckDB's own lock goes with any descriptor of the file.
        """
        target = self._published["data"]
        con.execute("CHECKPOINT")
        con.close()
        try:
            replicate(self._path, target)
        except OSError as error:
            raise StoreUnavailableError(f"Cannot write the snapshot {target}: {error.strerror}.") from error
        return target.stat().st_size

    def publish_control(self, con: duckdb.DuckDBPyConnection) -> None:
        """Replace the file of what people change, atomically."""
        target = self._published["control"]
        fresh = fresh_name(target)
        live = con.execute("SELECT current_database()").fetchall()[0][0]
        con.execute(f"ATTACH {literal(str(fresh))} AS control")
        try:
            run_script(con, load_sql("pipeline.store.publish", "control"))
            con.execute("USE control")  # CREATE TABLE … AS leaves comments behind
            con.execute(load_sql("pipeline.store.description", "control"))
        finally:
            con.execute(f"USE {_identifier(live)}")
            con.execute("DETACH control")
        fresh.replace(target)

    def publications(self, kind: Published) -> FilePublications:
        """The file that is published, whichever it is at the time."""
        return FilePublications(self._published[kind], self._spill)

    def maintain(self, con: duckdb.DuckDBPyConnection) -> int:
        """Drop deleted rows; write the file anew where much is free: DuckDB gives back only what is at its end.

        Where conversations were erased since, that is done in any case, and all that readers have is replaced: what was
        erased would still stand in free blocks.
        """
        con.execute("CHECKPOINT")
        if con.execute(UNREWRITTEN).fetchall()[0][0]:
            self._rewrite(con, con.execute("SELECT current_database()").fetchall()[0][0])
            for target in self._published.values():
                target.with_name(f"{target.name}.spare").unlink(missing_ok=True)
            replicate(self._path, self._published["data"])
            self._published["data"].with_name(f"{self._published['data'].name}.spare").unlink(missing_ok=True)
            return self._path.stat().st_size
        (live, total, free), *_ = con.execute(
            "SELECT database_name, total_blocks, free_blocks FROM pragma_database_size()"
            " WHERE database_name = current_database()"
        ).fetchall()
        if free > _FREE_SHARE * total:
            self._rewrite(con, live)
        return self._path.stat().st_size

    def _rewrite(self, con: duckdb.DuckDBPyConnection, live: str) -> None:
        fresh = fresh_name(self._path)
        try:
            con.execute(f"ATTACH {literal(str(fresh))} AS fresh")
            con.execute(f"COPY FROM DATABASE {_identifier(live)} TO fresh")
            for statement in REWRITTEN:
                con.execute(statement.format(place="fresh."))
            con.execute("DETACH fresh")
            con.close()
            fresh.replace(self._path)
        except BaseException:
            for left in (fresh, fresh.with_name(f"{fresh.name}.wal")):
                left.unlink(missing_ok=True)
            raise

    @contextmanager
    def only_one(self, work: str) -> Iterator[bool]:
        """A lock file of the work."""
        self._settings.home.mkdir(parents=True, exist_ok=True)
        with (self._settings.home / f"{work}.lock").open("a") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                yield False
            else:
                yield True

    @contextmanager
    def _locked(self) -> Iterator[None]:
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            handle = self._path.with_name(f"{self._path.name}.lock").open("a")
        except OSError as error:
            raise StoreUnavailableError(f"Cannot write beside {self._path}: {error.strerror}.") from error
        with handle:
            deadline = time.monotonic() + self._settings.lock_seconds
            while True:
                try:
                    fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    break
                except BlockingIOError:
                    if time.monotonic() > deadline:
                        raise StoreUnavailableError(
                            f"Another process has been writing to {self._path} for {self._settings.lock_seconds:g} s. "
                            "Wait for it, or raise METRIC_STORE_LOCK_SECONDS."
                        ) from None
                    time.sleep(_POLL_SECONDS)
            yield  # closing the handle releases the lock

    @contextmanager
    def _connected(self, path: Path, *, read_only: bool) -> Iterator[duckdb.DuckDBPyConnection]:
        config: dict[str, str | bool | int | float | list[str]] = {
            "threads": self._settings.threads,
            "memory_limit": self._settings.memory_limit,
            "storage_compatibility_version": _STORAGE,
            "temp_directory": spill_folder(self._spill),
            "autoinstall_known_extensions": False,
            "autoload_known_extensions": False,
        }
        try:
            con = duckdb.connect(str(path), read_only=read_only, config=config)
        except (duckdb.IOException, duckdb.ConnectionException, duckdb.SerializationException) as error:
            raise StoreUnavailableError(f"Cannot open the database {path}: {first_line(error)}") from error
        try:
            con.execute("SET TimeZone = 'UTC'")  # not accepted as a start-up option, and neither is the next
            con.execute("SET enable_progress_bar = FALSE")  # DuckDB would print over ours
            with plain_errors(str(path)):
                yield con
        finally:
            con.close()


class FilePublications:
    """A file that is replaced atomically by whoever publishes.

    DuckDB keeps one instance for each path inside a process, so a process that always has a reader open would never see
    the file that took the place of the old one. Each generation is therefore opened under a name of its own: a hard
    link, removed as soon as it is open.
    """

    def __init__(self, path: Path, spill: Path) -> None:
        self._path = path
        self._spill = spill

    def exist(self) -> bool:
        """Whether there is a file."""
        return self._path.exists()

    def newest(self) -> Generation:
        """Identity of the file behind the path."""
        try:
            return _generation(self._path)
        except FileNotFoundError:
            raise _nothing_published(self._path) from None

    def open(self, config: Config) -> OpenedFile:
        """Open the file under a name of its own."""
        link = self._path.with_name(f"{self._path.name}.{os.getpid()}.{next(_NAMES)}.reading")
        try:
            link.hardlink_to(self._path)
            generation = _generation(link)  # of the link: the path may be replaced at any time
            options = {"temp_directory": spill_folder(self._spill), **config}
            walled = not options.pop("enable_external_access", True)
            con = duckdb.connect(str(link), read_only=True, config=options)
            con.execute("SET GLOBAL TimeZone = 'UTC'")  # every cursor has it
            if walled:  # not at the start, when it forbids to name a folder
                con.execute("SET GLOBAL enable_external_access = FALSE")
        except FileNotFoundError:
            raise _nothing_published(self._path) from None
        except (OSError, duckdb.Error) as error:
            raise StoreUnavailableError(f"Cannot open the snapshot {self._path}: {first_line(error)}") from error
        finally:
            link.unlink(missing_ok=True)  # DuckDB keeps the file open; a crash leaves nothing behind
        return OpenedFile(generation, con)

    def close(self) -> None:
        """Nothing is held."""


@dataclass
class OpenedFile:
    """One generation of a published file; whoever holds it keeps it, whatever is published after it."""

    generation: Generation
    con: duckdb.DuckDBPyConnection

    def cursor(self) -> duckdb.DuckDBPyConnection:
        """A connection of its own."""
        return self.con.cursor()

    def close(self) -> None:
        """Close the file."""
        self.con.close()


def _generation(path: Path) -> Generation:
    """Identity of the file behind a path: inode and time of the last write, which publishing never repeats."""
    found = path.stat()
    token = f"{found.st_ino:x}-{found.st_mtime_ns:x}"
    return Generation(token, datetime.fromtimestamp(found.st_mtime_ns / 1e9, UTC))


def _nothing_published(path: Path) -> StoreUnavailableError:
    return StoreUnavailableError(f"Nothing has been published at {path}. Run `metric-store run` (or `demo`) first.")


def _identifier(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'
