"""A published snapshot that many threads read while newer ones replace it.

DuckDB keeps one instance for each path inside a process, so a process that always has a reader open would never see
the file that `Store.publish` put in the place of the old one. Each generation is therefore opened under a name of its
own: a hard link, removed as soon as it is open. Readers of an old generation keep it; the last of them closes it.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import count
from pathlib import Path

import duckdb

from pipeline.errors import StoreUnavailableError

_NAMES = count()


@dataclass(frozen=True)
class Generation:
    """Which publication an answer was read from.

    Attributes:
        token: differs between any two publications; part of an ETag.
        published_at: when the file was put in place.
    """

    token: str
    published_at: datetime


@dataclass
class _Opened:
    generation: Generation
    con: duckdb.DuckDBPyConnection
    readers: int = 0


class SnapshotReader:
    """Cursors on the newest publication of one file; safe to share between threads.

    Args:
        path: the file that is replaced atomically by whoever publishes.
        config: DuckDB start-up options of every generation, for example `threads` and `memory_limit`.
    """

    def __init__(self, path: Path, config: Mapping[str, str | bool | int | float | list[str]]) -> None:
        self.path = path
        self._config = dict(config)
        self._lock = threading.Lock()
        self._opened: _Opened | None = None

    @contextmanager
    def cursor(self) -> Iterator[tuple[duckdb.DuckDBPyConnection, Generation]]:
        """A cursor on the newest generation; all that is read through it comes from that one publication.

        Raises:
            StoreUnavailableError: nothing has been published yet, or the file cannot be opened.
        """
        with self._lock:
            opened = self._newest()
            opened.readers += 1
            cursor = opened.con.cursor()
        try:
            yield cursor, opened.generation
        finally:
            cursor.close()
            with self._lock:
                opened.readers -= 1
                if opened is not self._opened and opened.readers == 0:
                    opened.con.close()

    def generation(self) -> Generation:
        """The newest generation, without reading from it.

        Raises:
            StoreUnavailableError: nothing has been published yet.
        """
        with self._lock:
            return self._newest().generation

    def close(self) -> None:
        """Close the current generation once its readers are done; the next reader opens it again."""
        with self._lock:
            self._retire()

    def _newest(self) -> _Opened:
        try:
            found = _generation(self.path)
        except FileNotFoundError:
            raise StoreUnavailableError(
                f"Nothing has been published at {self.path}. Run `metric-store run` (or `demo`) first."
            ) from None
        if self._opened is None or self._opened.generation != found:
            fresh = self._open()
            self._retire()
            self._opened = fresh
        return self._opened

    def _retire(self) -> None:
        old, self._opened = self._opened, None
        if old is not None and old.readers == 0:
            old.con.close()

    def _open(self) -> _Opened:
        link = self.path.with_name(f"{self.path.name}.{os.getpid()}.{next(_NAMES)}.reading")
        try:
            link.hardlink_to(self.path)
            generation = _generation(link)  # of the link: the path may be replaced at any time
            con = duckdb.connect(str(link), read_only=True, config=self._config)
            con.execute("SET GLOBAL TimeZone = 'UTC'")  # every cursor has it
        except (OSError, duckdb.Error) as error:
            raise StoreUnavailableError(
                f"Cannot open the snapshot {self.path}: {str(error).splitlines()[0]}"
            ) from error
        finally:
            link.unlink(missing_ok=True)  # DuckDB keeps the file open; a crash leaves nothing behind
        return _Opened(generation, con)


def _generation(path: Path) -> Generation:
    """Identity of the file behind a path: inode and time of the last write, which publishing never repeats."""
    found = path.stat()
    token = f"{found.st_ino:x}-{found.st_mtime_ns:x}"
    return Generation(token, datetime.fromtimestamp(found.st_mtime_ns / 1e9, UTC))
