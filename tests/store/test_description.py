"""The database explains itself to any SQL client: what is there has a comment, in every file that readers open."""

from __future__ import annotations

from pathlib import Path

import duckdb
import pytest

from pipeline.settings import Settings
from pipeline.store import Store, load_sql
from pipeline.store.control import publish_control
from pipeline.store.migrations import migrations

UNDESCRIBED = """
SELECT table_name || '.' || column_name FROM duckdb_columns()
WHERE NOT internal AND table_name NOT IN (SELECT view_name FROM duckdb_views()) AND coalesce(trim(comment), '') = ''
UNION ALL
SELECT table_name FROM duckdb_tables() WHERE NOT internal AND coalesce(trim(comment), '') = ''
UNION ALL
SELECT view_name FROM duckdb_views() WHERE NOT internal AND coalesce(trim(comment), '') = ''
ORDER BY ALL
"""


@pytest.fixture
def published(store: Store) -> Store:
    publish_control(store)
    store.publish()
    return store


@pytest.mark.parametrize("name", ["path", "snapshot_path", "control_path"])
def test_every_table_and_column_has_a_comment(published: Store, name: str) -> None:
    path: Path = getattr(published, name)
    with duckdb.connect(str(path), read_only=True) as con:
        # Whoever adds a table or column describes it in pipeline/store/description/.
        assert con.execute(UNDESCRIBED).fetchall() == []
        assert con.execute("SELECT count(*) > 50 FROM duckdb_columns() WHERE comment IS NOT NULL").fetchall()[0][0]


def test_no_comment_is_of_something_that_is_gone(store: Store) -> None:
    with store.write() as con:
        for name in ("data", "control"):  # DuckDB refuses a comment on what is not there
            con.execute(load_sql("pipeline.store.description", name))


def test_a_changed_description_is_applied_to_an_old_file(store: Store, settings: Settings) -> None:
    with store.write() as con:
        con.execute("COMMENT ON TABLE events IS 'as it was once'; DROP VIEW current_periods")
        con.execute("UPDATE schema_migrations SET name = 'description-000000000000' WHERE name LIKE 'description-%'")
    again = Store(settings)
    with again.write() as con:
        (comment,) = con.execute("SELECT comment FROM duckdb_tables() WHERE table_name = 'events'").fetchall()[0]
        assert comment.startswith("Things that happened")
        assert con.execute("SELECT count(*) FROM current_periods").fetchall() == [(0,)]
        names = {name for (name,) in con.execute("SELECT name FROM schema_migrations").fetchall()}
    assert set(migrations()) <= names
