"""Period rows: latest, history, trend."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Annotated, Literal
from zoneinfo import ZoneInfo

from fastapi import Query, Request, Response

from pipeline.aggregate import queries
from pipeline.aggregate.calendar import Span
from pipeline.api.auth import ServiceOf, Viewer
from pipeline.api.errors import READ_ERRORS, InvalidError
from pipeline.api.models.values import MetricListResponse, TrendResponse
from pipeline.api.moments import Moment
from pipeline.api.pages import link_next
from pipeline.api.routes.parameters import FiltersOf, MetricKey, check_range, visible_metric
from pipeline.api.routes.values import entity_rows
from pipeline.api.routing import workspace_router
from pipeline.api.rows import period_value
from pipeline.catalog.catalog import Metric
from pipeline.reports.changes import add_changes, rows_before
from pipeline.reports.series import Grain, GroupBy, add_distributions, has_run, periods_between, series, spans_until
from pipeline.settings import known_zone
from pipeline.window import floor_hour

router = workspace_router("metrics")


@router.get("/metrics", operation_id="list-metrics", responses=READ_ERRORS)
def list_metrics(
    caller: Viewer,
    service: ServiceOf,
    request: Request,
    response: Response,
    filters: FiltersOf,
    limit: Annotated[int, Query(ge=1, le=500)] = 100,
    offset: Annotated[int, Query(ge=0, le=10_000_000)] = 0,
    as_known_at: Annotated[Moment | None, Query(description="Period rows as they stood at this instant.")] = None,
) -> MetricListResponse:
    """The most recent value of each metric.

    Rows over all services and conversations unless filtered. A filter by entity, run or session matches only values of
    conversations, so it needs `scope=entity` or `scope=all`.
    """
    with service.read(request, response, caller) as con:
        rows: list[dict[str, object]] = []
        before, more = 0, False
        if filters.aggregates:
            found = queries.latest(
                con,
                caller.workspace_id,
                keys=caller.metric_list,
                traffic=filters.source,
                service_id=filters.service_id,
                as_known_at=as_known_at,
                limit=offset + limit + 1,  # a row or two for each metric, however large the page's number is
            )
            more, found = len(found) > offset + limit, found[: offset + limit]
            before = len(found)
            if as_known_at is None:
                pairs = list(zip(found, rows_before(con, caller.workspace_id, found), strict=True))
                add_changes(pairs, queries.goals(con, caller.workspace_id))
            found = found[offset:]
            add_distributions(con, caller.workspace_id, found, as_known_at)
            rows += map(period_value, service.shown(caller, found))
        if filters.entities and not more:
            catalog = service.control.catalog(caller.workspace_id)
            start, most = max(0, offset - before), limit + 1 - len(rows)
            rows += entity_rows(con, service, caller, catalog, filters, None, limit=most, offset=start)
    link_next(request, response, offset=offset + limit, more=more or len(rows) > limit)
    return MetricListResponse.model_validate({"metrics": rows[:limit]})


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
    with service.read(request, response, caller) as con:
        metric = visible_metric(service, caller, metric_key)
        rows: list[dict[str, object]] = []
        if filters.aggregates and has_run(con, caller.workspace_id, metric.key):
            found = periods_between(
                con,
                caller.workspace_id,
                metric.key,
                service.settings.zone,
                granularity=granularity or _own_grain(metric),
                date_from=date_from,
                date_to=date_to,
                traffic=filters.source,
                service_id=filters.service_id,
                as_known_at=as_known_at,
                limit=limit,
            )
            add_distributions(con, caller.workspace_id, found, as_known_at)
            rows += map(period_value, service.shown(caller, found))
        if filters.entities:
            catalog = service.control.catalog(caller.workspace_id)
            rows += entity_rows(
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

    `delta` is the change against the row before, `direction` what it means given the metric's goal. Periods that
    are not stored are computed from values, never averaged from averages. With `scope=entity`, the values of single
    conversations.
    """
    settings = service.settings
    zone = settings.zone if timezone is None else _zone(timezone)
    now = datetime.now(UTC)
    with service.read(request, response, caller) as con:
        metric = visible_metric(service, caller, metric_key)
        rows: list[dict[str, object]] = []
        spans = spans_until(now, days, granularity, zone)
        if filters.aggregates and has_run(con, caller.workspace_id, metric.key):
            found = series(
                con,
                caller.workspace_id,
                metric,
                spans,
                grain=granularity,
                stored=_is_stored(granularity, spans, zone.key == settings.timezone),
                traffic=filters.source,
                service_id=filters.service_id,
                as_known_at=as_known_at,
                group_by=group_by,
            )
            rows += map(period_value, service.shown(caller, found))
        if filters.entities:
            catalog = service.control.catalog(caller.workspace_id)
            single = entity_rows(con, service, caller, catalog, filters, metric.key, limit=500, date_from=spans[0][0])
            rows += reversed(single)
    return TrendResponse.model_validate({"metrics": rows, "timezone": zone.key, "granularity": granularity})


def _own_grain(metric: Metric) -> Literal["hour", "day"]:
    return "hour" if metric.definition.period_granularity == "hourly" else "day"


def _is_stored(grain: Grain, spans: Sequence[Span], own_zone: bool) -> bool:
    """Whether there are rows of these spans: of UTC hours, and of the days of the workspace's zone."""
    if grain == "hour":
        return all(floor_hour(start) == start for start, _ in spans)
    return grain == "day" and own_zone


def _zone(name: str) -> ZoneInfo:
    try:
        return ZoneInfo(known_zone(name))
    except ValueError as error:
        raise InvalidError([(("query", "timezone"), str(error))]) from None
