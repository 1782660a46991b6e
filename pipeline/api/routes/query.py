"""Read-only SQL over the caller's own rows."""

from __future__ import annotations

import math
from datetime import date, datetime, time, timedelta
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from pipeline.api.auth import ServiceOf, Viewer
from pipeline.api.errors import WRITE_ERRORS
from pipeline.api.routing import workspace_router
from pipeline.reports.guarded_sql import MOST_CHARACTERS, Rights, guard, run_guarded

router = workspace_router("sql")


class SqlQuery(BaseModel):
    """One SELECT."""

    model_config = ConfigDict(extra="forbid")

    sql: str = Field(
        min_length=1,
        max_length=MOST_CHARACTERS,
        examples=["SELECT metric_key, count(*) AS n FROM metric_values WHERE status = 'ok' GROUP BY ALL"],
    )
    limit: int = Field(
        default=1000, strict=True, ge=1, le=10_000, description="Rows at most; the server may allow fewer."
    )


class Column(BaseModel):
    """One column of an answer."""

    name: str
    type: str


class SqlAnswer(BaseModel):
    """Columns and rows."""

    columns: list[Column]
    rows: list[list[Any]]
    truncated: bool = Field(description="Whether there were more rows.")


@router.post("/query", operation_id="run-query", responses=WRITE_ERRORS)
def run_query(caller: Viewer, service: ServiceOf, body: SqlQuery) -> SqlAnswer:
    """Run one SELECT, in DuckDB's dialect.

    There are conversations, events, metric_definitions, metric_values, metric_periods and extraction_runs, and of what
    counts now current_values, current_periods and latest_periods; they hold the workspace's own rows and what the key
    may read of them. Rows, time and memory are limited; a query that is
    refused, fails or asks for too much is 422, with the reason.
    """
    serve = service.settings.serve
    most_rows = min(body.limit, serve.sql_rows)
    rights = Rights(
        caller.workspace_id, None if caller.metrics is None else tuple(sorted(caller.metrics)), caller.transcripts
    )
    sql = guard(body.sql, rights, most_rows)
    with service.sql.cursor() as (con, _):
        answer = run_guarded(con, sql, most_rows=most_rows, seconds=serve.sql_seconds)
    return SqlAnswer(
        columns=[Column(name=name, type=kind) for name, kind in answer.columns],
        rows=[[_plain(value) for value in row] for row in answer.rows],
        truncated=answer.truncated,
    )


def _plain(value: Any) -> Any:
    """A value of DuckDB as JSON has it; what JSON has no form for becomes text, a number that is none becomes null."""
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if value is None or isinstance(value, bool | int | str):
        return value
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if isinstance(value, dict):
        return {str(name): _plain(item) for name, item in value.items()}
    if isinstance(value, datetime | date | time):
        return value.isoformat()
    if isinstance(value, timedelta):
        return value.total_seconds()
    return value.hex() if isinstance(value, bytes) else str(value)
