"""A metric over time: any grain, any zone, no gaps, each period against the one before it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING, Literal
from zoneinfo import ZoneInfo

import duckdb
import pyarrow as pa

from pipeline.aggregate.calendar import Span, last_local_days, local_day, local_hours, whole_hours
from pipeline.aggregate.queries import Row, Traffic, fetch_rows, history
from pipeline.errors import UserError
from pipeline.reports.changes import add_changes
from pipeline.store import load_sql
from pipeline.window import floor_hour

if TYPE_CHECKING:
    from pipeline.catalog.catalog import Metric

Grain = Literal["hour", "day", "week", "month"]
GroupBy = Literal["service", "category"]

SQL = "pipeline.reports.sql"
_MOST_SPANS = 800


def spans_until(now: datetime, days: int, grain: Grain, zone: ZoneInfo) -> list[Span]:
    """The periods of a grain that the last local days, today included, belong to; oldest first.

    Raises:
        UserError: there would be more than 800.
    """
    last_days = last_local_days(now, days, zone)
    if grain == "day":
        return last_days
    if grain == "hour":
        hours = local_hours((last_days[0][0], now + timedelta.resolution), zone)
        if len(hours) > _MOST_SPANS:
            raise UserError(f"{days} days have {len(hours)} hours; ask for at most {_MOST_SPANS // 24} days by hour.")
        return hours
    first = now.astimezone(zone).date() - timedelta(days=days - 1)
    today = now.astimezone(zone).date()
    start_day = first - timedelta(days=first.weekday()) if grain == "week" else first.replace(day=1)
    spans = []
    while start_day <= today:
        following = _following(start_day, grain)
        spans.append((local_day(start_day, zone)[0], local_day(following, zone)[0]))
        start_day = following
    return spans


def series(
    con: duckdb.DuckDBPyConnection,
    workspace_id: str,
    metric: Metric,
    spans: Sequence[Span],
    *,
    grain: Grain,
    stored: bool,
    traffic: Traffic = "production",
    service_id: str | None = None,
    as_known_at: datetime | None = None,
    group_by: GroupBy | None = None,
    now: datetime | None = None,
) -> list[Row]:
    """A row for every span, oldest first; one without data has no value and counts of zero.

    Args:
        con: a connection to read from.
        workspace_id: whose rows.
        metric: the definition in force.
        spans: from `spans_until`.
        grain: of the spans.
        stored: whether rows of exactly these spans are stored; otherwise they are computed.
        traffic: `all` gives a row for each class.
        service_id: one service; else all of them together.
        as_known_at: the numbers as they stood at this instant.
        group_by: a row for each service, or for each category, of every span.
        now: the instant that says which periods are over.

    Returns:
        The columns of `metric_periods`, what `add_changes` says against the span before, and `distribution`, the
        category rows of a categorical metric.

    Raises:
        ExpressionError: with `as_known_at`, what is asked cannot be merged from the hour rows of that time.
    """
    if stored:
        rows = _stored(con, workspace_id, metric, spans, grain, traffic, service_id, as_known_at, group_by)
    else:
        rows = _computed(con, workspace_id, metric, spans, traffic, service_id, as_known_at, group_by)
    rows = [{**row, "granularity": grain} for row in rows]
    groups = _groups(rows, traffic, service_id, group_by)
    found = {(row["period_start"], row["traffic"], row["service_id"], row["category"]): row for row in rows}
    categories = _by_period(row for row in rows if row["category"] is not None)
    filled = []
    pairs: list[tuple[Row, Row | None]] = []
    for group in groups:
        before: Row | None = None
        for start, end in spans:
            row = dict(found.get((start, *group)) or _empty(metric, grain, (start, end), group))
            row["distribution"] = categories.get((start, group[0], group[1]))
            pairs.append((row, before))
            filled.append(row)
            before = row
    add_changes(pairs, {metric.key: metric.definition.goal}, now)
    return sorted(filled, key=lambda row: row["period_start"])


def periods_between(
    con: duckdb.DuckDBPyConnection,
    workspace_id: str,
    key: str,
    zone: ZoneInfo,
    *,
    granularity: Literal["hour", "day"],
    date_from: datetime | None = None,
    date_to: datetime | None = None,
    traffic: Traffic = "production",
    service_id: str | None = None,
    as_known_at: datetime | None = None,
    categories: bool = False,
    limit: int = 90,
) -> list[Row]:
    """The periods of one metric that start in a range, newest first; the hours of a day add up to the day.

    The stored rows, but for the hours of a zone that is half an hour off: those are computed.

    Args:
        con: a connection to read from.
        workspace_id: whose rows.
        key: the metric.
        zone: the workspace's.
        granularity: hour or day.
        date_from: the first instant of the range.
        date_to: the end of the range, not part of it.
        traffic: `all` gives a row for each class.
        service_id: one service; else the rows over all services.
        as_known_at: the stored rows as they stood at this instant; hours are then those of UTC.
        categories: also a row for each category.
        limit: periods at most, the newest ones.

    Raises:
        UnknownMetricError: the store holds no definition with this key.
    """
    whole = granularity == "day" or as_known_at is not None or whole_hours(zone, date_from, date_to)
    rows = history(
        con,
        workspace_id,
        key,
        granularity=granularity,
        date_from=date_from if whole or date_from is None else floor_hour(date_from),
        date_to=date_to,
        traffic=traffic,
        service_id=service_id,
        as_known_at=as_known_at,
        categories=categories and whole,
        limit=limit if whole else limit + 1,
    )
    if whole or not rows:
        return rows
    from pipeline.aggregate.measure import measure  # stored rows are read without the engine

    touched = {span for row in rows for span in local_hours((row["period_start"], row["period_end"]), zone)}
    wanted = sorted(
        (start, end)
        for start, end in touched
        if (date_from is None or start >= date_from) and (date_to is None or start < date_to)
    )[-limit:]
    computed = measure(con, workspace_id, key, wanted, traffic=traffic, service_id=service_id)
    kept = [row | {"granularity": "hour"} for row in computed if categories or row["category"] is None]
    return sorted(kept, key=lambda row: row["period_start"], reverse=True)


def has_run(con: duckdb.DuckDBPyConnection, workspace_id: str, key: str) -> bool:
    """Whether a published run has used the metric; one that was defined a minute ago has no rows yet."""
    query = "SELECT count(*) FROM metric_definitions WHERE workspace_id = ? AND key = ?"
    return bool(con.execute(query, [workspace_id, key]).fetchall()[0][0])


def add_distributions(
    con: duckdb.DuckDBPyConnection, workspace_id: str, rows: Sequence[Row], as_known_at: datetime | None = None
) -> None:
    """Give stored period rows their `distribution`: the category rows beside each, as known at the same instant."""
    wanted = [row for row in rows if row["metric_type"] == "categorical"]
    if not wanted:
        return
    columns = ("metric_key", "definition_version", "traffic", "service_id", "granularity", "period_start")
    con.register("wanted", pa.Table.from_pylist([{name: row[name] for name in columns} for row in wanted]))
    found = fetch_rows(con, load_sql(SQL, "distributions"), {"workspace_id": workspace_id, "as_known_at": as_known_at})
    con.unregister("wanted")
    places = {tuple(row[name] for name in columns): row for row in wanted}
    for row in wanted:
        row["distribution"] = []
    for category in found:
        places[tuple(category[name] for name in columns)]["distribution"].append(category)


def _stored(
    con: duckdb.DuckDBPyConnection,
    workspace_id: str,
    metric: Metric,
    spans: Sequence[Span],
    grain: Grain,
    traffic: Traffic,
    service_id: str | None,
    as_known_at: datetime | None,
    group_by: GroupBy | None,
) -> list[Row]:
    services: list[str | None] = [service_id]
    if group_by == "service" and service_id is None:
        query = load_sql(SQL, "services")
        found = con.execute(query, {"workspace_id": workspace_id, "key": metric.key}).fetchall()
        services = [service for (service,) in found]
    return [
        row
        for service in services
        for row in history(
            con,
            workspace_id,
            metric.key,
            granularity="hour" if grain == "hour" else "day",
            date_from=spans[0][0],
            date_to=spans[-1][1],
            traffic=traffic,
            service_id=service,
            as_known_at=as_known_at,
            categories=metric.definition.metric_type == "categorical",
            limit=len(spans) + 1,
        )
    ]


def _computed(
    con: duckdb.DuckDBPyConnection,
    workspace_id: str,
    metric: Metric,
    spans: Sequence[Span],
    traffic: Traffic,
    service_id: str | None,
    as_known_at: datetime | None,
    group_by: GroupBy | None,
) -> list[Row]:
    from pipeline.aggregate.measure import measure  # stored rows are read without the engine
    from pipeline.aggregate.merge import merge_hours

    by_service = group_by == "service" and service_id is None
    kept_since = _values_since(con, workspace_id)
    from_hours = [span for span in spans if as_known_at is not None or span[0] < kept_since]
    from_values = [span for span in spans if span not in from_hours]
    rows: list[Row] = []
    if from_hours:
        found = merge_hours(con, workspace_id, [metric.key], from_hours, traffic=traffic, as_known_at=as_known_at)
        rows += [
            row for row in found if (row["service_id"] is not None if by_service else row["service_id"] == service_id)
        ]
    if from_values:
        by = "service" if by_service else "none"
        found = measure(con, workspace_id, metric.key, from_values, by=by, traffic=traffic, service_id=service_id)
        rows += [row | {"service_id": row["group_key"]} for row in found if row["group_key"]] if by_service else found
    return rows


def _values_since(con: duckdb.DuckDBPyConnection, workspace_id: str) -> datetime:
    """The instant from which on values and events are kept; what is older has expired, and its hour rows stay."""
    query = "SELECT max(until) FROM expirations WHERE workspace_id = ? AND kind IN ('events', 'values')"
    (until,) = con.execute(query, [workspace_id]).fetchall()[0]
    return until or datetime.min.replace(tzinfo=UTC)


def _groups(
    rows: Iterable[Row], traffic: Traffic, service_id: str | None, group_by: GroupBy | None
) -> list[tuple[str, str | None, str | None]]:
    """Traffic, service and category of each line that is drawn."""
    classes = ["production", "simulation"] if traffic == "all" else [traffic]
    if group_by == "service":
        services = sorted({row["service_id"] for row in rows} - {None})
        return [(each, service, None) for each in classes for service in services]
    if group_by == "category":
        categories = sorted({row["category"] for row in rows} - {None})
        return [(each, service_id, category) for each in classes for category in categories]
    return [(each, service_id, None) for each in classes]


def _by_period(rows: Iterable[Row]) -> dict[tuple[datetime, str, str | None], list[Row]]:
    found: dict[tuple[datetime, str, str | None], list[Row]] = {}
    for row in rows:
        found.setdefault((row["period_start"], row["traffic"], row["service_id"]), []).append(row)
    return found


def _empty(metric: Metric, grain: Grain, span: Span, group: tuple[str, str | None, str | None]) -> Row:
    return {
        "metric_key": metric.key,
        "definition_version": metric.version,
        "metric_type": metric.definition.metric_type,
        "aggregation": metric.definition.aggregation,
        "granularity": grain,
        "period_start": span[0],
        "period_end": span[1],
        "traffic": group[0],
        "service_id": group[1],
        "category": group[2],
        "unit": metric.definition.unit,
        "value": None,
        "value_text": None,
        "event_count": 0,
        "eligible_count": 0,
    }


def _following(day: date, grain: Grain) -> date:
    if grain == "week":
        return day + timedelta(days=7)
    return (day.replace(day=28) + timedelta(days=7)).replace(day=1)
