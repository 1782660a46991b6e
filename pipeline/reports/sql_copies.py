"""What a key may read, as files of their own: one for each table and class of rights, made when a query names it.

A query can only show what is in the files that it is given, whatever its text says. Files belong to one publication;
keys with equal rights share them; those of older publications are removed.
"""

from __future__ import annotations

import hashlib
import shutil
import threading
from collections import OrderedDict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path

import duckdb

from pipeline.errors import StoreUnavailableError
from pipeline.reports.readable import Rights, readable
from pipeline.store.engine import Generation, literal
from pipeline.store.snapshot import SnapshotReader

_NAMES = count()


@dataclass
class Copy:
    """One file.

    Attributes:
        token: of the publication.
        bytes: its size; None until it is made.
        users: queries that read it or will.
    """

    path: Path
    token: str
    lock: threading.Lock = field(default_factory=threading.Lock)
    bytes: int | None = None
    users: int = 0


@dataclass
class Lease:
    """Copies that one query uses."""

    owner: SqlCopies
    copies: dict[str, Copy]

    @property
    def files(self) -> dict[str, str]:
        """The file of each table."""
        return {table: str(copy.path) for table, copy in self.copies.items()}

    def release(self) -> None:
        """They may be removed."""
        self.owner.release(self.copies.values())


class SqlCopies:
    """Copies of what may be read of the newest publication; safe to share between threads.

    Args:
        reader: of a snapshot, on connections that may write files.
        folder: of this process alone, made when it is needed.
        most_bytes: what the copies may take on disk; the least recently used go first.
    """

    def __init__(self, reader: SnapshotReader, folder: Path, most_bytes: int) -> None:
        self._reader = reader
        self._folder = folder
        self._most_bytes = most_bytes
        self._lock = threading.Lock()
        self._copies: OrderedDict[str, Copy] = OrderedDict()

    def take(self, rights: Rights, tables: Sequence[str]) -> Lease:
        """A DuckDB file for each table, all of one publication, kept until the lease is released.

        Raises:
            StoreUnavailableError: nothing has been published, or there is no room for a copy.
        """
        with self._reader.cursor() as (con, generation):
            lease = Lease(self, {table: self._use(generation, table, rights) for table in tables})
            try:
                for table, copy in lease.copies.items():
                    with copy.lock:
                        if copy.bytes is None:
                            copy.bytes = self._make(con, copy.path, table, rights)
                self.sweep(generation)
            except BaseException:
                lease.release()
                raise
            return lease

    def sweep(self, newest: Generation | None = None) -> None:
        """Remove what belongs to older publications, and what is too much."""
        token = (newest or self._reader.generation()).token
        with self._lock:
            free = [name for name, copy in self._copies.items() if copy.users == 0]
            total = sum(copy.bytes or 0 for copy in self._copies.values())
            for name in free:
                copy = self._copies[name]
                if copy.token != token or total > self._most_bytes:
                    total -= copy.bytes or 0
                    copy.path.unlink(missing_ok=True)
                    del self._copies[name]

    def close(self) -> None:
        """Remove all of them."""
        with self._lock:
            self._copies.clear()
            shutil.rmtree(self._folder, ignore_errors=True)

    def release(self, copies: Iterable[Copy]) -> None:
        """Somebody needs these no longer."""
        with self._lock:
            for copy in copies:
                copy.users -= 1

    def _use(self, generation: Generation, table: str, rights: Rights) -> Copy:
        name = hashlib.sha256(f"{generation.token} {readable(table, rights)}".encode()).hexdigest()[:32]
        with self._lock:
            copy = self._copies.setdefault(name, Copy(self._folder / f"{name}.duckdb", generation.token))
            self._copies.move_to_end(name)
            copy.users += 1
        return copy

    def _make(self, con: duckdb.DuckDBPyConnection, path: Path, table: str, rights: Rights) -> int:
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        path.unlink(missing_ok=True)
        alias = f"readable_{next(_NAMES)}"
        try:
            con.execute(f"ATTACH {literal(str(path))} AS {alias} (READ_WRITE)")
            try:
                con.execute(f"CREATE TABLE {alias}.main.{table} AS {readable(table, rights)}")
            finally:
                con.execute(f"DETACH {alias}")
        except (duckdb.IOException, duckdb.OutOfMemoryException) as error:
            path.unlink(missing_ok=True)
            raise StoreUnavailableError(
                f"There is no room for a copy of {table} that this key may read; ask for less, or later."
            ) from error
        return path.stat().st_size
