"""The paths that alarms had before, for programs that use them: the same alarms under their former names."""

from __future__ import annotations

from typing import Literal

from fastapi import Request, Response
from pydantic import BaseModel, ConfigDict, Field

from pipeline.api.auth import Editor, ServiceOf, Viewer
from pipeline.api.errors import READ_ERRORS, WRITE_ERRORS
from pipeline.api.models.values import MetricValue
from pipeline.api.routes.alarms import AlarmRule, change_alarms, checked_alarms
from pipeline.api.routing import workspace_router

router = workspace_router("alarms")

_SINCE = "@1796083200"  # 2026-12-01, as RFC 9745 writes it


class FormerAlarms(BaseModel):
    """All alarms; the list replaces the one in force."""

    model_config = ConfigDict(extra="forbid")

    thresholds: list[AlarmRule] = Field(max_length=500)


class FormerAlarm(AlarmRule):
    """An alarm and what the newest complete period says about it."""

    threshold_id: str
    state: Literal["ok", "crossed", "no_data"]
    period: MetricValue | None


class FormerAlarmStates(BaseModel):
    """All alarms, by metric."""

    thresholds: list[FormerAlarm]


@router.get("/settings/thresholds", operation_id="get-thresholds", deprecated=True, responses=READ_ERRORS)
def get_thresholds(caller: Viewer, service: ServiceOf, request: Request, response: Response) -> FormerAlarmStates:
    """All alarms under their former name; use `get-alarms`."""
    rows = [
        {name: value for name, value in vars(each.alarm).items() if name != "alarm_id"}
        | shown
        | {"threshold_id": each.alarm.alarm_id, "state": "crossed" if each.state == "raised" else each.state}
        for each, shown in checked_alarms(caller, service, request, response)
    ]
    _say_so(caller, response)
    return FormerAlarmStates.model_validate({"thresholds": rows})


@router.put(
    "/settings/thresholds",
    operation_id="update-thresholds",
    status_code=204,
    deprecated=True,
    responses=WRITE_ERRORS,
)
def put_thresholds(caller: Editor, service: ServiceOf, response: Response, body: FormerAlarms) -> None:
    """Replace all alarms under their former name; use `update-alarms`."""
    change_alarms(caller, service, body.thresholds)
    _say_so(caller, response)


def _say_so(caller: Viewer, response: Response) -> None:
    response.headers["Deprecation"] = _SINCE
    response.headers["Link"] = f'</v1/{caller.workspace_id}/settings/alarms>; rel="successor-version"'
