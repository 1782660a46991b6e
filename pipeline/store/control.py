"""The small tables that people change, published on their own as soon as they change.

The snapshot of the data is published when a run is complete, so that values and period rows in it agree. A key that was
revoked or a definition that was replaced must count at once: the tables of what people change are published in the same
`Store.write` that changed them.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import duckdb

from pipeline.store.database import Store


@contextmanager
def control_transaction(store: Store) -> Iterator[duckdb.DuckDBPyConnection]:
    """One transaction on the live database that ends with the control tables published.

    Yields:
        The connection; all is undone when the block raises.
    """
    with store.write("control") as con:
        con.execute("BEGIN")
        yield con
        store.engine.check()
        con.execute("COMMIT")
        store.engine.publish_control(con)


def publish_control(store: Store) -> None:
    """Publish the control tables as they are, for example when a server starts."""
    with store.write("control") as con:
        store.engine.publish_control(con)
