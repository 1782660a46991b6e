"""Readers that share a snapshot see each publication at once, whole, and never an error."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from pipeline.errors import StoreUnavailableError
from pipeline.settings import Settings
from pipeline.store import Store
from pipeline.store.snapshot import SnapshotReader, snapshot_reader


@pytest.fixture
def reader(settings: Settings) -> Iterator[SnapshotReader]:
    shared = snapshot_reader(settings, "data", {"threads": 2, "memory_limit": "200MB"})
    yield shared
    shared.close()


def publish(store: Store, mark: str) -> None:
    with store.transaction() as con:
        con.execute("DELETE FROM stale_conversations")
        con.execute(
            "INSERT INTO stale_conversations BY NAME SELECT 'w' AS workspace_id, ? AS conversation_id FROM range(2000)",
            [mark],
        )
    store.publish()


def marks(reader: SnapshotReader) -> set[tuple[str, int]]:
    with reader.cursor() as (con, _):
        first = con.execute("SELECT conversation_id, count(*) FROM stale_conversations GROUP BY ALL").fetchall()
        second = con.execute("SELECT conversation_id, count(*) FROM stale_conversations GROUP BY ALL").fetchall()
        return {*first, *second}


def test_a_reader_that_is_always_open_still_sees_what_is_published(store: Store, reader: SnapshotReader) -> None:
    publish(store, "one")
    with reader.cursor() as (con, before):
        publish(store, "two")
        assert con.execute("SELECT DISTINCT conversation_id FROM stale_conversations").fetchall() == [("one",)]
        assert marks(reader) == {("two", 2000)}
        assert reader.generation() != before


def test_fifty_publications_under_twenty_readers_tear_nothing(store: Store, reader: SnapshotReader) -> None:
    publish(store, "0")
    done = threading.Event()

    def read_on() -> int:
        reads = 0
        while not done.is_set() or reads == 0:
            seen = marks(reader)
            assert len(seen) == 1, seen
            assert next(iter(seen))[1] == 2000
            reads += 1
            done.wait(0.05)
        return reads

    with ThreadPoolExecutor(20) as pool:
        readers = [pool.submit(read_on) for _ in range(20)]
        try:
            for number in range(1, 51):
                publish(store, str(number))
        finally:
            done.set()
        assert all(future.result() > 0 for future in readers)
    assert marks(reader) == {("50", 2000)}
    assert [path.name for path in store.path.parent.iterdir() if "reading" in path.name] == []


def test_times_are_utc_and_files_are_out_of_reach(store: Store, settings: Settings) -> None:
    publish(store, "one")
    walled = snapshot_reader(settings, "data", {"enable_external_access": False})
    with walled.cursor() as (con, _):
        assert con.execute("SELECT current_setting('TimeZone')").fetchall() == [("UTC",)]
        with pytest.raises(Exception, match="disabled by configuration"):
            con.execute("FROM read_text('/etc/hostname')")
    walled.close()


def test_nothing_published_says_what_to_run(reader: SnapshotReader) -> None:
    with pytest.raises(StoreUnavailableError, match="metric-store run"), reader.cursor():
        pass
