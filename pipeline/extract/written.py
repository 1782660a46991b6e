"""Mode `written`: metrics that the agent wrote itself, as `metric.written` events.

Writes of one name count in order of time; the first with `write_once` makes the later ones void. What is left is folded
as `repeated` says. A write without a value says that something happened: true, or 1; a category needs a value.
"""

from __future__ import annotations

from collections.abc import Sequence

import duckdb
import pyarrow as pa

from pipeline.catalog.catalog import Metric
from pipeline.store import load_sql


def read_writes(con: duckdb.DuckDBPyConnection, metrics: Sequence[Metric]) -> None:
    """Add to `reading`, one row for each write that counts."""
    names = [{"metric_key": metric.key, "name": metric.definition.written_name or metric.key} for metric in metrics]
    con.register("written_name", pa.Table.from_pylist(names))
    con.execute(load_sql("pipeline.extract.sql", "written"))
    con.unregister("written_name")
