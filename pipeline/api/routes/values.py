"""Values of conversations: one by one, of one call, by group."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, Literal

import duckdb
from fastapi import HTTPException, Query, Request, Response
from fastapi import Path as InPath

from pipeline.aggregate.queries import Row, Traffic
from pipeline.api.auth import ServiceOf, Viewer
from pipeline.api.errors import READ_ERRORS, InvalidError
from pipeline.api.models.values import BreakdownResponse, MetricListResponse, SingleValuesResponse
from pipeline.api.moments import Moment
from pipeline.api.pages import link_next, read_page
from pipeline.api.routes.parameters import (
    Filters,
    Id,
    MetricKey,
    ShortId,
    check_labels,
    check_range,
    visible_metric,
)
from pipeline.api.routing import workspace_router
from pipeline.api.rows import conversation_value, period_value
from pipeline.api.service import Caller, Service
from pipeline.catalog.catalog import Catalog
from pipeline.reports.breakdown import Order, breakdown
from pipeline.reports.values import single_value, single_values
from pipeline.store import STATES
from pipeline.window import HOUR, floor_hour

router = workspace_router("metrics")


@router.get("/metrics/{metric_key}/breakdown", operation_id="get-metric-breakdown", responses=READ_ERRORS)
def get_breakdown(
    metric_key: MetricKey,
    caller: Viewer,
    service: ServiceOf,
    request: Request,
    response: Response,
    by: Annotated[
        str,
        Query(
            max_length=256,
            description="`service`, `channel`, `direction`, `category`, `tag`, `tag:KEY` (the part after the colon of"
            " tags such as plan:gold), `summary:FIELD` (a field of the call's summary), or `none`: over everything.",
            examples=["service", "tag:plan", "summary:final_state"],
        ),
    ] = "service",
    order: Annotated[
        Order,
        Query(
            description="`size`: most conversations first. `low`: by the lower end of the interval, or of the bounds."
        ),
    ] = "size",
    groups: Annotated[
        int, Query(ge=1, le=500, description="The largest ones; the others are one group, the rest.")
    ] = 50,
    source: Annotated[Traffic, Query()] = "production",
    service_id: Annotated[ShortId | None, Query()] = None,
    date_from: Annotated[Moment | None, Query(description="Default: 30 days before `date_to`.")] = None,
    date_to: Annotated[Moment | None, Query(description="Default: now.")] = None,
) -> BreakdownResponse:
    """One metric by what conversations say of themselves, with mean, extremes and percentiles of each group.

    Any range is exact. The counts of all groups add up to the whole, but by `tag`, where a conversation is in the
    group of each of its tags.
    """
    check_range(date_from, date_to)
    if by.startswith("summary:") and not caller.transcripts:  # a field may hold what was said
        raise HTTPException(403, "The key may not read transcripts, so it cannot group by a field of the summary.")
    end = date_to or floor_hour(datetime.now(UTC)) + HOUR
    try:
        start = date_from or end - timedelta(days=30)
    except OverflowError:
        raise InvalidError([(("query", "date_to"), "outside of what can be computed")]) from None
    with service.read(request, response, caller) as con:
        metric = visible_metric(service, caller, metric_key)
        check_labels(caller, metric)
        rows = breakdown(
            con,
            caller.workspace_id,
            metric.key,
            (start, end),
            by=by,
            traffic=source,
            service_id=service_id,
            most_groups=groups,
            order=order,
        )
    found = [_group(row) for row in rows]
    return BreakdownResponse.model_validate({"by": by, "date_from": start, "date_to": end, "groups": found})


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
    with service.read(request, response, caller) as con:
        metric = visible_metric(service, caller, metric_key)
        chosen: dict[str, Any] = {
            "keys": [metric.key],
            "whole": not parts,
            "status": status,
            "traffic": source,
            "entity_id": entity_id,
            "service_id": service_id,
            "run_id": run_id,
            "session_id": session_id,
            "date_from": date_from,
            "date_to": date_to,
        }

        def read(limit: int, offset: int) -> list[Row]:
            return single_values(con, caller.workspace_id, **chosen, limit=limit, offset=offset)

        rows, total = read_page(read, limit, offset)
    link_next(request, response, offset=offset + limit, more=offset + limit < total)
    shown = [single_value(row, transcripts=caller.transcripts) for row in service.shown(caller, rows)]
    return SingleValuesResponse.model_validate({"values": shown, "total": total})


@router.get("/calls/{call_id:path}/metrics", operation_id="list-call-metric-values", responses=READ_ERRORS)
def list_call_metrics(
    call_id: Annotated[str, InPath(min_length=1, max_length=128, pattern=r"^[^\x00-\x1f\x7f]+$")],
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
            rows = rows or entity_rows(con, service, caller, catalog, filters, None, limit=limit, dated=False)
    return MetricListResponse.model_validate({"metrics": rows})


def entity_rows(
    con: duckdb.DuckDBPyConnection,
    service: Service,
    caller: Caller,
    catalog: Catalog,
    filters: Filters,
    key: str | None,
    *,
    limit: int,
    offset: int = 0,
    dated: bool = True,
    date_from: datetime | None = None,
    date_to: datetime | None = None,
) -> list[dict[str, object]]:
    """Values of conversations as contract rows, newest first, of one metric or of all that the caller may read."""
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
        offset=offset,
    )
    definitions = {row["metric_key"]: catalog.get(row["metric_key"]).definition for row in rows}
    return [
        conversation_value(
            row,
            definitions[row["metric_key"]].metric_type,
            definitions[row["metric_key"]].unit,
            service.settings.zone,
        )
        for row in service.shown(caller, rows)
    ]


def _group(row: Row) -> dict[str, object]:
    quantiles = row["quantiles"]
    named = None if quantiles is None else dict(zip(("p50", "p90", "p95", "p99"), quantiles, strict=True))
    return {
        "group": row["group_key"],
        "rest": row["rest"],
        "metric": period_value(row),
        "mean": row["mean"],
        "minimum": row["value_min"],
        "maximum": row["value_max"],
        "percentiles": named,
    }
