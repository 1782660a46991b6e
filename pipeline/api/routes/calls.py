"""Calls, as the published contract has them: views of conversations, with the rights of conversations."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated

from fastapi import HTTPException, Query, Request, Response
from fastapi import Path as InPath

from pipeline.aggregate.queries import Row
from pipeline.api.auth import ServiceOf, Viewer
from pipeline.api.calls import detail_of, intelligence_of, summary_of
from pipeline.api.errors import READ_ERRORS
from pipeline.api.models.calls import (
    CallDetail,
    CallIntelligence,
    CallListResponse,
    Direction,
    PlaybackTimeline,
    Status,
)
from pipeline.api.moments import Day, start_of
from pipeline.api.pages import link_next, read_page
from pipeline.api.routes.parameters import ShortId, check_range, hidden_measures
from pipeline.api.routing import workspace_router
from pipeline.api.service import Caller, Service
from pipeline.api.timeline import timeline_of
from pipeline.reports.calls import find_calls, read_call

router = workspace_router("conversations")

CallId = Annotated[str, InPath(min_length=1, max_length=128, description="Id of a conversation, or of its session.")]


@router.get("/calls", operation_id="list-calls", responses=READ_ERRORS)
def list_calls(
    caller: Viewer,
    service: ServiceOf,
    request: Request,
    response: Response,
    date_from: Annotated[Day | None, Query(description="First day, in the workspace's zone.")] = None,
    date_to: Annotated[Day | None, Query(description="Last day.")] = None,
    status: Annotated[Status | None, Query()] = None,
    direction: Annotated[Direction | None, Query()] = None,
    min_duration: Annotated[int | None, Query(ge=0, le=10_000_000, description="Seconds.")] = None,
    max_duration: Annotated[int | None, Query(ge=0, le=10_000_000, description="Seconds.")] = None,
    service_id: Annotated[ShortId | None, Query()] = None,
    include_simulated: Annotated[bool, Query()] = False,
    limit: Annotated[int, Query(ge=1, le=100)] = 20,
    offset: Annotated[int, Query(ge=0, le=10_000_000)] = 0,
    continuation_token: Annotated[
        int | None, Query(ge=0, le=10_000_000, description="Of the page before; the same as `offset`.")
    ] = None,
) -> CallListResponse:
    """Calls of every channel, newest first."""
    check_range(date_from, date_to)
    hidden = _hidden(service, caller)
    asked = {"status": status, "duration_seconds": min_duration if min_duration is not None else max_duration}
    if any(value is not None and name in hidden for name, value in asked.items()):
        raise HTTPException(403, "The key may not read what this filter asks about.")
    first = offset if continuation_token is None else continuation_token
    with service.read(request, response, caller) as con:

        def read(limit: int, offset: int) -> list[Row]:
            return find_calls(
                con,
                caller.workspace_id,
                with_simulated=include_simulated,
                service_id=service_id,
                direction=direction,
                status=status,
                min_duration=min_duration,
                max_duration=max_duration,
                since=start_of(date_from) if date_from else None,
                until=start_of(date_to + timedelta(days=1)) if date_to else None,
                limit=limit,
                offset=offset,
            )

        rows, total = read_page(read, limit, first)
    more = first + limit < total
    link_next(request, response, offset=first + limit, more=more)
    return CallListResponse(
        items=[summary_of({**row, **hidden}) for row in rows],
        total=total,
        has_more=more,
        continuation_token=first + limit if more else None,
    )


@router.get("/calls/{call_id:path}/intelligence", operation_id="get-call-intelligence", responses=READ_ERRORS)
def get_call_intelligence(
    call_id: CallId, caller: Viewer, service: ServiceOf, request: Request, response: Response
) -> CallIntelligence:
    """The call-intelligence summary of one call. A part that was neither provided nor derived is null."""
    row = _call(call_id, caller, service, request, response)
    return intelligence_of(row, shown=caller.transcripts and caller.metrics is None)


@router.get("/calls/{call_id:path}/timeline", operation_id="get-call-timeline", responses=READ_ERRORS)
def get_call_timeline(
    call_id: CallId, caller: Viewer, service: ServiceOf, request: Request, response: Response
) -> PlaybackTimeline:
    """When who spoke in one call, what was silent, which tools ran. Null for keys that may not read all of it."""
    row = _call(call_id, caller, service, request, response)
    if caller.transcripts and caller.metrics is None:
        return timeline_of(row)
    unknown = dict.fromkeys(PlaybackTimeline.model_fields)
    return PlaybackTimeline.model_validate(unknown | {"duration_seconds": row["duration_seconds"]})


@router.get("/calls/{call_id:path}", operation_id="get-call", responses=READ_ERRORS)
def get_call(call_id: CallId, caller: Viewer, service: ServiceOf, request: Request, response: Response) -> CallDetail:
    """One call with its turns, tools and timeline; `/conversations/{id}` has what every metric says of it."""
    row = _call(call_id, caller, service, request, response)
    return detail_of(row, transcripts=caller.transcripts, all_metrics=caller.metrics is None)


def _call(call_id: str, caller: Caller, service: Service, request: Request, response: Response) -> Row:
    with service.read(request, response, caller) as con:
        return {**read_call(con, caller.workspace_id, call_id), **_hidden(service, caller)}


def _hidden(service: Service, caller: Caller) -> dict[str, None]:
    """What a metric would give that the caller may not read; `status` is `completion_reason` in other words."""
    hidden = hidden_measures(service, caller)
    return hidden | {"status": None} if "completion_reason" in hidden else hidden
