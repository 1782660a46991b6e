"""Runs and coverage: what was done, what is missing, what it cost."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Annotated, Any

from fastapi import Path as InPath
from fastapi import Query, Request, Response
from pydantic import AwareDatetime, BaseModel, Field

from pipeline.api.auth import ServiceOf, Viewer
from pipeline.api.errors import READ_ERRORS, InvalidError
from pipeline.api.models.values import StateCounts
from pipeline.api.moments import Moment
from pipeline.api.pages import link_next, read_page
from pipeline.api.routing import workspace_router
from pipeline.api.service import Caller
from pipeline.errors import NotFoundError
from pipeline.reports import ledger
from pipeline.reports.values import HIDDEN_FAILURE
from pipeline.store import STATES
from pipeline.window import HOUR, floor_hour

router = workspace_router("runs")

_MOST_HOURS = 24 * 31


class _Cost(BaseModel):
    window_start: AwareDatetime
    window_end: AwareDatetime
    eligible_count: int = Field(description="Always the sum of `states`.")
    states: StateCounts
    reused_count: int = Field(description="Values that an earlier run had paid for.")
    calls: int
    tokens_in: int
    tokens_cached: int
    tokens_out: int
    cost_usd: float
    started_at: AwareDatetime
    seconds: float


class Run(_Cost):
    """One run over all its definitions and windows."""

    run_id: str
    metrics: int
    failed: int = Field(description="Definitions and windows that failed.")


class RunsResponse(BaseModel):
    """Runs, newest first."""

    runs: list[Run]
    total: int = Field(description="How many there are.")


class RunRow(_Cost):
    """What one run did for one definition and window."""

    metric_key: str
    definition_version: str
    failure: str | None


class RunResponse(BaseModel):
    """One run, by metric and window."""

    run_id: str
    rows: list[RunRow]


class HourInterval(BaseModel):
    """Half-open span of whole hours."""

    start: AwareDatetime
    end: AwareDatetime


class MetricCoverage(BaseModel):
    """The hours of one definition version."""

    metric_key: str
    definition_version: str
    hours: int
    done: int
    failing: int
    missing: int
    last_run_at: AwareDatetime | None
    last_failure: str | None
    missing_intervals: list[HourInterval]
    failing_intervals: list[HourInterval]


class CoverageResponse(BaseModel):
    """The ledger over a range of hours."""

    date_from: AwareDatetime
    date_to: AwareDatetime
    metrics: list[MetricCoverage]


@router.get("/runs", operation_id="list-runs", responses=READ_ERRORS)
def list_runs(
    caller: Viewer,
    service: ServiceOf,
    request: Request,
    response: Response,
    limit: Annotated[int, Query(ge=1, le=500)] = 50,
    offset: Annotated[int, Query(ge=0, le=10_000_000)] = 0,
) -> RunsResponse:
    """Runs of the pipeline, newest first."""
    with service.read(request, response, caller) as con:
        rows, total = read_page(partial(ledger.runs, con, caller.workspace_id, caller.metric_list), limit, offset)
    link_next(request, response, offset=offset + limit, more=offset + limit < total)
    return RunsResponse.model_validate({"runs": [_with_states(row, caller) for row in rows], "total": total})


@router.get("/runs/{run_id}", operation_id="get-run", responses=READ_ERRORS)
def get_run(
    run_id: Annotated[str, InPath(min_length=1, max_length=128)],
    caller: Viewer,
    service: ServiceOf,
    request: Request,
    response: Response,
) -> RunResponse:
    """What one run did for each definition."""
    with service.read(request, response, caller) as con:
        rows = ledger.run_rows(con, caller.workspace_id, run_id, caller.metric_list)
    if not rows:
        raise NotFoundError(f"No run is called {run_id!r}. GET …/runs lists them.")
    return RunResponse.model_validate({"run_id": run_id, "rows": [_with_states(row, caller) for row in rows]})


@router.get("/coverage", operation_id="get-coverage", responses=READ_ERRORS)
def get_coverage(
    caller: Viewer,
    service: ServiceOf,
    request: Request,
    response: Response,
    date_from: Annotated[Moment | None, Query(description="Default: 24 hours before `date_to`.")] = None,
    date_to: Annotated[Moment | None, Query(description="Default: the last full hour.")] = None,
) -> CoverageResponse:
    """Which hours of each definition in force are done, failing or missing; at most 31 days."""
    try:
        last = floor_hour(date_to or datetime.now(UTC))
        first = floor_hour(date_from or last - timedelta(hours=24))
    except OverflowError:
        raise InvalidError([(("query", "date_to"), "outside of what can be computed")]) from None
    if not HOUR <= last - first <= _MOST_HOURS * HOUR:
        raise InvalidError([(("query", "date_from"), "the range must hold between one hour and 31 days")])
    with service.read(request, response, caller) as con:
        catalog = service.control.catalog(caller.workspace_id)
        metrics = [metric for metric in catalog.active if caller.may_read(metric.key)]
        rows = ledger.coverage(con, caller.workspace_id, metrics, first, last)
    rows = [{**row, "last_failure": _told(row["last_failure"], caller)} for row in rows]
    return CoverageResponse.model_validate({"date_from": first, "date_to": last, "metrics": rows})


def _with_states(row: dict[str, Any], caller: Caller) -> dict[str, Any]:
    told = {"failure": _told(row["failure"], caller)} if "failure" in row else {}
    return {**row, **told, "states": {state: row[f"{state}_count"] for state in STATES}}


def _told(failure: str | None, caller: Caller) -> str | None:
    """A failure as the caller may read it: its text can quote what was said."""
    return failure if failure is None or caller.transcripts else HIDDEN_FAILURE
