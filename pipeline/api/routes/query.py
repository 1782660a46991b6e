"""Read-only SQL over the caller's own rows."""

from __future__ import annotations

import asyncio
from typing import Any

from fastapi import Request, Response
from pydantic import BaseModel, ConfigDict, Field
from starlette.concurrency import run_in_threadpool

from pipeline.api.auth import ServiceOf, Viewer
from pipeline.api.errors import WRITE_ERRORS
from pipeline.api.routing import workspace_router
from pipeline.reports.guarded_sql import MOST_CHARACTERS

router = workspace_router("sql")
_CLIENT_CLOSED = 499
"""Nobody reads it; nginx logs it under this number."""


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
    truncated: bool = Field(description="Whether there were more rows, or more bytes.")


@router.post("/query", operation_id="run-query", responses=WRITE_ERRORS, response_model=SqlAnswer)
async def run_query(caller: Viewer, service: ServiceOf, request: Request, body: SqlQuery) -> Response:
    """Run one SELECT, in DuckDB's dialect.

    There are conversations, events, metric_definitions, metric_values, metric_periods and extraction_runs, and of what
    counts now current_values, current_periods and latest_periods; they hold the workspace's own rows and what the key
    may read of them. Rows, bytes, time, memory and queries at once are limited; rows beyond a limit are cut off
    (`truncated`), a query that is refused, fails or asks for too much is 422, with the reason. Whoever hangs up stops
    the query.
    """
    rights = await run_in_threadpool(service.rights, caller)
    most_rows = min(body.limit, service.settings.serve.sql_rows)
    query = asyncio.ensure_future(service.sql.run(caller.actor, body.sql, rights, most_rows))
    gone = asyncio.ensure_future(_gone(request))
    try:
        await asyncio.wait({query, gone}, return_when=asyncio.FIRST_COMPLETED)
        if query.done():
            return Response(query.result(), media_type="application/json")
        return Response(status_code=_CLIENT_CLOSED)
    finally:
        for task in (query, gone):
            task.cancel()
        await asyncio.gather(query, gone, return_exceptions=True)


async def _gone(request: Request) -> None:
    """Ends when the client hangs up."""
    while (await request.receive())["type"] != "http.disconnect":
        pass
