"""Conversations by metric outcome, and one with everything that is known about it."""

from __future__ import annotations

import secrets
from dataclasses import asdict
from typing import Annotated, Any, Literal

import orjson
from fastapi import Path as InPath
from fastapi import Query, Request, Response
from pydantic import BaseModel, ValidationError

from pipeline.aggregate.queries import Row, Traffic
from pipeline.api.auth import Admin, ServiceOf, Viewer
from pipeline.api.errors import READ_ERRORS, WRITE_ERRORS, InvalidError
from pipeline.api.models.conversations import ConversationDetail, ConversationsResponse
from pipeline.api.moments import Moment
from pipeline.api.pages import link_next, read_page
from pipeline.api.routes.parameters import Id, ShortId, check_labels, check_range, hidden_measures, visible_metric
from pipeline.api.routing import workspace_router
from pipeline.erasure import forget_and_publish
from pipeline.errors import NotFoundError
from pipeline.reports.conversations import conversation_values, find_conversations, read_conversation
from pipeline.reports.outcome_filter import Outcome, OutcomeFilter, metrics_of

router = workspace_router("conversations")


@router.get("/conversations", operation_id="list-conversations", responses=READ_ERRORS)
def list_conversations(
    caller: Viewer,
    service: ServiceOf,
    request: Request,
    response: Response,
    where: Annotated[
        str | None,
        Query(
            alias="filter",
            max_length=8000,
            description="JSON: `{metric, op, value}` with op eq, gt, gte, lt, lte, in, contains or exists, or "
            '`{"and": […]}`, `{"or": […]}` of such.',
            examples=['{"and": [{"metric": "empathy_score", "op": "lt", "value": 5}]}'],
        ),
    ] = None,
    sample: Annotated[Literal["newest", "random"], Query()] = "newest",
    seed: Annotated[str | None, Query(max_length=64, description="Makes a random sample repeatable.")] = None,
    source: Annotated[Traffic, Query()] = "production",
    service_id: Annotated[ShortId | None, Query()] = None,
    channel: Annotated[ShortId | None, Query()] = None,
    run_id: Annotated[ShortId | None, Query()] = None,
    session_id: Annotated[Id | None, Query()] = None,
    date_from: Annotated[Moment | None, Query(description="Started at or after.")] = None,
    date_to: Annotated[Moment | None, Query(description="Started before.")] = None,
    limit: Annotated[int, Query(ge=1, le=1000)] = 100,
    offset: Annotated[int, Query(ge=0, le=10_000_000)] = 0,
) -> ConversationsResponse:
    """Conversations by what their metrics say: the newest, or a random sample."""
    check_range(date_from, date_to)
    outcome = _outcome(where)
    for key in set() if outcome is None else set(metrics_of(outcome)):
        check_labels(caller, visible_metric(service, caller, key))
    drawn = None if sample == "newest" else seed or secrets.token_hex(4)
    # A fresh sample is drawn each time that it is asked for without a seed.
    reading = service.draw() if drawn != seed and drawn is not None else service.read(request, response, caller)
    with reading as con:
        chosen: dict[str, Any] = {
            "traffic": source,
            "service_id": service_id,
            "channel": channel,
            "run_id": run_id,
            "session_id": session_id,
            "date_from": date_from,
            "date_to": date_to,
            "seed": drawn,
        }

        def read(limit: int, offset: int) -> list[Row]:
            return find_conversations(con, caller.workspace_id, outcome, **chosen, limit=limit, offset=offset)

        rows, total = read_page(read, limit, offset)
    hidden = hidden_measures(service, caller)
    found = [{**row, **hidden, "source": row["traffic"]} for row in rows]
    again = {} if drawn is None else {"seed": drawn}
    link_next(request, response, offset=offset + limit, more=offset + limit < total, **again)
    return ConversationsResponse.model_validate({"conversations": found, "total": total, "seed": drawn})


@router.get("/conversations/{conversation_id:path}", operation_id="get-conversation", responses=READ_ERRORS)
def get_conversation(
    conversation_id: Annotated[str, InPath(min_length=1, max_length=128, description="Its id, or its session's.")],
    caller: Viewer,
    service: ServiceOf,
    request: Request,
    response: Response,
) -> ConversationDetail:
    """One conversation: turns, summary, and what every metric says about it or why it says nothing."""
    with service.read(request, response, caller) as con:
        row = read_conversation(con, caller.workspace_id, conversation_id)
        values = service.shown(
            caller, conversation_values(con, caller.workspace_id, row["conversation_id"], caller.metric_list)
        )
    return ConversationDetail.of(
        row,
        values,
        transcripts=caller.transcripts,
        summary=caller.metrics is None,
        hidden=hidden_measures(service, caller),
    )


class Erased(BaseModel):
    """What was erased."""

    conversations: int
    events: int
    values: int


@router.delete("/conversations/{conversation_id:path}", operation_id="forget-conversation", responses=WRITE_ERRORS)
def forget_conversation(
    conversation_id: Annotated[str, InPath(min_length=1, max_length=128, description="Its id.")],
    caller: Admin,
    service: ServiceOf,
) -> Erased:
    """Erase a conversation: its rows, quotes and answers. Numbers restate; its id is refused from now on. Role admin.

    The bytes are gone from the files after the next maintenance. An id of which nothing is stored is refused, too.
    """
    if caller.workspace_id != service.settings.workspace_id:
        raise NotFoundError("This deployment holds another workspace only.")
    found = forget_and_publish(service.store, service.settings, ids=[conversation_id], actor=caller.actor)
    return Erased.model_validate(asdict(found))


def _outcome(text: str | None) -> Outcome | None:
    if text is None:
        return None
    try:
        return OutcomeFilter.model_validate({"root": orjson.loads(text)}).root
    except orjson.JSONDecodeError as error:
        raise InvalidError([(("query", "filter"), f"not JSON: {error.msg}")]) from None
    except ValidationError as error:
        problems = [
            (("query", "filter", *problem["loc"][1:]), problem["msg"]) for problem in error.errors(include_input=False)
        ]
        raise InvalidError(problems) from None
