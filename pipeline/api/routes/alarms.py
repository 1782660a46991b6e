"""Alarms and webhooks."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Annotated, Literal

from fastapi import Path as InPath
from fastapi import Query, Request, Response
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from pipeline.api.auth import Admin, Editor, ServiceOf, Viewer
from pipeline.api.errors import READ_ERRORS, WRITE_ERRORS
from pipeline.api.models.values import MetricValue
from pipeline.api.routes.parameters import visible_metric
from pipeline.api.routing import workspace_router
from pipeline.api.rows import period_value
from pipeline.catalog.models import Operator
from pipeline.workspace.alarms import Alarm, CheckedAlarm, State, check_alarms, read_alarms, replace_alarms
from pipeline.workspace.webhooks import (
    DeprecatedEvent,
    Event,
    change_webhook,
    create_webhook,
    delete_webhook,
    read_deliveries,
    read_webhooks,
    redeliver,
    rotate_secret,
    send_test,
)

router = workspace_router("alarms")

WebhookId = Annotated[str, InPath(min_length=1, max_length=64)]


class AlarmRule(BaseModel):
    """An alarm: raised when the newest complete period compares with a number."""

    model_config = ConfigDict(extra="forbid")

    metric_key: str = Field(min_length=1, max_length=64, pattern=r"^[a-z][a-z0-9_]*$")
    operator: Operator
    value: float = Field(strict=True, allow_inf_nan=False)
    granularity: Literal["hour", "day"] = "day"
    service_id: str | None = Field(default=None, max_length=128, description="Default: over all services.")


class AlarmsRequest(BaseModel):
    """All alarms; the list replaces the one in force."""

    model_config = ConfigDict(extra="forbid")

    alarms: list[AlarmRule] = Field(max_length=500)


class AlarmState(AlarmRule):
    """An alarm and what the newest complete period says about it."""

    alarm_id: str
    state: State = Field(description="`no_data` is never `ok`.")
    period: MetricValue | None


class AlarmsResponse(BaseModel):
    """All alarms, by metric."""

    alarms: list[AlarmState]


class NewWebhook(BaseModel):
    """A receiver to add."""

    model_config = ConfigDict(extra="forbid")

    url: str = Field(min_length=8, max_length=2000, pattern=r"^https?://", examples=["https://example.com/hook"])
    events: list[Event | DeprecatedEvent] = Field(
        min_length=1, max_length=20, description="`threshold.crossed` and `threshold.recovered` are deprecated."
    )


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


class WebhookChange(BaseModel):
    """What to change of a receiver; what is left out stays."""

    model_config = ConfigDict(extra="forbid")

    url: str | None = Field(default=None, min_length=8, max_length=2000, pattern=r"^https?://")
    events: list[Event | DeprecatedEvent] | None = Field(default=None, min_length=1, max_length=20)


class WebhookTested(BaseModel):
    """What the receiver answered to a message of type `webhook.test`."""

    delivered: bool
    status_code: int | None = Field(description="Null when it did not answer.")
    problem: str | None = Field(description="Why it counts as not delivered.")


class Delivery(BaseModel):
    """One attempt to deliver one message."""

    delivery_id: str = Field(description="The same for every attempt; sent as `webhook-id`.")
    event_type: str
    body: str
    attempt: int = Field(description="From 1; a test is 0.")
    attempted_at: AwareDatetime
    status_code: int | None
    problem: str | None = Field(description="Null: it was delivered.")


class DeliveriesResponse(BaseModel):
    """Attempts of the last 30 days, newest first."""

    deliveries: list[Delivery]


class WebhooksResponse(BaseModel):
    """All receivers."""

    webhooks: list[WebhookShown]


@router.get("/settings/alarms", operation_id="get-alarms", responses=READ_ERRORS)
def get_alarms(caller: Viewer, service: ServiceOf, request: Request, response: Response) -> AlarmsResponse:
    """All alarms and their state."""
    checked = checked_alarms(caller, service, request, response)
    return AlarmsResponse.model_validate({"alarms": [vars(each.alarm) | shown for each, shown in checked]})


@router.put("/settings/alarms", operation_id="update-alarms", status_code=204, responses=WRITE_ERRORS)
def put_alarms(caller: Editor, service: ServiceOf, body: AlarmsRequest) -> None:
    """Replace all alarms. A webhook is told when one is raised and when it recovers."""
    change_alarms(caller, service, body.alarms)


def checked_alarms(
    caller: Viewer, service: ServiceOf, request: Request, response: Response
) -> list[tuple[CheckedAlarm, dict[str, object]]]:
    """The alarms of metrics that the caller may read, each with its state and the period that decided."""
    with service.read(request, response, caller) as con:  # first: what is read after it is never older than the ETag
        with service.control.reader.cursor() as (control, _):
            alarms = read_alarms(control, caller.workspace_id)
        visible = [each for each in alarms if caller.may_read(each.metric_key)]
        checked = check_alarms(con, caller.workspace_id, visible, datetime.now(UTC))
    return [(each, {"state": each.state, "period": _period(caller, service, each)}) for each in checked]


def change_alarms(caller: Editor, service: ServiceOf, rules: Sequence[AlarmRule]) -> None:
    """Put these in the place of all alarms.

    Raises:
        NotFoundError: a metric does not exist, or the caller may not read it.
    """
    for rule in rules:
        visible_metric(service, caller, rule.metric_key)
    alarms = [Alarm(**rule.model_dump()) for rule in rules]
    replace_alarms(service.store, caller.workspace_id, alarms, actor=caller.actor, now=datetime.now(UTC))


def _period(caller: Viewer, service: ServiceOf, checked: CheckedAlarm) -> object:
    return None if checked.row is None else period_value(service.shown(caller, [checked.row])[0])


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
    webhook_id: WebhookId,
    caller: Editor,
    service: ServiceOf,
) -> None:
    """Remove a receiver and what waits for it."""
    delete_webhook(service.store, caller.workspace_id, webhook_id, actor=caller.actor, now=datetime.now(UTC))


@router.patch("/webhooks/{webhook_id}", operation_id="change-webhook", responses=WRITE_ERRORS)
def patch_webhook(webhook_id: WebhookId, caller: Editor, service: ServiceOf, body: WebhookChange) -> WebhookShown:
    """Change where messages go, or which; the secret stays."""
    webhook = change_webhook(
        service.settings,
        service.store,
        caller.workspace_id,
        webhook_id,
        url=body.url,
        events=body.events,
        actor=caller.actor,
        now=datetime.now(UTC),
    )
    return WebhookShown.model_validate(vars(webhook))


@router.post("/webhooks/{webhook_id}/secret", operation_id="rotate-webhook-secret", responses=WRITE_ERRORS)
def rotate_webhook_secret(webhook_id: WebhookId, caller: Editor, service: ServiceOf) -> WebhookCreated:
    """Give a receiver a new secret. For a day messages carry two signatures, of the new secret and of the old one."""
    webhook, secret = rotate_secret(
        service.settings, service.store, caller.workspace_id, webhook_id, actor=caller.actor, now=datetime.now(UTC)
    )
    return WebhookCreated.model_validate({**vars(webhook), "secret": secret})


@router.post("/webhooks/{webhook_id}/test", operation_id="test-webhook", responses=WRITE_ERRORS)
def test_webhook(webhook_id: WebhookId, caller: Editor, service: ServiceOf) -> WebhookTested:
    """Send a signed message of type `webhook.test` now and say what the receiver answered."""
    outcome = send_test(service.settings, service.store, caller.workspace_id, webhook_id, datetime.now(UTC))
    return WebhookTested(delivered=outcome.problem is None, status_code=outcome.status, problem=outcome.problem)


@router.get("/webhooks/{webhook_id}/deliveries", operation_id="list-webhook-deliveries", responses=WRITE_ERRORS)
def list_deliveries(
    webhook_id: WebhookId, caller: Admin, service: ServiceOf, limit: Annotated[int, Query(ge=1, le=1000)] = 100
) -> DeliveriesResponse:
    """What was sent to a receiver, and what it answered."""
    with service.control.reader.cursor() as (con, _):
        found = read_deliveries(con, caller.workspace_id, webhook_id, limit)
    return DeliveriesResponse.model_validate({"deliveries": found})


@router.post(
    "/webhooks/{webhook_id}/deliveries/{delivery_id}",
    operation_id="redeliver-webhook",
    status_code=202,
    responses=WRITE_ERRORS,
)
def redeliver_webhook(
    webhook_id: WebhookId,
    delivery_id: Annotated[str, InPath(min_length=1, max_length=64)],
    caller: Editor,
    service: ServiceOf,
) -> None:
    """Send a message again under its old id, within 15 seconds."""
    redeliver(service.store, caller.workspace_id, webhook_id, delivery_id, actor=caller.actor, now=datetime.now(UTC))
