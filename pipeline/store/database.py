"""The store: one interface for everything that writes and reads rows, whatever they are kept in."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from threading import get_ident

import duckdb

from pipeline.errors import InternalError, SettingsError
from pipeline.settings import Settings
from pipeline.store.engine import Engine, Prepare, Published, Subject
from pipeline.store.file import DatabaseFile
from pipeline.store.migrations import migrate


def engine_of(settings: Settings) -> Engine:
    """DuckLake when a catalog is configured, else one file.

    Raises:
        SettingsError: what DuckLake needs is not configured or not installed.
    """
    if settings.catalog is None:
        return DatabaseFile(settings)
    try:
        from pipeline.store.lake import Lake
    except ModuleNotFoundError as error:
        raise SettingsError(
            f"METRIC_STORE_CATALOG needs the package {error.name}: install metric-store[lake]."
        ) from None
    return Lake(settings)


class Store:
    """The metric store of one deployment.

    Args:
        settings: where it is, how much memory and how many threads DuckDB may use, whose rows are written.
    """

    def __init__(self, settings: Settings) -> None:
        self.path = settings.database_path
        self.snapshot_path = settings.snapshot_path
        self.control_path = settings.control_path
        self.workspace_id = settings.workspace_id
        self.engine = engine_of(settings)
        self._migrated = False
        self._writer: int | None = None

    @contextmanager
    def write(
        self, subject: Subject | None = None, *, prepare: Prepare = lambda _: None
    ) -> Iterator[duckdb.DuckDBPyConnection]:
        """Open the live database; migrate it the first time; close it at the end. An open transaction is undone.

        Never keep it across a model call or anything else that is slow and is not SQL.

        Args:
            subject: what the block writes, and all it writes: on DuckLake, others may write another subject meanwhile,
                so what the block reads of theirs must be read by one statement or in one transaction. Without it, and
                always on a file, nobody else writes at all.
            prepare: work on temporary tables that reads nothing of the store; on DuckLake, others write meanwhile.

        Raises:
            StoreUnavailableError: the database cannot be opened, or another process held it too long.
        """
        if self._writer == get_ident():
            raise InternalError("Store.write was entered twice by one thread; pass the connection down instead.")
        outdated = False
        # A migration needs the store for itself.
        with self.engine.writer(subject if self._migrated else None, prepare) as con:
            self._writer = get_ident()
            try:
                if not self._migrated:
                    self.engine.prepare()
                    outdated = migrate(con)
                    self._migrated = True
                yield con
            finally:
                self._writer = None
        if outdated:
            self._publish_again()

    def _publish_again(self) -> None:
        """Readers of this version must not meet the columns of an older one."""
        with self.write() as con:
            if self.is_published("control"):
                self.engine.publish_control(con)
            if self.is_published("data"):
                self.engine.publish(con)

    def is_published(self, kind: Published) -> bool:
        """Whether readers have anything yet: of the data, or of what people change.

        Raises:
            StoreUnavailableError: the database cannot be asked.
        """
        publications = self.engine.publications(kind)
        try:
            return publications.exist()
        finally:
            publications.close()

    @contextmanager
    def transaction(
        self, subject: Subject | None = None, *, prepare: Prepare = lambda _: None
    ) -> Iterator[duckdb.DuckDBPyConnection]:
        """Like `write`, in one transaction: committed when the block ends, undone when it raises."""
        with self.write(subject, prepare=prepare) as con:
            con.execute("BEGIN")
            yield con
            self.engine.check()
            con.execute("COMMIT")

    @contextmanager
    def read(self) -> Iterator[duckdb.DuckDBPyConnection]:
        """Read what was published last, and nothing newer; never waits for a writer.

        Raises:
            StoreUnavailableError: nothing has been published yet.
        """
        with self.engine.reader() as con:
            yield con

    def maintain(self) -> int:
        """Tidy up while nobody writes; what is published and what is being read stays readable.

        Returns:
            The size of the data in bytes.
        """
        with self.write() as con:
            return self.engine.maintain(con)

    def publish(self) -> int:
        """Show readers what is committed. Those that read already keep what they have.

        Returns:
            The size of what they read, in bytes.
        """
        with self.write() as con:
            return self.engine.publish(con)
