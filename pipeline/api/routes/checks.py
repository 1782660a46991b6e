"""Checks: whether what the metrics say is good enough."""

from __future__ import annotations

from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from typing import Annotated, Literal

from fastapi import Query
from pydantic import BaseModel, Field

from pipeline.api.auth import ServiceOf, Viewer
from pipeline.api.errors import READ_ERRORS
from pipeline.api.moments import Moment
from pipeline.api.routes.parameters import ShortId, check_range
from pipeline.api.routing import workspace_router
from pipeline.reports.checks import Scope, evaluate_checks, select_checks
from pipeline.reports.verdicts import Verdict

router = workspace_router("checks")


class Checked(BaseModel):
    """One check, what it saw, and what follows from it."""

    name: str
    passed: bool
    verdict: Verdict
    reason: str = Field(description="The verdict in a sentence; empty when it passed.")
    severity: Literal["error", "warning"]
    metric_key: str
    definition_version: str
    over: Literal["conversations", "period"]
    condition: str = Field(examples=["<= 1500"])
    value: float | None = Field(description="The pass rate, or the value of the period.")
    interval_low: float | None
    interval_high: float | None
    min_pass_rate: float | None = Field(description="Null for a check over a period.")
    n: int = Field(description="Values that entered.")
    passed_count: int | None = Field(description="Of them, those that satisfy the condition.")
    eligible: int
    coverage: float | None = Field(description="n / (eligible - not applicable).")
    min_coverage: float
    states: dict[str, int] | None = Field(description="Conversations by the state of their value.")


class ChecksResponse(BaseModel):
    """The checks that were asked for, in the order in which they are defined."""

    passed: bool = Field(description="Whether no check fails that is not a warning.")
    checks: list[Checked]


@router.get("/checks", operation_id="run-checks", responses=READ_ERRORS)
def run_checks(
    caller: Viewer,
    service: ServiceOf,
    name: Annotated[
        list[ShortId] | None, Query(max_length=100, description="Checks or sets; default all that are not shipped.")
    ] = None,
    run_id: Annotated[ShortId | None, Query(description="The conversations of one simulation run.")] = None,
    date_from: Annotated[Moment | None, Query(description="Default: 24 hours before `date_to`.")] = None,
    date_to: Annotated[Moment | None, Query(description="Default: the last full hour.")] = None,
    last_hours: Annotated[int | None, Query(ge=1, le=24 * 366, description="Instead of a start and an end.")] = None,
) -> ChecksResponse:
    """Evaluate checks now; what could not be checked fails with a verdict of its own.

    RUN_NOT_COMPLETED: no run has looked at all of it; NOT_EVALUATED: there is no value; INCOMPLETE_COVERAGE: too few
    conversations have one; BELOW_MIN_PASS_RATE: too few of the values satisfy the condition; UNDECIDED: fewer satisfy
    it than is asked for, but so few were looked at that this may be chance.
    """
    check_range(date_from, date_to)
    now = datetime.now(UTC)
    scope = Scope.of(now, run_id, date_from, date_to, None if last_hours is None else timedelta(hours=last_hours))
    catalog = service.control.catalog(caller.workspace_id)
    checks = select_checks(catalog, name or (), caller.metrics)
    with service.draw() as con:
        results = evaluate_checks(con, caller.workspace_id, catalog, checks, scope, now)
    return ChecksResponse(
        passed=not any(result.failed for result in results),
        checks=[Checked.model_validate({**asdict(result), "passed": result.passed}) for result in results],
    )
