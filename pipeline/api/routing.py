"""Routes that read JSON strictly."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from difflib import get_close_matches
from typing import Annotated, Any
from uuid import UUID

import orjson
from fastapi import APIRouter, Depends, Path, Request, Response, params
from fastapi.dependencies.utils import get_flat_params
from fastapi.routing import APIRoute

from pipeline.api import once
from pipeline.api.auth import Viewer
from pipeline.api.errors import EXPECTED, InvalidError, unexpected
from pipeline.api.moments import ZONE

_CONTRACT = frozenset({"limit", "offset"})
"""Parameters of the published contract that an operation may not use; they are accepted and ignored."""


class _JsonRequest(Request):
    """No NaN, no broken UTF-8, no lone surrogates, no bottomless nesting."""

    async def json(self) -> Any:
        return orjson.loads(await self.body())


class _StrictRoute(APIRoute):
    def get_route_handler(self) -> Callable[[Request], Awaitable[Response]]:  # type: ignore[override]
        handle = super().get_route_handler()

        async def strict(request: Request) -> Response:
            ZONE.set(request.app.state.service.settings.zone)
            try:
                response = await handle(_JsonRequest(request.scope, request.receive))
            except EXPECTED:
                await once.release(request)
                raise
            except Exception as error:  # answered here: what leaves a route is logged by the server, message and all
                return unexpected(request, error)
            finally:
                if (leave := getattr(request.state, "leave", None)) is not None:
                    leave()
            await once.keep(request, response)
            response.headers.update(getattr(request.state, "rate", {}))
            etag = getattr(request.state, "etag", None)  # set where an answer depends on nothing but its ETag
            if etag is not None and response.status_code == 200:
                request.app.state.service.answers.put(etag, bytes(response.body), response.headers.get("link"))
            return response

        return strict


def workspace_router(subject: str) -> APIRouter:
    """A router below `/v1/{workspace_id}`."""
    return APIRouter(
        prefix="/v1/{workspace_id}",
        tags=[subject],
        route_class=_StrictRoute,
        dependencies=[Depends(_workspace_id), Depends(_known_parameters), Depends(once.begin)],
    )


def _known_parameters(_: Viewer, request: Request) -> None:
    """Refuse parameters that do not exist: one that is mistyped would be a filter that does not filter."""
    fields = get_flat_params(request.scope["route"].dependant)
    known = {field.alias for field in fields if isinstance(field.field_info, params.Query)}
    unknown = [name for name in dict.fromkeys(request.query_params) if name not in known | _CONTRACT]
    if unknown:
        raise InvalidError([(("query", name), _no_such(name, known)) for name in unknown])


def _no_such(name: str, known: set[str]) -> str:
    near = get_close_matches(name, sorted(known), 1)
    return f"no such parameter; did you mean {near[0]}?" if near else f"no such parameter; there are {_listed(known)}"


def _listed(names: set[str]) -> str:
    return ", ".join(sorted(names)) or "none here"


def _workspace_id(workspace_id: Annotated[UUID, Path(description="The workspace that the key belongs to.")]) -> UUID:
    """Any other is refused by `authenticate`; this says what it must look like."""
    return workspace_id
