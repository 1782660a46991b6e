"""The shape of failures: RFC 9457 (`application/problem+json`), beside what the published contract has.

`type` is a stable code; programs branch on it, people read `detail`. In 422 `detail` is the contract's list of
`{loc, msg, type}` instead of a sentence; RFC 9457 tells readers to pass over a member of another type.
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping, Sequence
from typing import Any

from fastapi import Request
from fastapi.responses import JSONResponse
from pydantic import BaseModel, Field

HEADER = "X-Request-Id"
MEDIA_TYPE = "application/problem+json"
_TYPE = "urn:metric-store:problem:"
_INSTANCE = "urn:metric-store:request:"

TITLES: Mapping[str, str] = {
    "bad-request": "The request is not valid HTTP or JSON",
    "unauthenticated": "No usable key",
    "forbidden": "The key may not do this",
    "not-found": "Not found",
    "metric-not-found": "No such metric",
    "conversation-not-found": "No such conversation",
    "method-not-allowed": "The path has no such method",
    "request-timeout": "The request did not arrive in time",
    "idempotency-key-in-use": "A request with this Idempotency-Key has not been answered",
    "idempotency-key-reused": "This Idempotency-Key was sent with another request",
    "revision-conflict": "Somebody else was quicker",
    "too-large": "The request is too large",
    "invalid-request": "The request cannot be accepted",
    "definitions-refused": "Definitions cannot be accepted",
    "too-many-requests": "Too many requests",
    "headers-too-large": "The headers are too large",
    "bug": "A bug of the server",
    "model-failed": "The model gave no usable answer",
    "no-model": "No model can be asked",
    "unavailable": "The server cannot answer now",
}
"""Every code there is, with what it means. A code is never given another meaning."""

CODES: Mapping[int, str] = {
    400: "bad-request",
    401: "unauthenticated",
    403: "forbidden",
    404: "not-found",
    405: "method-not-allowed",
    408: "request-timeout",
    413: "too-large",
    422: "invalid-request",
    429: "too-many-requests",
    431: "headers-too-large",
    503: "unavailable",
}
"""The code of a status, where nothing more is known."""


class _Problem(BaseModel):
    type: str = Field(
        description="A stable code; the list is in the description above.",
        examples=["urn:metric-store:problem:metric-not-found"],
    )
    title: str = Field(description="What the code means.", examples=["No such metric"])
    status: int = Field(description="The HTTP status.", examples=[404])
    instance: str = Field(description="This very failure.", examples=["urn:metric-store:request:9f86d081884c7d65"])
    request_id: str = Field(
        description="As in the header `X-Request-Id` and in the server's log.", examples=["9f86d081884c7d65"]
    )


class ErrorResponse(_Problem):
    """Any failure but 422."""

    detail: str = Field(
        description="What was found and what to do next.", examples=["No metric has the key 'empathy'."]
    )


class ValidationError(BaseModel):
    """One thing that cannot be accepted."""

    loc: list[str | int] = Field(description="Where it stands.", examples=[["body", "definitions", 0, "key"]])
    msg: str = Field(description="What was found and what to send instead.")
    type: str


class HTTPValidationError(_Problem):
    """Everything that is wrong with a request, at once."""

    detail: list[ValidationError]


def problem(status: int, code: str, detail: str | Sequence[Mapping[str, Any]], request_id: str) -> dict[str, Any]:
    """A failure as the members of RFC 9457, `detail` and `request_id`."""
    return {
        "type": _TYPE + code,
        "title": TITLES[code],
        "status": status,
        "detail": detail,
        "instance": _INSTANCE + request_id,
        "request_id": request_id,
    }


def answer_problem(
    request: Request,
    status: int,
    detail: str | Sequence[Mapping[str, Any]],
    *,
    code: str | None = None,
    headers: Mapping[str, str] | None = None,
) -> JSONResponse:
    """The answer to a request that failed.

    Args:
        request: the request.
        status: of HTTP.
        detail: a sentence; with 422 the list of problems.
        code: one of `TITLES`; default that of the status.
        headers: more headers.
    """
    request_id = request_id_of(request)
    code = code or CODES.get(status, "bad-request" if status < 500 else "unavailable")
    content = problem(status, code, detail, request_id)
    return JSONResponse(content, status, {**(headers or {}), HEADER: request_id}, media_type=MEDIA_TYPE)


def request_id_of(request: Request) -> str:
    """The id that the request brought or was given."""
    found: str | None = getattr(request.state, "request_id", None)
    return found or fresh_request_id()


def fresh_request_id() -> str:
    """An id for a request that brings none."""
    return secrets.token_hex(8)
