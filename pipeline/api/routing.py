"""Routes that read JSON strictly."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Annotated, Any
from uuid import UUID

import orjson
from fastapi import APIRouter, Depends, Path, Request, Response
from fastapi.routing import APIRoute

from pipeline.api.errors import EXPECTED, unexpected


class _JsonRequest(Request):
    """No NaN, no broken UTF-8, no lone surrogates, no bottomless nesting."""

    async def json(self) -> Any:
        return orjson.loads(await self.body())


class _StrictRoute(APIRoute):
    def get_route_handler(self) -> Callable[[Request], Awaitable[Response]]:  # type: ignore[override]
        handle = super().get_route_handler()

        async def strict(request: Request) -> Response:
            try:
                response = await handle(_JsonRequest(request.scope, request.receive))
            except EXPECTED:
                raise
            except Exception as error:  # answered here: what leaves a route is logged by the server, message and all
                return unexpected(request, error)
            etag = getattr(request.state, "etag", None)  # set where an answer depends on nothing but its ETag
            if etag is not None and response.status_code == 200:
                request.app.state.service.answers.put(etag, bytes(response.body))
            return response

        return strict


def workspace_router(subject: str) -> APIRouter:
    """A router below `/v1/{workspace_id}`."""
    return APIRouter(
        prefix="/v1/{workspace_id}",
        tags=[subject],
        route_class=_StrictRoute,
        dependencies=[Depends(_workspace_id)],
    )


def _workspace_id(workspace_id: Annotated[UUID, Path(description="The workspace that the key belongs to.")]) -> UUID:
    """Any other is refused by `authenticate`; this says what it must look like."""
    return workspace_id
