"""What is done, missing and failing, as `metric-store status` shows it."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import Annotated

from fastapi import Query

from pipeline.api.auth import ServiceOf, Viewer
from pipeline.api.errors import READ_ERRORS, InvalidError
from pipeline.api.moments import Moment
from pipeline.api.routes.parameters import check_range
from pipeline.api.routing import workspace_router
from pipeline.api.service import Caller
from pipeline.reports.values import HIDDEN_FAILURE
from pipeline.status import Status, hours_asked, read_status
from pipeline.window import HOUR

router = workspace_router("runs")

_MOST_HOURS = 24 * 31


@router.get("/status", operation_id="get-status", responses=READ_ERRORS)
def get_status(
    caller: Viewer,
    service: ServiceOf,
    date_from: Annotated[
        Moment | None, Query(description="Hours that start at or after. Default: a run's window before `date_to`.")
    ] = None,
    date_to: Annotated[
        Moment | None, Query(description="Hours that start before. Default: the end of the hour in progress.")
    ] = None,
) -> Status:
    """Which hours of each definition in force are done, missing or failing, and what could not be read.

    At most 31 days. Why records were refused is shown to whoever may read every metric and transcripts; files and
    definitions that could not be read are named to admins and owners among them. `hidden` counts them for others.
    """
    check_range(date_from, date_to)
    now = datetime.now(UTC)
    try:
        first, last = hours_asked(service.settings, date_from, date_to, now)
    except OverflowError:
        raise InvalidError([(("query", "date_to"), "outside of what can be computed")]) from None
    if last - first > _MOST_HOURS * HOUR:
        raise InvalidError([(("query", "date_from"), "the range must hold at most 31 days")])
    catalog = service.control.catalog(caller.workspace_id)
    found = read_status(service.store_of(caller.workspace_id), catalog, service.settings, first, last, now)
    return _readable(found, caller)


def _readable(found: Status, caller: Caller) -> Status:
    """What of it the caller may read: a failure can quote what was said, a file's name can be a person's."""
    metrics = [metric for metric in found.metrics if caller.may_read(metric.key)]
    if not caller.transcripts:
        metrics = [replace(each, last_failure=each.last_failure and HIDDEN_FAILURE) for each in metrics]
    found = replace(found, metrics=tuple(metrics))
    names = () if caller.metrics is None and caller.transcripts else ("rejected",)
    if names or not caller.administers:
        names = (*names, "failed_files", "problems")
    hidden = {name: len(getattr(found, name)) for name in names if getattr(found, name)}
    return replace(
        found,
        rejected=() if "rejected" in hidden else found.rejected,
        failed_files=() if "failed_files" in hidden else found.failed_files,
        problems=() if "problems" in hidden else found.problems,
        hidden=hidden,
    )
