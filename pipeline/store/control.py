"""The small tables that people change, published on their own as soon as they change.

The snapshot of the data is published when a run is complete, so that values and period rows in it agree. A key that was
revoked or a definition that was replaced must count at once: the tables below are copied to a file of their own in the
same `Store.write` that changed them.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from threading import get_ident

import duckdb

from pipeline.store.database import Store
from pipeline.store.sql import load_sql, run_script


@contextmanager
def control_transaction(store: Store) -> Iterator[duckdb.DuckDBPyConnection]:
    """One transaction on the live file that ends with the control tables published.

    Yields:
        The connection; all is undone when the block raises.
    """
    with store.write() as con:
        con.execute("BEGIN")
        yield con
        con.execute("COMMIT")
        _publish(con, store)


def publish_control(store: Store) -> None:
    """Publish the control tables as they are, for example when a server starts."""
    with store.write() as con:
        _publish(con, store)


def _publish(con: duckdb.DuckDBPyConnection, store: Store) -> None:
    target = store.control_path
    fresh = target.with_name(f"{target.name}.{os.getpid()}.{get_ident()}.tmp")
    for leftover in target.parent.glob(f"{target.name}.*.tmp*"):  # of a process that was killed: the lock is ours
        leftover.unlink(missing_ok=True)
    live = con.execute("SELECT current_database()").fetchall()[0][0].replace('"', '""')
    quoted = str(fresh).replace("'", "''")
    con.execute(f"ATTACH '{quoted}' AS control")
    try:
        run_script(con, load_sql("pipeline.store.publish", "control"))
        con.execute("USE control")  # CREATE TABLE … AS leaves comments behind
        con.execute(load_sql("pipeline.store.description", "control"))
    finally:
        con.execute(f'USE "{live}"')
        con.execute("DETACH control")
    fresh.replace(target)
