"""Numbers: latest, history, trend, values of conversations."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import Annotated, Literal
from zoneinfo import ZoneInfo

import duckdb
from fastapi import Depends, Query, Request, Response
from fastapi import Path as InPath
from pydantic import AwareDatetime, BeforeValidator, StringConstraints

from pipeline.aggregate import queries
from pipeline.aggregate.queries import Row, Traffic
from pipeline.api.auth import ServiceOf, Viewer
from pipeline.api.errors import READ_ERRORS, InvalidError
from pipeline.api.models.values import BreakdownResponse, MetricListResponse, SingleValuesResponse, TrendResponse
from pipeline.api.routing import workspace_router
from pipeline.api.rows import conversation_value, period_value, single_value, stored_entity
from pipeline.api.service import Caller, Service
from pipeline.catalog.catalog import Catalog, Metric
from pipeline.errors import UnknownMetricError
from pipeline.reports.breakdown import By, from_values
from pipeline.reports.series import Grain, GroupBy, add_distributions, has_run, series, spans_until
from pipeline.reports.values import single_values
from pipeline.settings import known_zone
from pipeline.store import STATES
from pipeline.window import HOUR, floor_hour

router = workspace_router("metrics")

MetricKey = Annotated[
    str, InPath(min_length=1, max_length=64, pattern=r"^[a-z][a-z0-9_]*$", description="Lowercase and underscores.")
]
Moment = Annotated[AwareDatetime, BeforeValidator(lambda text: _with_zone(text))]
Id = Annotated[str, StringConstraints(max_length=128)]
ShortId = Annotated[str, StringConstraints(max_length=64)]


def _with_zone(text: object) -> object:
    if not isinstance(text, str):
        return text
    if "T" in text:
        text = text.replace(" ", "+")  # the sign of an offset that a client forgot to encode arrives as a space
    if re.match(r"\d{4}-\d{2}-\d{2}[Tt ]\d{2}:\d{2}", text) is None:
        raise ValueError("not ISO 8601; write for example 2026-04-28T00:00:00Z")
    return text


class Filters:
    """The filters that all three readings of the contract share."""

    def __init__(
        self,
        source: Annotated[
            Traffic, Query(description="`all` gives a row for each class, never their mixture.")
        ] = "production",
        scope: Annotated[
            Literal["aggregate", "entity", "all"], Query(description="Period rows, values of conversations, or both.")
        ] = "aggregate",
        entity_type: Annotated[ShortId | None, Query(description="For example call.")] = None,
        entity_id: Annotated[Id | None, Query()] = None,
        service_id: Annotated[ShortId | None, Query(description="Default: all services together.")] = None,
        run_id: Annotated[ShortId | None, Query()] = None,
        session_id: Annotated[Id | None, Query(description="CallSid.")] = None,
    ) -> None:
        self.source: Traffic = source
        self.scope = scope
        self.entity_type = stored_entity(entity_type)
        self.entity_id = entity_id
        self.service_id = service_id
        self.run_id = run_id
        self.session_id = session_id

    @property
    def aggregates(self) -> bool:
        """Whether period rows are asked for: they belong to no entity, run or session."""
        ids = (self.entity_type, self.entity_id, self.run_id, self.session_id)
        return self.scope != "entity" and all(value is None for value in ids)

    @property
    def entities(self) -> bool:
        """Whether values of conversations are asked for."""
        return self.scope != "aggregate"


FiltersOf = Annotated[Filters, Depends()]


@router.get("/metrics", operation_id="list-metrics", responses=READ_ERRORS)
def list_metrics(
    caller: Viewer,
    service: ServiceOf,
    request: Request,
    response: Response,
    filters: FiltersOf,
    limit: Annotated[int, Query(ge=1, le=500)] = 100,
    offset: Annotated[int, Query(ge=0, le=10_000_000)] = 0,
) -> MetricListResponse:
    """The most recent value of each metric.

    Rows over all services and conversations unless filtered. A filter by entity, run or session matches only values of
    conversations, so it needs `scope=entity` or `scope=all`.
    """
    with service.read(request, response, caller) as con:
        catalog = service.control.catalog(caller.workspace_id)
        rows: list[dict[str, object]] = []
        if filters.aggregates:
            found = queries.latest(
                con,
                caller.workspace_id,
                keys=caller.metric_list,
                traffic=filters.source,
                service_id=filters.service_id,
                limit=offset + limit,
            )
            add_distributions(con, caller.workspace_id, found)
            rows += map(period_value, found)
        if filters.entities:
            rows += _entity_rows(con, service, caller, catalog, filters, None, limit=offset + limit)
    return MetricListResponse.model_validate({"metrics": rows[offset : offset + limit]})


@router.get("/metrics/{metric_key}", operation_id="get-metric-values", responses=READ_ERRORS)
def get_metric(
    metric_key: MetricKey,
    caller: Viewer,
    service: ServiceOf,
    request: Request,
    response: Response,
    filters: FiltersOf,
    date_from: Annotated[Moment | None, Query(description="Start of range (ISO-8601)")] = None,
    date_to: Annotated[Moment | None, Query(description="End of range (ISO-8601)")] = None,
    limit: Annotated[int, Query(ge=1, le=365)] = 90,
    granularity: Annotated[
        Literal["hour", "day"] | None, Query(description="Default: the metric's `period_granularity`.")
    ] = None,
    as_known_at: Annotated[
        Moment | None, Query(description="The numbers as they stood at this instant, before later corrections.")
    ] = None,
) -> MetricListResponse:
    """Period rows of one metric (and values of its conversations, by scope), newest first."""
    check_range(date_from, date_to)
    metric = visible_metric(service, caller, metric_key)
    with service.read(request, response, caller) as con:
        rows: list[dict[str, object]] = []
        if filters.aggregates and has_run(con, caller.workspace_id, metric.key):
            found = queries.history(
                con,
                caller.workspace_id,
                metric.key,
                granularity=granularity or _own_grain(metric),
                date_from=date_from,
                date_to=date_to,
                traffic=filters.source,
                service_id=filters.service_id,
                as_known_at=as_known_at,
                limit=limit,
            )
            add_distributions(con, caller.workspace_id, found)
            rows += map(period_value, found)
        if filters.entities:
            catalog = service.control.catalog(caller.workspace_id)
            rows += _entity_rows(
                con, service, caller, catalog, filters, metric.key, limit=limit, date_from=date_from, date_to=date_to
            )
    return MetricListResponse.model_validate({"metrics": rows[:limit]})


@router.get("/metrics/{metric_key}/trend", operation_id="get-metric-trend", responses=READ_ERRORS)
def get_trend(
    metric_key: MetricKey,
    caller: Viewer,
    service: ServiceOf,
    request: Request,
    response: Response,
    filters: FiltersOf,
    days: Annotated[int, Query(ge=1, le=365, description="Lookback, today included.")] = 30,
    granularity: Annotated[Grain, Query(description="Weeks start on Monday; hours for at most 33 days.")] = "day",
    timezone: Annotated[
        str | None, Query(max_length=64, description="IANA zone in which days start; default the workspace's.")
    ] = None,
    group_by: Annotated[GroupBy | None, Query(description="A line for each service or category.")] = None,
    as_known_at: Annotated[Moment | None, Query(description="The numbers as they stood at this instant.")] = None,
) -> TrendResponse:
    """One metric over time, oldest first, a row for every period: one without data has value null and counts of zero.

    `delta` is the change against the row before, `direction` what it means given the metric's goal. Longer periods are
    merged from parts, never averaged from averages. With `scope=entity`, the values of single conversations.
    """
    metric = visible_metric(service, caller, metric_key)
    settings = service.settings
    zone = settings.zone if timezone is None else _zone(timezone)
    now = datetime.now(UTC)
    with service.read(request, response, caller) as con:
        rows: list[dict[str, object]] = []
        spans = spans_until(now, days, granularity, zone)
        if filters.aggregates and has_run(con, caller.workspace_id, metric.key):
            found = series(
                con,
                caller.workspace_id,
                metric,
                spans,
                grain=granularity,
                stored=granularity == "hour" or (granularity == "day" and zone.key == settings.timezone),
                traffic=filters.source,
                service_id=filters.service_id,
                as_known_at=as_known_at,
                group_by=group_by,
            )
            rows += map(period_value, found)
        if filters.entities:
            catalog = service.control.catalog(caller.workspace_id)
            entity_rows = _entity_rows(
                con, service, caller, catalog, filters, metric.key, limit=500, date_from=spans[0][0]
            )
            rows += reversed(entity_rows)
    return TrendResponse.model_validate({"metrics": rows, "timezone": zone.key, "granularity": granularity})


@router.get("/metrics/{metric_key}/breakdown", operation_id="get-metric-breakdown", responses=READ_ERRORS)
def get_breakdown(
    metric_key: MetricKey,
    caller: Viewer,
    service: ServiceOf,
    request: Request,
    response: Response,
    by: Annotated[By, Query(description="`none` gives one group: percentiles over everything.")] = "service",
    source: Annotated[Traffic, Query()] = "production",
    service_id: Annotated[ShortId | None, Query()] = None,
    date_from: Annotated[Moment | None, Query(description="Default: 30 days before `date_to`.")] = None,
    date_to: Annotated[Moment | None, Query(description="Default: now.")] = None,
) -> BreakdownResponse:
    """One metric by service, channel, direction or category, with mean, extremes and percentiles of each group.

    Computed from the values of conversations, so any range is exact; at most 50 groups. A metric that counts events or
    is a ratio of sums has no such values: 422, and its period rows say what can be said.
    """
    check_range(date_from, date_to)
    metric = visible_metric(service, caller, metric_key)
    end = date_to or floor_hour(datetime.now(UTC)) + HOUR
    try:
        start = date_from or end - timedelta(days=30)
    except OverflowError:
        raise InvalidError([(("query", "date_to"), "outside of what can be computed")]) from None
    with service.read(request, response, caller) as con:
        rows = from_values(
            con, caller.workspace_id, metric, [(start, end)], by=by, traffic=source, service_id=service_id
        )
    groups = [_group(row) for row in rows[:50]]
    return BreakdownResponse.model_validate({"by": by, "date_from": start, "date_to": end, "groups": groups})


@router.get("/metrics/{metric_key}/values", operation_id="list-single-values", responses=READ_ERRORS)
def list_single_values(
    metric_key: MetricKey,
    caller: Viewer,
    service: ServiceOf,
    request: Request,
    response: Response,
    source: Annotated[Traffic, Query()] = "production",
    status: Annotated[
        Literal["all", *STATES],  # type: ignore[valid-type]
        Query(description="`all` also lists conversations without a value, each with its reason."),
    ] = "ok",
    parts: Annotated[bool, Query(description="Also participants, segments and single answers of a judge.")] = False,
    entity_id: Annotated[Id | None, Query()] = None,
    service_id: Annotated[ShortId | None, Query()] = None,
    run_id: Annotated[ShortId | None, Query()] = None,
    session_id: Annotated[Id | None, Query()] = None,
    date_from: Annotated[Moment | None, Query()] = None,
    date_to: Annotated[Moment | None, Query()] = None,
    limit: Annotated[int, Query(ge=1, le=500)] = 100,
    offset: Annotated[int, Query(ge=0, le=10_000_000)] = 0,
) -> SingleValuesResponse:
    """The outcome for each conversation, with reasoning and evidence, newest first."""
    check_range(date_from, date_to)
    metric = visible_metric(service, caller, metric_key)
    with service.read(request, response, caller) as con:
        rows = single_values(
            con,
            caller.workspace_id,
            keys=[metric.key],
            whole=not parts,
            status=status,
            traffic=source,
            entity_id=entity_id,
            service_id=service_id,
            run_id=run_id,
            session_id=session_id,
            date_from=date_from,
            date_to=date_to,
            limit=limit,
            offset=offset,
        )
    total = rows[0]["total"] if rows else 0
    return SingleValuesResponse.model_validate({"values": [single_value(row, caller) for row in rows], "total": total})


@router.get("/calls/{call_id}/metrics", operation_id="list-call-metric-values", responses=READ_ERRORS)
def list_call_metrics(
    call_id: Annotated[str, InPath(min_length=1, max_length=128, pattern=r"^[A-Za-z0-9][A-Za-z0-9_-]*$")],
    caller: Viewer,
    service: ServiceOf,
    request: Request,
    response: Response,
    limit: Annotated[int, Query(ge=1, le=100, description="Max metric values to return")] = 100,
) -> MetricListResponse:
    """The values of one call, by its id or its session's; an unknown call has none."""
    with service.read(request, response, caller) as con:
        catalog = service.control.catalog(caller.workspace_id)
        rows: list[dict[str, object]] = []
        for name in ("entity_id", "session_id"):
            filters = Filters(source="all", scope="entity", **{name: call_id})
            rows = rows or _entity_rows(con, service, caller, catalog, filters, None, limit=limit, dated=False)
    return MetricListResponse.model_validate({"metrics": rows})


def _entity_rows(
    con: duckdb.DuckDBPyConnection,
    service: Service,
    caller: Caller,
    catalog: Catalog,
    filters: Filters,
    key: str | None,
    *,
    limit: int,
    dated: bool = True,
    date_from: datetime | None = None,
    date_to: datetime | None = None,
) -> list[dict[str, object]]:
    visible = [metric.key for metric in catalog.metrics if caller.may_read(metric.key)]
    rows: list[Row] = single_values(
        con,
        caller.workspace_id,
        keys=visible if key is None else [key],
        traffic=filters.source,
        entity_type=filters.entity_type,
        entity_id=filters.entity_id,
        service_id=filters.service_id,
        run_id=filters.run_id,
        session_id=filters.session_id,
        dated=dated,
        date_from=date_from,
        date_to=date_to,
        limit=limit,
    )
    definitions = {row["metric_key"]: catalog.get(row["metric_key"]).definition for row in rows}
    return [
        conversation_value(
            row,
            definitions[row["metric_key"]].metric_type,
            definitions[row["metric_key"]].unit,
            service.settings.zone,
        )
        for row in rows
    ]


def _group(row: Row) -> dict[str, object]:
    quantiles = row["quantiles"]
    named = None if quantiles is None else dict(zip(("p50", "p90", "p95", "p99"), quantiles, strict=True))
    return {
        "group": row["group_key"],
        "metric": period_value(row),
        "mean": row["mean"],
        "minimum": row["value_min"],
        "maximum": row["value_max"],
        "percentiles": named,
    }


def visible_metric(service: Service, caller: Caller, key: str) -> Metric:
    """The definition in force.

    Raises:
        UnknownMetricError: there is none, or the caller may not see it; both read the same.
    """
    metric = service.control.catalog(caller.workspace_id).by_key.get(key)
    if metric is None or not caller.may_read(key):
        raise UnknownMetricError(f"No metric has the key {key!r}. GET …/metrics/catalog lists all that there are.")
    return metric


def _own_grain(metric: Metric) -> Literal["hour", "day"]:
    return "hour" if metric.definition.period_granularity == "hourly" else "day"


def check_range(date_from: datetime | None, date_to: datetime | None) -> None:
    """Refuse a range that ends before it starts."""
    if date_from is not None and date_to is not None and date_from > date_to:
        raise InvalidError([(("query", "date_from"), "later than date_to; exchange them")])


def _zone(name: str) -> ZoneInfo:
    try:
        return ZoneInfo(known_zone(name))
    except ValueError as error:
        raise InvalidError([(("query", "timezone"), str(error))]) from None
