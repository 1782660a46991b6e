"""What a store can be kept in: one file (`store.file`), or DuckLake on PostgreSQL (`store.lake`)."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Literal, Protocol

import duckdb

from pipeline.errors import StoreUnavailableError

Config = Mapping[str, str | bool | int | float | list[str]]
"""DuckDB start-up options."""

Published = Literal["data", "control"]
"""What is published apart: all of it when a run is complete; what people change, as soon as it changes."""

Subject = Literal["events", "values", "judge", "control"]
"""What SQL writes: events and conversations; values and period rows; answers of models; what people change."""

Prepare = Callable[[duckdb.DuckDBPyConnection], None]
"""Work on temporary tables that reads nothing of the store."""


@dataclass(frozen=True)
class Generation:
    """Which publication an answer was read from.

    Attributes:
        token: differs between any two publications; part of an ETag.
        published_at: when it was published.
    """

    token: str
    published_at: datetime


class Publications(Protocol):
    """Where readers find what is published."""

    def exist(self) -> bool:
        """Whether anything has been published."""

    def newest(self) -> Generation:
        """The newest publication.

        Raises:
            StoreUnavailableError: nothing has been published yet.
        """

    def open(self, config: Config) -> OpenedPublication:
        """The newest publication, opened read-only for as long as it is needed.

        Raises:
            StoreUnavailableError: nothing has been published yet, or it cannot be opened.
        """

    def close(self) -> None:
        """Let go of what is held between two looks at `newest`."""


class OpenedPublication(Protocol):
    """A publication that stays as it is until it is closed."""

    generation: Generation

    def cursor(self) -> duckdb.DuckDBPyConnection:
        """A connection of its own; its caller closes it."""

    def close(self) -> None:
        """Let go of it."""


class Engine(Protocol):
    """The database behind a `Store`."""

    def writer(self, subject: Subject | None, prepare: Prepare) -> AbstractContextManager[duckdb.DuckDBPyConnection]:
        """A connection while no one else writes the subject; without one, while no one else writes at all.

        `prepare` is called with it before the lock is waited for, where that is possible.
        """

    def reader(self) -> AbstractContextManager[duckdb.DuckDBPyConnection]:
        """A connection that reads the newest publication of the data."""

    def prepare(self) -> None:
        """Called inside the first `writer` of a process, before migrations."""

    def check(self) -> None:
        """Called inside a `writer`, just before a transaction is committed.

        Raises:
            StoreUnavailableError: others may have been writing; nothing may be committed.
        """

    def publish(self, con: duckdb.DuckDBPyConnection) -> int:
        """Publish the data inside a `writer`; returns its size in bytes."""

    def publish_control(self, con: duckdb.DuckDBPyConnection) -> None:
        """Publish what people change, inside a `writer`."""

    def publications(self, kind: Published) -> Publications:
        """What is published."""

    def maintain(self, con: duckdb.DuckDBPyConnection) -> int:
        """Tidy up inside a `writer` of everything; returns the size of the data in bytes."""

    def only_one(self, work: str) -> AbstractContextManager[bool]:
        """Whether this process is the only one that does some work, for as long as the block lasts; never waits."""


@contextmanager
def plain_errors(where: str) -> Iterator[None]:
    """Turn what the machine did to the database into one line; a bug of ours stays what it is.

    Args:
        where: the database, as users know it.
    """
    try:
        yield
    except (
        duckdb.IOException,
        duckdb.FatalException,
        duckdb.OutOfMemoryException,
        duckdb.TransactionException,
    ) as error:
        if isinstance(error, duckdb.TransactionException) and "Failed to commit" not in str(error):
            raise  # a bug of ours; a full disk at COMMIT is one of these too
        raise StoreUnavailableError(
            f"The database {where} stopped the work: {first_line(error)} "
            "What was committed is kept; free disk or raise METRIC_STORE_MEMORY_LIMIT, then run again."
        ) from error


UNREWRITTEN = """
SELECT EXISTS (FROM tombstones WHERE rewritten_at IS NULL) OR EXISTS (FROM expirations WHERE rewritten_at IS NULL)
"""
"""Whether something was erased or expired whose bytes may still stand in the files."""
REWRITTEN = (
    "UPDATE {place}tombstones SET rewritten_at = now() WHERE rewritten_at IS NULL",
    "UPDATE {place}expirations SET rewritten_at = now() WHERE rewritten_at IS NULL",
)
"""Once it was done; `place` is a prefix of the tables."""


def first_line(error: Exception) -> str:
    """The first line of a message."""
    return str(error).splitlines()[0]


def literal(text: str) -> str:
    """Text as an SQL literal, for statements that take no parameters."""
    return "'" + text.replace("'", "''") + "'"
