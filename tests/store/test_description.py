"""The database explains itself to any SQL client: what is there has a comment, in every file that readers open."""

from __future__ import annotations

import pytest

from pipeline.settings import Settings
from pipeline.store import Store, load_sql
from pipeline.store.control import publish_control
from pipeline.store.migrations import migrations
from pipeline.store.snapshot import snapshot_reader

UNDESCRIBED = """
WITH described AS (
    SELECT table_name || '.' || column_name AS name, comment, database_name, internal FROM duckdb_columns()
    WHERE table_name NOT IN (SELECT view_name FROM duckdb_views())
    UNION ALL
    SELECT table_name, comment, database_name, internal FROM duckdb_tables()
    UNION ALL
    SELECT view_name, comment, database_name, internal FROM duckdb_views()
)
SELECT coalesce(list(name ORDER BY name) FILTER (coalesce(trim(comment), '') = ''), []), count(*)
FROM described WHERE NOT internal AND database_name = current_database()
"""


@pytest.mark.both_stores
def test_every_table_and_column_has_a_comment(store: Store, settings: Settings) -> None:
    """In the live store, and in what readers of it open."""
    publish_control(store)
    store.publish()
    control = snapshot_reader(settings, "control", {})
    with store.write() as live, store.read() as snapshot, control.cursor() as (keys, _):
        for con in (live, snapshot, keys):
            undescribed, count = con.execute(UNDESCRIBED).fetchall()[0]
            # Whoever adds a table or column describes it in pipeline/store/description/.
            assert undescribed == []
            assert count > 50
    control.close()


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
