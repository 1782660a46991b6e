"""What agents send: events, and metrics that they wrote themselves."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Any
from uuid import uuid4

import orjson
from fastapi import Path as InPath
from fastapi import Request
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, StrictBool, StrictFloat, StrictInt
from starlette.concurrency import run_in_threadpool

from pipeline.api.auth import Admin, ServiceOf
from pipeline.api.errors import WRITE_ERRORS, InvalidError
from pipeline.api.routing import workspace_router
from pipeline.workspace.intake import CanonicalEvent, CloudEvent

router = workspace_router("intake")

_MOST_EVENTS = 10_000
_NDJSON = "application/x-ndjson"


class WrittenMetric(BaseModel):
    """A metric that the agent itself wrote during a conversation."""

    model_config = ConfigDict(extra="forbid")

    name: str = Field(min_length=1, max_length=128, pattern=r"^[^\x00-\x1f\x7f]+$", examples=["CALL_OUTCOME"])
    value: StrictBool | StrictInt | StrictFloat | Annotated[str, Field(max_length=10_000)] | None = Field(
        default=None, description="Null marks that something happened."
    )
    write_once: bool = Field(
        default=False, strict=True, description="The first such write of the name counts, later ones do not."
    )
    occurred_at: AwareDatetime | None = Field(default=None, description="Default: now.")
    event_id: str | None = Field(
        default=None,
        min_length=1,
        max_length=256,
        pattern=r"^[^\x00-\x1f\x7f]+$",
        description="Send your own, with `occurred_at`, and sending twice is harmless.",
    )


class RefusedEvent(BaseModel):
    """An event that was not taken, and every reason."""

    index: int
    problems: list[dict[str, Any]]


class Accepted(BaseModel):
    """What is on disk and will be in the next run."""

    accepted: int
    refused: list[RefusedEvent]


_EXAMPLE = {
    "event_id": "turn-17",
    "conversation_id": "CA3db8587c7ac832dbca306287ef5f42f9",
    "event_type": "agent.turn",
    "occurred_at": "2026-04-28T21:11:42Z",
    "channel": "voice",
    "data": {"text": "How can I help you?"},
}


def _event_body() -> dict[str, Any]:
    one = {"anyOf": [CanonicalEvent.model_json_schema(), CloudEvent.model_json_schema()]}
    single_or_many = {
        "anyOf": [*one["anyOf"], {"type": "array", "minItems": 1, "maxItems": _MOST_EVENTS, "items": one}]
    }
    return {
        "required": True,
        "content": {
            "application/json": {"schema": single_or_many, "example": _EXAMPLE},
            "application/cloudevents+json": {"schema": CloudEvent.model_json_schema()},
            "application/cloudevents-batch+json": {
                "schema": {"type": "array", "minItems": 1, "items": CloudEvent.model_json_schema()}
            },
            _NDJSON: {"schema": {"type": "string", "minLength": 2, "description": "One JSON object a line."}},
        },
    }


@router.post(
    "/events",
    operation_id="send-events",
    status_code=202,
    responses=WRITE_ERRORS,
    openapi_extra={"requestBody": _event_body()},
)
async def send_events(caller: Admin, service: ServiceOf, request: Request) -> Accepted:
    """Take events: one or several, canonical or CloudEvents 1.0, as JSON or NDJSON; at most 10,000 at once.

    Whatever is accepted is on disk before the answer and part of the next run. An event that cannot be accepted does
    not cost its neighbours; when none can, the answer is 422. Sending an event twice is harmless: its id decides.
    """
    events = _read(await request.body(), request.headers.get("content-type", ""))
    refused = await run_in_threadpool(service.accept, caller, events)
    if len(refused) == len(events):
        problems = [(("body", each.index, *place), text) for each in refused for place, text in each.problems]
        raise InvalidError(problems)
    shown = [
        RefusedEvent(index=each.index, problems=[{"loc": list(place), "msg": text} for place, text in each.problems])
        for each in refused
    ]
    return Accepted(accepted=len(events) - len(refused), refused=shown)


@router.post(
    "/conversations/{conversation_id:path}/metrics",
    operation_id="write-metric",
    status_code=202,
    responses=WRITE_ERRORS,
)
def write_metric(
    conversation_id: Annotated[str, InPath(min_length=1, max_length=128, pattern=r"^[^\x00-\x1f\x7f]+$")],
    caller: Admin,
    service: ServiceOf,
    body: WrittenMetric,
) -> Accepted:
    """Record what the agent says about its own conversation; a definition with mode `written` reads it."""
    event = {
        "event_id": body.event_id or f"written-{uuid4()}",
        "event_type": "metric.written",
        "occurred_at": (body.occurred_at or datetime.now(UTC)).astimezone(UTC).isoformat().replace("+00:00", "Z"),
        "conversation_id": conversation_id,
        "data": {"name": body.name, "value": body.value, "write_once": body.write_once},
    }
    if refused := service.accept(caller, [event]):
        raise InvalidError([(("body", *place), text) for each in refused for place, text in each.problems])
    return Accepted(accepted=1, refused=[])


def _read(body: bytes, content_type: str) -> list[Any]:
    media_type = content_type.partition(";")[0].strip().lower()
    try:
        if media_type == _NDJSON:
            events = [orjson.loads(line) for line in body.splitlines() if line.strip()]
        else:
            document = orjson.loads(body)
            events = document if isinstance(document, list) else [document]
    except orjson.JSONDecodeError as error:
        raise InvalidError([(("body", error.pos), f"not JSON: {error.msg}")]) from None
    if not 1 <= len(events) <= _MOST_EVENTS:
        raise InvalidError([(("body",), f"{len(events)} events; send between 1 and {_MOST_EVENTS:,} at once")])
    return events
