"""Who asks: a bearer key, or in single-user mode whoever reaches the loopback address."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from functools import partial
from typing import Annotated
from urllib.parse import urlsplit
from uuid import UUID

from fastapi import Depends, HTTPException, Request, Security
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer

from pipeline.api.service import Caller, Service
from pipeline.workspace.keys import ROLES, Access, Role, find_key

LOOPBACK_NAMES = frozenset({"localhost", "127.0.0.1", "::1"})

_BEARER = HTTPBearer(
    auto_error=False,
    scheme_name="key",
    description="`Authorization: Bearer ms_…`, made with `metric-store keys create`.",
)
Credentials = Annotated[HTTPAuthorizationCredentials | None, Security(_BEARER)]


def service_of(request: Request) -> Service:
    """The server's shared state."""
    service: Service = request.app.state.service
    return service


def authenticate(request: Request, credentials: Credentials) -> Caller:
    """The caller, before anything else about the request is looked at.

    Raises:
        HTTPException: 401 without a usable key, 404 for any workspace but the key's, 429 beyond the limit.
    """
    service = service_of(request)
    workspace_id = str(request.path_params.get("workspace_id", "")).lower()
    caller, name, per_minute = _identify(service, request, credentials)
    if wait := service.limiter.wait(name, per_minute):
        detail = f"More than {per_minute} requests a minute. Come back in {wait} s."
        raise HTTPException(429, detail, {"Retry-After": str(wait)})
    left, full_in = service.limiter.left(name, per_minute)
    request.state.rate = {
        "RateLimit-Limit": str(per_minute),
        "RateLimit-Remaining": str(left),
        "RateLimit-Reset": str(full_in),
    }
    most = service.settings.serve.requests_at_once
    if not service.limiter.enter(name, most):
        raise HTTPException(429, f"{most} requests of this key are being answered; wait for one.", {"Retry-After": "1"})
    request.state.leave = partial(service.limiter.leave, name)  # called by the route
    if workspace_id != caller.workspace_id and _is_uuid(workspace_id):
        # The same answer whether or not there is one: another workspace's existence is its own business.
        raise HTTPException(404, "No such workspace, or the key belongs to another one.")
    return caller


def _identify(
    service: Service, request: Request, credentials: HTTPAuthorizationCredentials | None
) -> tuple[Caller, str, int]:
    limit = service.settings.serve.requests_per_minute
    if credentials is None and service.single_user:
        if (
            _host_of(f"//{request.headers.get('host', '')}") not in LOOPBACK_NAMES
        ):  # a web page that made its own name point here
            raise HTTPException(401, "Single-user mode answers only requests addressed to localhost.", _challenge())
        origin = request.headers.get("origin")
        if origin is not None and _host_of(origin) not in LOOPBACK_NAMES:  # a page that makes its reader's browser ask
            raise HTTPException(401, "Single-user mode answers no requests of web pages from elsewhere.", _challenge())
        return Caller(service.settings.workspace_id, "local", "owner"), "local", 60_000
    now = datetime.now(UTC)
    control = service.control.current()
    key = find_key(control.keys, credentials.credentials, now) if credentials is not None else None
    if key is None:
        found = "No key was sent." if credentials is None else "The key is wrong, revoked or expired."
        raise HTTPException(401, f"{found} Send `Authorization: Bearer <key>`.", _challenge())
    service.note_use(key.key_id, now)
    allowed = control.access.get(key.workspace_id, Access())
    lists = [metrics for metrics in (key.metrics, allowed.metrics) if metrics is not None]
    caller = Caller(
        key.workspace_id,
        f"key:{key.key_id}",
        key.role,
        frozenset.intersection(*lists) if lists else None,
        key.transcripts and allowed.transcripts,
    )
    return caller, key.key_id, key.requests_per_minute or limit


def _host_of(url: str) -> str | None:
    try:
        return urlsplit(url).hostname
    except ValueError:
        return None


def _challenge() -> dict[str, str]:
    return {"WWW-Authenticate": "Bearer"}


def _is_uuid(text: str) -> bool:
    try:
        UUID(text)
    except ValueError:
        return False
    return True


def at_least(role: Role) -> Callable[[Caller], Caller]:
    """A dependency that refuses callers of a lesser role with 403."""

    def check(caller: Annotated[Caller, Depends(authenticate)]) -> Caller:
        if ROLES.index(caller.role) < ROLES.index(role):
            raise HTTPException(403, f"This needs the role {role}; the key has {caller.role}.")
        return caller

    return check


def unrestricted_admin(caller: Annotated[Caller, Depends(at_least("admin"))]) -> Caller:
    """An admin who sees every metric: nobody replaces what they cannot read."""
    if caller.metrics is not None:
        raise HTTPException(403, "The key may read some metrics only, so it cannot change definitions.")
    return caller


Viewer = Annotated[Caller, Depends(authenticate)]
Admin = Annotated[Caller, Depends(at_least("admin"))]
Editor = Annotated[Caller, Depends(unrestricted_admin)]
Owner = Annotated[Caller, Depends(at_least("owner"))]
ServiceOf = Annotated[Service, Depends(service_of)]
