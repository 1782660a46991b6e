"""The definitions in force, kept in `metric_definitions` with the time for which they were."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from types import MappingProxyType
from typing import Any

import duckdb
import pyarrow as pa

from pipeline.catalog.catalog import Catalog
from pipeline.catalog.diff import Change, StoredDefinition, diff, refuse_type_changes
from pipeline.catalog.versions import definition_body
from pipeline.store import load_sql, run_script

_SQL = "pipeline.extract.sql"


def stored_definitions(
    con: duckdb.DuckDBPyConnection, workspace_id: str
) -> tuple[dict[str, StoredDefinition], dict[str, StoredDefinition]]:
    """The newest version of every key that was ever defined, and of those that are in force."""
    latest: dict[str, StoredDefinition] = {}
    in_force: dict[str, StoredDefinition] = {}
    query = load_sql(_SQL, "latest_definitions")
    for key, version, metric_type, body, ended in con.execute(query, {"workspace_id": workspace_id}).fetchall():
        latest[key] = StoredDefinition(version, metric_type, _parsed(body))
        if not ended:
            in_force[key] = latest[key]
    return latest, in_force


@lru_cache(maxsize=4096)  # each of an hour's steps asks for the same few hundred
def _parsed(body: str) -> Mapping[str, Any]:
    parsed: dict[str, Any] = json.loads(body)
    return MappingProxyType(parsed)  # shared, so nobody may change it


def sync_definitions(con: duckdb.DuckDBPyConnection, workspace_id: str, catalog: Catalog) -> Catalog:
    """Enter new and edited definitions and end those that are gone, in one transaction.

    Every period that the entered version already has becomes stale where it may no longer be what the definition says:
    the aggregation was edited, or the version comes back after another one or after a pause. The values stay.

    Returns:
        The catalog without definitions whose type is not the one that their key has had; each is a problem of it.
    """
    latest, in_force = stored_definitions(con, workspace_id)
    catalog = refuse_type_changes(catalog, latest)
    changes = [change for change in diff(catalog, in_force) if change.key in catalog.by_key or change.kind == "removed"]
    if not changes:
        return catalog
    rows = [
        {
            "key": metric.key,
            "version": metric.version,
            "metric_type": metric.definition.metric_type,
            "managed_by": metric.managed_by,
            "body": json.dumps(definition_body(metric.definition)),
        }
        for change in changes
        if (metric := catalog.by_key.get(change.key)) is not None
    ]
    schema = pa.schema([(name, pa.string()) for name in ("key", "version", "metric_type", "managed_by", "body")])
    changed = [{"key": change.key, "restated": _restates(change)} for change in changes]
    con.execute("BEGIN")
    con.register("entered", pa.Table.from_pylist(rows, schema=schema))
    con.register("changed", pa.Table.from_pylist(changed))
    parameters = {"workspace_id": workspace_id, "now": _after_the_last(con, workspace_id)}
    run_script(con, load_sql(_SQL, "enter_definitions"), parameters)
    con.unregister("changed")
    con.unregister("entered")
    con.execute("COMMIT")
    return catalog


def _restates(change: Change) -> bool:
    return change.effect in ("extract", "aggregate") or any(found.field == "active" for found in change.fields)


def _after_the_last(con: duckdb.DuckDBPyConnection, workspace_id: str) -> datetime:
    """Now, or a microsecond after the latest change when the clock has gone back: the newest version is the last."""
    query = "SELECT max(greatest(valid_from, valid_to)) FROM metric_definitions WHERE workspace_id = ?"
    (last,) = con.execute(query, [workspace_id]).fetchall()[0]
    now = datetime.now(UTC)
    return now if last is None else max(now, last + timedelta(microseconds=1))
