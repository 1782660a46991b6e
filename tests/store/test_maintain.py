"""Maintenance gives back the room of what was deleted, and changes nothing else."""

from __future__ import annotations

import resource

import pytest

from pipeline.errors import StoreUnavailableError
from pipeline.store import Store

DESCRIBED = """
SELECT 'table', table_name, comment, '' FROM duckdb_tables() WHERE NOT temporary
UNION ALL
SELECT 'column', table_name || '.' || column_name, comment, data_type || is_nullable || coalesce(column_default, '')
FROM duckdb_columns() WHERE NOT internal
UNION ALL
SELECT 'view', view_name, comment, sql FROM duckdb_views() WHERE NOT internal
ORDER BY ALL
"""


@pytest.fixture
def sparse(store: Store) -> Store:
    """A store of which most was deleted."""
    with store.write() as con:
        con.execute(
            "INSERT INTO stale_conversations BY NAME"
            " SELECT 'w' AS workspace_id, md5(i::VARCHAR) AS conversation_id FROM range(400000) AS r (i)"
        )
    with store.write() as con:
        con.execute("DELETE FROM stale_conversations WHERE rowid < 240000")
        con.execute("INSERT INTO stale_conversations BY NAME SELECT 'w' AS workspace_id, 'last' AS conversation_id")
    return store


def rows(store: Store) -> list[tuple[str, ...]]:
    with store.write() as con:
        return con.execute("SELECT conversation_id FROM stale_conversations").fetchall()


def test_room_that_was_deleted_is_given_back(sparse: Store) -> None:
    before, found = sparse.path.stat().st_size, rows(sparse)
    with sparse.write() as con:
        described = con.execute(DESCRIBED).fetchall()
    assert sparse.maintain() == sparse.path.stat().st_size < 0.6 * before
    assert rows(sparse) == found  # in the same order, which spares the reading of what is older
    with sparse.write() as con:
        assert con.execute(DESCRIBED).fetchall() == described
    sparse.publish()
    with sparse.read() as con:
        assert con.execute("SELECT count(*) FROM stale_conversations").fetchall() == [(len(found),)]
    assert [path.name for path in sparse.path.parent.iterdir() if "tmp" in path.name] == []


def test_a_file_without_much_room_is_left_alone(sparse: Store) -> None:
    sparse.maintain()
    file = sparse.path.stat().st_ino
    sparse.maintain()
    assert sparse.path.stat().st_ino == file


def test_what_cannot_be_written_anew_stays(sparse: Store) -> None:
    found = rows(sparse)
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (2**20, limits[1]))
    try:
        with pytest.raises(StoreUnavailableError, match="What was committed is kept"):
            sparse.maintain()
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert rows(sparse) == found
    assert [path.name for path in sparse.path.parent.iterdir() if "tmp" in path.name] == []
