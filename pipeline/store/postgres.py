"""What several machines agree on through PostgreSQL: who writes, what is published, and which snapshots are being read.

All locks are advisory and belong to a session: whoever dies with one has let go of it.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC

import psycopg
from psycopg.conninfo import conninfo_to_dict

from pipeline.errors import SettingsError, StoreUnavailableError
from pipeline.store.engine import Generation, Published, Subject, first_line

LAKE_SCHEMA = "ducklake"
"""Schema of DuckLake's tables in the catalog database; ours is `metric_store`, Dagster's is `public`."""

_WRITING, _READING, _WORKING = 0x6D7301, 0x6D7302, 0x6D7303  # classes of lock keys
_EVERYTHING = 0
_ATTACHING = -1
_SUBJECTS: dict[Subject, int] = {"events": 1, "values": 2, "judge": 3, "control": 4}
# A machine that lost its network is found dead after half a minute, and its locks are free.
_OPTIONS = "-c tcp_keepalives_idle=15 -c tcp_keepalives_interval=5 -c tcp_keepalives_count=3"

_SET_UP = """
CREATE SCHEMA IF NOT EXISTS metric_store;
CREATE TABLE IF NOT EXISTS metric_store.publications (
    kind text PRIMARY KEY, snapshot_id bigint NOT NULL, published_at timestamptz NOT NULL
);
"""
_PUBLISH = f"""
INSERT INTO metric_store.publications
SELECT %s, max(snapshot_id), clock_timestamp() FROM {LAKE_SCHEMA}.ducklake_snapshot
ON CONFLICT (kind) DO UPDATE SET snapshot_id = excluded.snapshot_id, published_at = excluded.published_at
"""  # noqa: S608 - a constant
_NEWEST = "SELECT snapshot_id, published_at FROM metric_store.publications WHERE kind = %s"
_IN_USE = f"""
SELECT max(snapshot_id) FROM {LAKE_SCHEMA}.ducklake_snapshot
UNION SELECT snapshot_id FROM metric_store.publications
UNION SELECT objid::bigint FROM pg_locks
WHERE locktype = 'advisory' AND classid = {_READING}
    AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
"""  # noqa: S608 - constants
_LIVE_BYTES = f"""
SELECT coalesce((SELECT sum(file_size_bytes) FROM {LAKE_SCHEMA}.ducklake_data_file WHERE end_snapshot IS NULL), 0)
"""  # noqa: S608 - a constant


@dataclass(frozen=True)
class Catalog:
    """The database of the catalog.

    Args:
        url: `postgresql://user:password@host:port/database`.
        lock_seconds: how long to wait for another writer.

    Raises:
        SettingsError: it is no such URL.
    """

    url: str = field(repr=False)
    lock_seconds: float

    def __post_init__(self) -> None:
        if not self.url.startswith(("postgresql://", "postgres://")):
            raise SettingsError(
                "METRIC_STORE_CATALOG is no PostgreSQL URL; write postgresql://user:password@host:5432/database."
            )
        try:
            conninfo_to_dict(self.url)
        except psycopg.ProgrammingError:
            raise SettingsError("METRIC_STORE_CATALOG is no valid PostgreSQL URL.") from None

    @property
    def parameters(self) -> dict[str, str]:
        """Host, port, user, password, dbname, as far as the URL has them."""
        return {name: str(value) for name, value in conninfo_to_dict(self.url).items()}

    def __str__(self) -> str:
        """The server and the database, as users know them."""
        found = {"host": "localhost", "port": "5432", "dbname": "", **self.parameters}
        return f"PostgreSQL {found['host']}:{found['port']}/{found['dbname']}"

    def unreachable(self, error: Exception) -> StoreUnavailableError:
        """What to say when the server is away."""
        return StoreUnavailableError(
            f"{self} (METRIC_STORE_CATALOG) does not answer: {first_line(error)} "
            "Start it, or check the address and the password. What was committed is kept."
        )

    def connect(self) -> psycopg.Connection:
        """A connection without transactions; its caller closes it."""
        return psycopg.connect(self.url, autocommit=True, connect_timeout=10, options=_OPTIONS)

    @contextmanager
    def session(self) -> Iterator[psycopg.Connection]:
        """A connection of its own, without a transaction; what it has locked is free when it closes.

        Raises:
            StoreUnavailableError: the server cannot be reached, or breaks off.
        """
        try:
            with self.connect() as session:
                yield session
        except psycopg.OperationalError as error:
            raise self.unreachable(error) from None

    @contextmanager
    def writing(self, subject: Subject | None) -> Iterator[psycopg.Connection]:
        """The only writer of a subject, or of everything; first come, first served.

        Raises:
            StoreUnavailableError: another one writes for too long.
        """
        with self.session() as session:
            session.execute("SELECT set_config('lock_timeout', %s, false)", [f"{max(1, self.lock_seconds * 1000):.0f}"])
            try:
                if subject is None:
                    session.execute("SELECT pg_advisory_lock(%s, %s)", [_WRITING, _EVERYTHING])
                else:
                    session.execute("SELECT pg_advisory_lock_shared(%s, %s)", [_WRITING, _EVERYTHING])
                    session.execute("SELECT pg_advisory_lock(%s, %s)", [_WRITING, _SUBJECTS[subject]])
            except psycopg.errors.LockNotAvailable:
                raise StoreUnavailableError(
                    f"Another process has been writing to {self} for {self.lock_seconds:g} s. "
                    "Wait for it, or raise METRIC_STORE_LOCK_SECONDS."
                ) from None
            yield session

    @contextmanager
    def working(self, work: str) -> Iterator[bool]:
        """Whether nobody else does this work; never waits."""
        with self.session() as session:
            key = zlib.crc32(work.encode()) >> 1  # keys are signed
            rows = session.execute("SELECT pg_try_advisory_lock(%s, %s)", [_WORKING, key]).fetchall()
            yield bool(rows[0][0])

    @contextmanager
    def attaching(self) -> Iterator[None]:
        """One process at a time: whoever attaches a lake first creates DuckLake's tables."""
        with self.session() as session:
            session.execute("SELECT pg_advisory_lock(%s, %s)", [_WORKING, _ATTACHING])
            yield

    def set_up(self) -> None:
        """Make our own tables; nothing when they are there."""
        with self.session() as session:
            session.execute(_SET_UP)

    def publish(self, kind: Published) -> None:
        """Point readers at the newest snapshot."""
        with self.session() as session:
            session.execute(_PUBLISH, [kind])

    def live_bytes(self) -> int:
        """Size of the data files of the newest snapshot."""
        with self.session() as session:
            return int(session.execute(_LIVE_BYTES).fetchall()[0][0])

    def in_use(self) -> list[int]:
        """Snapshots that must stay: the newest, what is published, and what somebody reads."""
        with self.session() as session:
            return [row[0] for row in session.execute(_IN_USE).fetchall()]


def newest(session: psycopg.Connection, kind: Published) -> tuple[int, Generation] | None:
    """The published snapshot; None when there is none."""
    try:
        rows = session.execute(_NEWEST, [kind]).fetchall()
    except psycopg.errors.UndefinedTable:
        return None
    if not rows:
        return None
    snapshot, published_at = rows[0][0], rows[0][1].astimezone(UTC)
    return snapshot, Generation(f"{snapshot}-{published_at.isoformat()}", published_at)


def pin(session: psycopg.Connection, kind: Published) -> tuple[int, Generation] | None:
    """The published snapshot, kept from being expired for as long as the session lasts; None when there is none."""
    while (found := newest(session, kind)) is not None:
        session.execute("SELECT pg_advisory_lock_shared(%s, %s)", [_READING, found[0]])
        if newest(session, kind) == found:
            return found
        # A newer one took its place before it was locked: it may be expired already.
        session.execute("SELECT pg_advisory_unlock_shared(%s, %s)", [_READING, found[0]])
    return None
