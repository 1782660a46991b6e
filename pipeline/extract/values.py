"""Writing values: the exact slice is replaced, and the hours it touches become stale, in one transaction.

A slice is every row of one definition version about one conversation. In it, the row without participant and segment
and with `sample_index` 0 is the conversation's value; rows with a participant or a segment are what it was folded from;
rows with `sample_index` 1 … k are the single answers of a metric with `repeat: k`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import duckdb
import pyarrow as pa

from pipeline.extract.run_context import CappedResult, CappedWork, RunContext
from pipeline.store import load_sql, run_script

SQL = "pipeline.extract.sql"

NOT_LOOKED_AT = ("pending", "not_sampled", "over_cap", "over_budget", "no_model")
"""States that only say that a conversation has not been looked at; a later state may always take their place."""

FRESH = pa.schema(
    [
        ("metric_key", pa.string()),
        ("definition_version", pa.string()),
        ("entity_id", pa.string()),
        ("participant", pa.string()),
        ("segment_from", pa.int64()),
        ("segment_to", pa.int64()),
        ("sample_index", pa.int64()),
        ("observed_at", pa.timestamp("us", tz="UTC")),
        ("first_arrival_at", pa.timestamp("us", tz="UTC")),
        ("traffic", pa.string()),
        ("service_id", pa.string()),
        ("value_number", pa.float64()),
        ("value_text", pa.string()),
        ("value_boolean", pa.bool_()),
        ("value_list", pa.list_(pa.string())),
        ("status", pa.string()),
        ("confidence", pa.float64()),
        ("reasoning", pa.string()),
        ("evidence", pa.string()),
        ("model", pa.string()),
        ("attempts", pa.int64()),
        ("error", pa.string()),
        ("tokens_in", pa.int64()),
        ("tokens_cached", pa.int64()),
        ("tokens_out", pa.int64()),
        ("cost_usd", pa.float64()),
        ("content_hash", pa.string()),
    ]
)
"""Columns of a value that a mode computes; the rest of `metric_values` is the same for the whole run."""

_COPIED = ("observed_at", "first_arrival_at", "traffic", "service_id", "content_hash")


def copied(chosen: Mapping[str, Any]) -> dict[str, Any]:
    """The columns that a value has from its conversation, a row of `CappedWork.conversations`."""
    return {name: chosen[name] for name in _COPIED}


def write_values(con: duckdb.DuckDBPyConnection, run: RunContext, rows: pa.Table | Sequence[Mapping[str, Any]]) -> int:
    """Replace the slices that the rows belong to, and mark the hours of the old and of the new rows stale.

    Call it inside a transaction. All rows of a slice must come in one call.

    Args:
        con: a connection from `Store.transaction()`.
        run: gives workspace, run id and `computed_at`.
        rows: columns of `FRESH`; missing ones are null, but `sample_index` and `attempts` are then 0.

    Returns:
        The number of rows written.
    """
    table = rows if isinstance(rows, pa.Table) else pa.Table.from_pylist([dict(row) for row in rows], schema=FRESH)
    create_fresh(con)
    con.register("incoming", table)
    con.execute("INSERT INTO fresh BY NAME FROM incoming")
    con.unregister("incoming")
    return replace_slices(con, run)


def create_fresh(con: duckdb.DuckDBPyConnection) -> None:
    """An empty temporary table `fresh` with the columns of `FRESH`; `replace_slices` moves it into `metric_values`."""
    for script in ("hour_of", "fresh"):
        con.execute(load_sql(SQL, script))


def replace_slices(con: duckdb.DuckDBPyConnection, run: RunContext) -> int:
    """Move `fresh` into `metric_values`, slice by slice; returns the number of rows."""
    written = con.execute("SELECT count(*) FROM fresh").fetchall()[0][0]
    if written:
        run_script(
            con,
            load_sql(SQL, "replace_slices"),
            {"workspace_id": run.store.workspace_id, "run_id": run.run_id, "now": run.now},
        )
    return int(written)


def write_skipped(
    con: duckdb.DuckDBPyConnection,
    run: RunContext,
    work: Sequence[CappedWork],
    results: Mapping[str, CappedResult],
) -> int:
    """Write the states of conversations that were chosen and then not looked at, never over a stored value.

    Call it inside a transaction; returns the number of rows written.
    """
    rows = [
        {
            **copied(chosen),
            "metric_key": item.metric.key,
            "definition_version": item.metric.version,
            "entity_id": chosen["conversation_id"],
            "sample_index": 0,
            "attempts": 0,
            "status": state,
        }
        for item in work
        for chosen in item.conversations.to_pylist()
        if (state := results[item.metric.key].states.get(chosen["conversation_id"])) in NOT_LOOKED_AT
    ]
    if not rows:
        return 0
    create_fresh(con)
    con.register("skipped", pa.Table.from_pylist(rows, schema=FRESH))
    run_script(
        con,
        load_sql(SQL, "skipped"),
        {"workspace_id": run.store.workspace_id, "not_looked_at": list(NOT_LOOKED_AT)},
    )
    con.unregister("skipped")
    return replace_slices(con, run)
