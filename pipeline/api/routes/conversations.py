"""Conversations by metric outcome, and one with everything that is known about it."""

from __future__ import annotations

import secrets
from dataclasses import asdict
from typing import Annotated, Any, Literal

import orjson
from fastapi import Path as InPath
from fastapi import Query, Request, Response
from pydantic import AwareDatetime, BaseModel, Field, ValidationError

from pipeline.aggregate.queries import Traffic
from pipeline.api.auth import Admin, ServiceOf, Viewer
from pipeline.api.errors import READ_ERRORS, WRITE_ERRORS, InvalidError
from pipeline.api.models.values import SingleValue
from pipeline.api.moments import Moment
from pipeline.api.pages import link_next
from pipeline.api.routes.parameters import Id, ShortId, check_labels, check_range, visible_metric
from pipeline.api.routing import workspace_router
from pipeline.api.rows import single_value
from pipeline.api.service import Caller, Service
from pipeline.erasure import forget_and_publish
from pipeline.errors import NotFoundError
from pipeline.reports.conversations import conversation_values, find_conversations, metrics_map, read_conversation
from pipeline.reports.outcome_filter import Outcome, OutcomeFilter, metrics_of
from pipeline.reports.readable import MEASURES

router = workspace_router("conversations")


class Conversation(BaseModel):
    """A call, chat, form session or simulation run."""

    conversation_id: str
    started_at: AwareDatetime | None
    ended_at: AwareDatetime | None
    settled_at: AwareDatetime | None
    channel: str | None
    direction: str | None
    service_id: str | None
    tags: list[str] | None
    source: str
    run_id: str | None
    session_id: str | None
    completion_reason: str | None
    final_state: str | None
    duration_seconds: float | None
    quality_score: float | None
    escalated: bool | None
    turn_count: int | None = Field(description="Null, as the other columns that are metrics, for keys without them.")
    agent_turn_count: int | None
    user_turn_count: int | None
    tool_call_count: int | None
    tool_failure_count: int | None


class ConversationsResponse(BaseModel):
    """Conversations, newest first or in the order of a random sample."""

    conversations: list[Conversation]
    total: int = Field(description="How many pass the filters.")
    seed: str | None = Field(description="Of the sample; send it again for the same one.")


class Turn(BaseModel):
    """What somebody said."""

    index: int
    role: str | None
    participant: str | None
    text: str | None
    started_at: AwareDatetime | None
    ended_at: AwareDatetime | None


class ConversationDetail(Conversation):
    """One conversation with its turns and all its values."""

    turns: list[Turn] | None = Field(description="Null when the key may not read transcripts.")
    intelligence: dict[str, Any] | None = Field(description="The call-intelligence summary; null like `turns`.")
    metrics: dict[str, float | str | bool | list[str] | None] = Field(description="Value or list of values by metric.")
    values: list[SingleValue] = Field(description="Every value with its state, also those that have none.")


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
        rows = find_conversations(con, caller.workspace_id, outcome, **chosen, limit=limit, offset=offset)
        counted = rows
        if not rows and offset:  # past the last page
            counted = find_conversations(con, caller.workspace_id, outcome, **chosen, limit=1)
    found = [{**row, **_hidden_measures(service, caller), "source": row["traffic"]} for row in rows]
    total = counted[0]["total"] if counted else 0
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
    hidden = _hidden_measures(service, caller)
    hidden |= {} if caller.transcripts else {"turns": None}
    hidden |= {} if caller.transcripts and caller.metrics is None else {"intelligence": None}
    shown = {"metrics": metrics_map(values), "values": [single_value(value, caller) for value in values]}
    return ConversationDetail.model_validate({**row, "source": row["traffic"], **hidden, **shown})


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


def _hidden_measures(service: Service, caller: Caller) -> dict[str, None]:
    """Columns that are metrics, for callers who may read some metrics only."""
    if caller.metrics is None:
        return {}
    given = service.rights(caller).measures
    return {name: None for name in MEASURES if name not in given}


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
