"""The store on several machines: DuckLake, whose catalog is in PostgreSQL and whose data is in a folder they share.

A snapshot of DuckLake is what a copied file is for the embedded store: publishing remembers its number, readers are
attached at it, and maintenance leaves it alone while it is published or read.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from functools import lru_cache
from itertools import count

import duckdb
import psycopg

from pipeline.errors import SettingsError, StoreUnavailableError
from pipeline.settings import Settings
from pipeline.store.engine import (
    REWRITTEN,
    UNREWRITTEN,
    Config,
    Generation,
    Prepare,
    Published,
    Subject,
    plain_errors,
)
from pipeline.store.interrupts import deferred_interrupts
from pipeline.store.lake_connection import Location, open_lake
from pipeline.store.postgres import Catalog, newest, pin
from pipeline.store.sql import load_sql

_NAMES = count()
_OPENING = threading.Lock()
_DELETED_SHARE = 0.95  # of a file's rows: then maintenance rewrites it


class Lake:
    """The DuckLake of a deployment.

    Raises:
        SettingsError: a setting is missing or wrong.
    """

    def __init__(self, settings: Settings) -> None:
        assert settings.catalog is not None
        if settings.data_path is None:
            raise SettingsError(
                "METRIC_STORE_CATALOG is set and METRIC_STORE_DATA_PATH is not: name the folder of the data, "
                "which all machines have under the same path."
            )
        self._catalog = Catalog(settings.catalog.get_secret_value(), settings.lock_seconds)
        self._location = Location(self._catalog, settings.data_path.absolute(), settings.home / "lake.spill")
        self._limits = (settings.threads, settings.memory_limit)
        self._held = threading.local()

    @contextmanager
    def writer(self, subject: Subject | None, prepare: Prepare) -> Iterator[duckdb.DuckDBPyConnection]:
        """The newest snapshot, to be written on."""
        with self._cursor() as con, plain_errors(str(self._catalog)):
            with deferred_interrupts():
                prepare(con)
            with self._catalog.writing(subject) as session, deferred_interrupts():
                self._held.session = session
                con.execute("USE lake")
                yield con

    @contextmanager
    def reader(self) -> Iterator[duckdb.DuckDBPyConnection]:
        """The published snapshot."""
        with (
            deferred_interrupts(),
            closing(self.publications("data").open({})) as snapshot,
            closing(snapshot.cursor()) as con,
            plain_errors(str(self._catalog)),
        ):
            con.execute("SET enable_progress_bar = FALSE")  # DuckDB would print over ours
            yield con

    def prepare(self) -> None:
        """Make the table of publications."""
        self._catalog.set_up()

    def check(self) -> None:
        """Is the lock still ours? A session that the server lost has given it to others."""
        self._held.session.execute("SELECT 1")

    def publish(self, con: duckdb.DuckDBPyConnection) -> int:  # noqa: ARG002 - nothing is copied
        """Point readers at the newest snapshot."""
        self._catalog.publish("data")
        return self._catalog.live_bytes()

    def publish_control(self, con: duckdb.DuckDBPyConnection) -> None:  # noqa: ARG002
        """Point readers of what people change at the newest snapshot."""
        self._catalog.publish("control")

    def publications(self, kind: Published) -> LakePublications:
        """Snapshots as they are published."""
        return LakePublications(self._location, self._instance, kind)

    def maintain(self, con: duckdb.DuckDBPyConnection) -> int:
        """Merge small files, forget snapshots that nobody reads, delete files that belong to none."""
        if not con.execute(UNREWRITTEN).fetchall()[0][0]:
            self._catalog.publish("control")  # what people change seldom must not keep an old snapshot of everything
            self._tidy(con, _DELETED_SHARE)
            return self._catalog.live_bytes()
        for statement in REWRITTEN:
            con.execute(statement.format(place=""))
        # What was erased is in older snapshots, and in the files of the newest one until they are rewritten.
        for _ in range(2):
            self._catalog.publish("data")
            self._catalog.publish("control")
            self._tidy(con, 0.0)
        return self._catalog.live_bytes()

    def _tidy(self, con: duckdb.DuckDBPyConnection, deleted_share: float) -> None:
        """Forget snapshots; rewrite files of whose rows this share is deleted; delete files that belong to none."""
        unused = con.execute(
            load_sql("pipeline.store.upkeep", "unused"), {"in_use": self._catalog.in_use()}
        ).fetchall()[0][0]
        parameters = {"unused": unused, "deleted_share": deleted_share}
        for statement in con.extract_statements(load_sql("pipeline.store.upkeep", "lake")):
            wanted = statement.named_parameters
            con.execute(statement, {name: value for name, value in parameters.items() if name in wanted})

    @contextmanager
    def only_one(self, work: str) -> Iterator[bool]:
        """A lock of the work."""
        with self._catalog.working(work) as alone:
            yield alone

    @contextmanager
    def _cursor(self) -> Iterator[duckdb.DuckDBPyConnection]:
        """A connection to this process's DuckDB, with temporary tables of its own."""
        with closing(self._instance().cursor()) as con:
            con.execute("SET enable_progress_bar = FALSE")
            yield con

    def _instance(self) -> duckdb.DuckDBPyConnection:
        with _OPENING:
            return _instance(self._location, *self._limits, os.getpid())


@lru_cache(maxsize=4)
def _instance(location: Location, threads: int, memory_limit: str, process: int) -> duckdb.DuckDBPyConnection:  # noqa: ARG001 - a fork has its own
    """One DuckDB for a process: loading the extensions and attaching takes a third of a second."""
    return open_lake(location, {"threads": threads, "memory_limit": memory_limit})


class LakePublications:
    """The published snapshots of one kind."""

    def __init__(self, location: Location, instance: Callable[[], duckdb.DuckDBPyConnection], kind: Published) -> None:
        self._location = location
        self._instance = instance
        self._kind = kind
        self._session: psycopg.Connection | None = None

    def exist(self) -> bool:
        """Whether there is a published snapshot."""
        return self._newest() is not None

    def newest(self) -> Generation:
        """The published snapshot."""
        found = self._newest()
        if found is None:
            raise _nothing_published(self._location.catalog)
        return found[1]

    def open(self, config: Config) -> OpenedSnapshot:
        """The published snapshot: behind walls in a DuckDB of its own, else attached by that of the process."""
        catalog = self._location.catalog
        with ExitStack() as stack:
            session = stack.enter_context(catalog.session())
            found = pin(session, self._kind)
            if found is None:
                raise _nothing_published(catalog)
            snapshot, generation = found
            if config.get("enable_external_access", True):
                name = f"published_{next(_NAMES)}"
                con = stack.enter_context(closing(self._instance().cursor()))
                con.execute(f"ATTACH 'ducklake:lake' AS {name} (READ_ONLY, SNAPSHOT_VERSION {snapshot})")
                stack.callback(con.execute, f"DETACH {name}")
            else:
                name = "lake"
                con = stack.enter_context(closing(open_lake(self._location, config, snapshot=snapshot)))
            return OpenedSnapshot(generation, con, name, stack.pop_all())

    def close(self) -> None:
        """End the session on which new publications are asked for."""
        if self._session is not None:
            self._session.close()
            self._session = None

    def _newest(self) -> tuple[int, Generation] | None:
        """Asked on a session that is kept: a server asks for each request."""
        try:
            if self._session is None:
                self._session = self._location.catalog.connect()
            return newest(self._session, self._kind)
        except psycopg.OperationalError as error:
            self.close()
            raise self._location.catalog.unreachable(error) from None


@dataclass
class OpenedSnapshot:
    """A snapshot that is kept from being expired until it is closed."""

    generation: Generation
    con: duckdb.DuckDBPyConnection
    name: str
    held: ExitStack

    def cursor(self) -> duckdb.DuckDBPyConnection:
        """A connection of its own."""
        cursor = self.con.cursor()
        cursor.execute(f"USE {self.name}")
        return cursor

    def close(self) -> None:
        """Let go of the snapshot."""
        self.held.close()


def _nothing_published(catalog: Catalog) -> StoreUnavailableError:
    return StoreUnavailableError(f"Nothing has been published in {catalog}. Run `metric-store run` first.")
