"""Thresholds and webhooks."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Literal

from fastapi import Path as InPath
from fastapi import Request, Response
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from pipeline.api.auth import Admin, Editor, ServiceOf, Viewer
from pipeline.api.errors import READ_ERRORS, WRITE_ERRORS
from pipeline.api.models.values import MetricValue
from pipeline.api.routes.parameters import visible_metric
from pipeline.api.routing import workspace_router
from pipeline.api.rows import period_value
from pipeline.catalog.models import Operator
from pipeline.workspace.alarms import State, Threshold, check_thresholds, read_thresholds, replace_thresholds
from pipeline.workspace.webhooks import Event, create_webhook, delete_webhook, read_webhooks

router = workspace_router("alerts")


class ThresholdRule(BaseModel):
    """An alarm when the newest complete period compares with a number."""

    model_config = ConfigDict(extra="forbid")

    metric_key: str = Field(min_length=1, max_length=64, pattern=r"^[a-z][a-z0-9_]*$")
    operator: Operator
    value: float = Field(strict=True, allow_inf_nan=False)
    granularity: Literal["hour", "day"] = "day"
    service_id: str | None = Field(default=None, max_length=128, description="Default: over all services.")


class ThresholdsRequest(BaseModel):
    """All thresholds; the list replaces the one in force."""

    model_config = ConfigDict(extra="forbid")

    thresholds: list[ThresholdRule] = Field(max_length=500)


class ThresholdState(ThresholdRule):
    """A threshold and what the newest complete period says about it."""

    threshold_id: str
    state: State = Field(description="`no_data` is never `ok`.")
    period: MetricValue | None


class ThresholdsResponse(BaseModel):
    """All thresholds, by metric."""

    thresholds: list[ThresholdState]


class NewWebhook(BaseModel):
    """A receiver to add."""

    model_config = ConfigDict(extra="forbid")

    url: str = Field(min_length=8, max_length=2000, pattern=r"^https?://", examples=["https://example.com/hook"])
    events: list[Event] = Field(min_length=1, max_length=20)


class WebhookShown(BaseModel):
    """A receiver, without its secret."""

    webhook_id: str
    url: str
    events: list[str]
    created_at: AwareDatetime
    created_by: str


class WebhookCreated(WebhookShown):
    """A new receiver; the secret is not shown again."""

    secret: str = Field(description="`whsec_…`, for the signature of the Standard Webhooks specification.")


class WebhooksResponse(BaseModel):
    """All receivers."""

    webhooks: list[WebhookShown]


@router.get("/settings/thresholds", operation_id="get-thresholds", responses=READ_ERRORS)
def get_thresholds(caller: Viewer, service: ServiceOf, request: Request, response: Response) -> ThresholdsResponse:
    """All thresholds and their state."""
    with service.control.reader.cursor() as (con, _):
        thresholds = read_thresholds(con, caller.workspace_id)
    visible = [each for each in thresholds if caller.may_read(each.metric_key)]
    with service.read(request, response, caller) as con:
        checked = check_thresholds(con, caller.workspace_id, visible, datetime.now(UTC))
    rows = [
        {**vars(each.threshold), "state": each.state, "period": None if each.row is None else period_value(each.row)}
        for each in checked
    ]
    return ThresholdsResponse.model_validate({"thresholds": rows})


@router.put("/settings/thresholds", operation_id="update-thresholds", status_code=204, responses=WRITE_ERRORS)
def put_thresholds(caller: Editor, service: ServiceOf, body: ThresholdsRequest) -> None:
    """Replace all thresholds. A webhook is told when one is crossed and when it recovers."""
    for rule in body.thresholds:
        visible_metric(service, caller, rule.metric_key)
    thresholds = [Threshold(**rule.model_dump()) for rule in body.thresholds]
    replace_thresholds(service.store, caller.workspace_id, thresholds, actor=caller.actor, now=datetime.now(UTC))


@router.get("/webhooks", operation_id="list-webhooks", responses=WRITE_ERRORS)
def list_webhooks(caller: Admin, service: ServiceOf) -> WebhooksResponse:
    """All receivers of the workspace."""
    with service.control.reader.cursor() as (con, _):
        webhooks = read_webhooks(con, caller.workspace_id)
    return WebhooksResponse.model_validate({"webhooks": [vars(webhook) for webhook in webhooks]})


@router.post("/webhooks", operation_id="create-webhook", status_code=201, responses=WRITE_ERRORS)
def post_webhook(caller: Editor, service: ServiceOf, body: NewWebhook) -> WebhookCreated:
    """Add a receiver. Messages are signed, carry a timestamp, and are tried again for a day."""
    webhook, secret = create_webhook(
        service.settings,
        service.store,
        caller.workspace_id,
        body.url,
        body.events,
        actor=caller.actor,
        now=datetime.now(UTC),
    )
    return WebhookCreated.model_validate({**vars(webhook), "secret": secret})


@router.delete("/webhooks/{webhook_id}", operation_id="delete-webhook", status_code=204, responses=WRITE_ERRORS)
def remove_webhook(
    webhook_id: Annotated[str, InPath(min_length=1, max_length=64)],
    caller: Editor,
    service: ServiceOf,
) -> None:
    """Remove a receiver and what waits for it."""
    delete_webhook(service.store, caller.workspace_id, webhook_id, actor=caller.actor, now=datetime.now(UTC))
