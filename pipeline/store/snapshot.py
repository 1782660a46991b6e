"""Publications that many threads read while newer ones take their place."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import duckdb

from pipeline.settings import Settings
from pipeline.store.database import engine_of
from pipeline.store.engine import Config, Generation, OpenedPublication, Publications, Published

__all__ = ["Generation", "SnapshotReader", "snapshot_reader"]


@dataclass
class _Opened:
    publication: OpenedPublication
    readers: int = 0


class SnapshotReader:
    """Cursors on the newest publication; safe to share between threads.

    Readers of an old generation keep it; the last of them closes it.

    Args:
        publications: what is read.
        config: DuckDB start-up options of every generation, for example `threads` and `memory_limit`.
    """

    def __init__(self, publications: Publications, config: Config) -> None:
        self._publications = publications
        self._config = config
        self._lock = threading.Lock()
        self._opened: _Opened | None = None

    @contextmanager
    def cursor(self) -> Iterator[tuple[duckdb.DuckDBPyConnection, Generation]]:
        """A cursor on the newest generation; all that is read through it comes from that one publication.

        Raises:
            StoreUnavailableError: nothing has been published yet, or it cannot be opened.
        """
        with self._lock:
            opened = self._newest()
            opened.readers += 1
            cursor = opened.publication.cursor()
        try:
            yield cursor, opened.publication.generation
        finally:
            cursor.close()
            with self._lock:
                opened.readers -= 1
                if opened is not self._opened and opened.readers == 0:
                    opened.publication.close()

    def generation(self) -> Generation:
        """The newest generation, without reading from it.

        Raises:
            StoreUnavailableError: nothing has been published yet.
        """
        with self._lock:
            return self._newest().publication.generation

    def close(self) -> None:
        """Close the current generation once its readers are done; the next reader opens it again."""
        with self._lock:
            self._retire()
            self._publications.close()

    def _newest(self) -> _Opened:
        found = self._publications.newest()
        if self._opened is None or self._opened.publication.generation != found:
            fresh = _Opened(self._publications.open(self._config))
            self._retire()
            self._opened = fresh
        return self._opened

    def _retire(self) -> None:
        old, self._opened = self._opened, None
        if old is not None and old.readers == 0:
            old.publication.close()


def snapshot_reader(settings: Settings, kind: Published, config: Config) -> SnapshotReader:
    """A reader of what a deployment publishes."""
    return SnapshotReader(engine_of(settings).publications(kind), config)
