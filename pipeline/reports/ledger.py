"""The ledger: what each run did, and which hours of each definition version are done, missing or failing."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

import duckdb
import pyarrow as pa

from pipeline.aggregate.queries import Row, fetch_rows
from pipeline.catalog.catalog import Metric
from pipeline.store import load_sql

SQL = "pipeline.reports.sql"


def runs(
    con: duckdb.DuckDBPyConnection, workspace_id: str, keys: Sequence[str] | None, limit: int, offset: int
) -> list[Row]:
    """Runs, newest first: when, over which windows, with what outcome and cost; `total` without the limit."""
    parameters = {
        "workspace_id": workspace_id,
        "keys": None if keys is None else list(keys),
        "limit": limit,
        "offset": offset,
    }
    return fetch_rows(con, load_sql(SQL, "runs"), parameters)


def run_rows(con: duckdb.DuckDBPyConnection, workspace_id: str, run_id: str, keys: Sequence[str] | None) -> list[Row]:
    """The ledger rows of one run, by metric and window."""
    parameters = {"workspace_id": workspace_id, "run_id": run_id, "keys": None if keys is None else list(keys)}
    return fetch_rows(con, load_sql(SQL, "run_rows"), parameters)


def coverage(
    con: duckdb.DuckDBPyConnection, workspace_id: str, metrics: Sequence[Metric], first: datetime, last: datetime
) -> list[Row]:
    """The hours of `[first, last)` for each metric: how many are done or failing, and the intervals that are missing.

    Args:
        con: a connection to read from.
        workspace_id: whose ledger.
        metrics: definitions in force.
        first: whole UTC hour.
        last: whole UTC hour after it.
    """
    versions = [{"metric_key": metric.key, "definition_version": metric.version} for metric in metrics]
    schema = pa.schema([("metric_key", pa.string()), ("definition_version", pa.string())])
    con.register("wanted", pa.Table.from_pylist(versions, schema=schema))
    parameters = {"workspace_id": workspace_id, "first": first, "last": last}
    rows = fetch_rows(con, load_sql(SQL, "coverage"), parameters)
    con.unregister("wanted")
    return rows
