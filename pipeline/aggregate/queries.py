"""Reading period rows, for every door: the newest, the history of one metric, its last days.

Each function takes a connection from `Store.read()` and gives rows as dictionaries with the columns of
`metric_periods`. Without a `version` they read each metric's current one.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any, Literal
from zoneinfo import ZoneInfo

import duckdb

from pipeline.aggregate.calendar import Span, last_local_days, register_spans
from pipeline.errors import UnknownMetricError
from pipeline.store import load_sql, run_script

Granularity = Literal["hour", "day"]
Traffic = Literal["production", "simulation", "all"]
Row = dict[str, Any]

SQL = "pipeline.aggregate.sql"


def latest(
    con: duckdb.DuckDBPyConnection,
    workspace_id: str,
    *,
    keys: Sequence[str] | None = None,
    granularity: Granularity | None = None,
    traffic: Traffic = "production",
    service_id: str | None = None,
    as_known_at: datetime | None = None,
    limit: int = 100,
    offset: int = 0,
) -> list[Row]:
    """The newest period of each metric, without categories, by key.

    Args:
        con: a connection to read from.
        workspace_id: whose rows.
        keys: only these metrics.
        granularity: hour or day; else each metric's own `period_granularity`.
        traffic: `all` gives a row for each class, never their mixture.
        service_id: one service; else the rows over all services.
        as_known_at: the rows as they stood at this instant, before later data or corrections.
        limit: rows at most.
        offset: rows to skip.
    """
    return fetch_rows(
        con,
        load_sql(SQL, "latest"),
        {
            "workspace_id": workspace_id,
            "keys": None if keys is None else list(keys),
            "granularity": granularity,
            "traffic": traffic,
            "service_id": service_id,
            "as_known_at": as_known_at,
            "limit": limit,
            "offset": offset,
        },
    )


def goals(con: duckdb.DuckDBPyConnection, workspace_id: str) -> dict[str, str]:
    """Whether `higher` or `lower` is better, or `neutral`, by key, as the definitions in force say."""
    query = (
        "SELECT key, coalesce(body ->> '$.goal', 'neutral') FROM metric_definitions"
        " WHERE workspace_id = ? AND valid_to IS NULL"
    )
    return dict(con.execute(query, [workspace_id]).fetchall())


def history(
    con: duckdb.DuckDBPyConnection,
    workspace_id: str,
    key: str,
    *,
    version: str | None = None,
    granularity: Granularity = "day",
    date_from: datetime | None = None,
    date_to: datetime | None = None,
    traffic: Traffic = "production",
    service_id: str | None = None,
    as_known_at: datetime | None = None,
    categories: bool = False,
    limit: int = 90,
) -> list[Row]:
    """The periods of one metric, newest first.

    Args:
        con: a connection to read from.
        workspace_id: whose rows.
        key: the metric.
        version: a definition version; else the current one, or the one that was current at `as_known_at`.
        granularity: hour or day.
        date_from: periods that start at this instant or later.
        date_to: periods that start before this instant.
        traffic: `all` gives a row for each class.
        service_id: one service; else the rows over all services.
        as_known_at: the rows as they stood at this instant, before later data or corrections.
        categories: also a row for each category.
        limit: periods at most, the newest ones.

    Raises:
        UnknownMetricError: the store holds no definition with this key.
    """
    check_known(con, workspace_id, key)
    return fetch_rows(
        con,
        load_sql(SQL, "history"),
        {
            "workspace_id": workspace_id,
            "key": key,
            "version": version,
            "granularity": granularity,
            "date_from": date_from,
            "date_to": date_to,
            "traffic": traffic,
            "service_id": service_id,
            "as_known_at": as_known_at,
            "categories": categories,
            "limit": limit,
        },
    )


def trend(
    con: duckdb.DuckDBPyConnection,
    workspace_id: str,
    key: str,
    *,
    zone: ZoneInfo,
    days: int = 30,
    now: datetime | None = None,
    version: str | None = None,
    traffic: Traffic = "production",
    service_id: str | None = None,
) -> list[Row]:
    """The last days of one metric, oldest first, each there: one without values has `value` None and no counts.

    Args:
        con: a connection to read from.
        workspace_id: whose rows.
        key: the metric.
        zone: the workspace's zone, in which day rows are kept.
        days: how many, with today.
        now: the instant that says which day is today.
        version: a definition version; else the current one.
        traffic: `all` gives a row for each class.
        service_id: one service; else the rows over all services.

    Raises:
        UnknownMetricError: the store holds no definition with this key.
    """
    check_known(con, workspace_id, key)
    register_spans(con, "trend_days", last_local_days(now or datetime.now(UTC), days, zone))
    return fetch_rows(
        con,
        load_sql(SQL, "trend"),
        {
            "workspace_id": workspace_id,
            "key": key,
            "version": version,
            "traffic": ["production", "simulation"] if traffic == "all" else [traffic],
            "service_id": service_id,
        },
    )


def hour_rows(
    con: duckdb.DuckDBPyConnection, workspace_id: str, keys: Sequence[str], span: Span
) -> dict[tuple[str, datetime], Row]:
    """The production rows of all hours in a span of time, over all services, by metric and start of the hour.

    Args:
        con: a connection to read from.
        workspace_id: whose rows.
        keys: of metrics; a row is read where it is of the current version.
        span: half-open.
    """
    run_script(con, load_sql(SQL, "known_periods"))
    parameters = {"workspace_id": workspace_id, "keys": list(keys), "start": span[0], "end": span[1]}
    rows = fetch_rows(con, load_sql(SQL, "hour_rows"), parameters)
    return {(row["metric_key"], row["period_start"].astimezone(UTC)): row for row in rows}


def check_known(con: duckdb.DuckDBPyConnection, workspace_id: str, key: str) -> None:
    """Refuse a key that was never defined; install the macro that the queries read."""
    query = "SELECT count(*) FROM metric_definitions WHERE workspace_id = $1 AND key = $2"
    if not con.execute(query, [workspace_id, key]).fetchall()[0][0]:
        raise UnknownMetricError(f"No metric has the key {key!r}. `metric-store catalog` lists all of them.")
    run_script(con, load_sql(SQL, "known_periods"))


def fetch_rows(con: duckdb.DuckDBPyConnection, query: str, parameters: dict[str, Any] | None = None) -> list[Row]:
    """The result of a query as dictionaries."""
    cursor = con.execute(query, parameters)
    names = [column[0] for column in cursor.description or ()]
    return [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]
