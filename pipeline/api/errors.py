"""Every failure as one status and one JSON shape, never a traceback.

422 carries a list of `{loc, msg, type}` under `detail`, as the published contract has it; any other status a sentence.
"""

from __future__ import annotations

import logging
import re
import secrets
import traceback
from collections.abc import Mapping, Sequence
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, Response
from pydantic import BaseModel, Field
from starlette.exceptions import HTTPException

from pipeline.catalog.catalog import Problem
from pipeline.errors import (
    ConflictError,
    DefinitionsRefusedError,
    EvaluationFailedError,
    JudgeError,
    MetricStoreError,
    NotFoundError,
    StoreUnavailableError,
    TooManyRequestsError,
    UnknownConversationError,
    UnknownMetricError,
    UserError,
)

_LOG = logging.getLogger("metric_store.api")

_STATUS: Sequence[tuple[type[MetricStoreError], int]] = (
    (UnknownMetricError, 404),
    (UnknownConversationError, 404),
    (NotFoundError, 404),
    (ConflictError, 412),
    (StoreUnavailableError, 503),
    (TooManyRequestsError, 429),
    (EvaluationFailedError, 502),
    (JudgeError, 503),
    (UserError, 422),
)
_RETRY_AFTER = "5"


class ErrorResponse(BaseModel):
    """Any failure but 422."""

    detail: str = Field(
        description="What was found and what to do next.", examples=["No metric has the key 'empathy'."]
    )


class ValidationError(BaseModel):
    """One thing that cannot be accepted."""

    loc: list[str | int] = Field(description="Where it stands.", examples=[["body", "definitions", 0, "key"]])
    msg: str = Field(description="What was found and what to send instead.")
    type: str


class HTTPValidationError(BaseModel):
    """Everything that is wrong with a request, at once."""

    detail: list[ValidationError]


class NotModifiedError(Exception):
    """The client already has this answer."""

    def __init__(self, headers: Mapping[str, str]) -> None:
        self.headers = dict(headers)


class KnownAnswerError(Exception):
    """The answer has been given before; its body is held."""

    def __init__(self, body: bytes, headers: Mapping[str, str]) -> None:
        self.body = body
        self.headers = dict(headers)


class InvalidError(UserError):
    """Something in the request cannot be accepted; each problem has a place such as `("query", "date_from")`."""

    def __init__(self, problems: Sequence[tuple[Sequence[str | int], str]]) -> None:
        self.problems = list(problems)
        super().__init__("; ".join(message for _, message in problems))


EXPECTED = (NotModifiedError, KnownAnswerError, RequestValidationError, HTTPException, MetricStoreError)
"""What has an answer of its own; anything else is a bug."""


def add_error_handlers(app: FastAPI) -> None:
    """Answer every exception in the shapes above."""
    app.add_exception_handler(NotModifiedError, _not_modified)
    app.add_exception_handler(KnownAnswerError, _known)
    app.add_exception_handler(RequestValidationError, _invalid)
    app.add_exception_handler(HTTPException, _http)
    app.add_exception_handler(MetricStoreError, _ours)
    app.add_exception_handler(Exception, unexpected)


def _not_modified(_: Request, error: Exception) -> Response:
    assert isinstance(error, NotModifiedError)
    return Response(status_code=304, headers=error.headers)


def _known(_: Request, error: Exception) -> Response:
    assert isinstance(error, KnownAnswerError)
    return Response(error.body, headers=error.headers, media_type="application/json")


def _invalid(_: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)
    # What was found is not repeated: it may be large, secret, or no valid JSON.
    return _unprocessable([(problem["loc"], problem["msg"], problem["type"]) for problem in error.errors()])


def _http(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    headers = dict(error.headers or {})
    if error.status_code == 405:  # the framework names the methods of one route only
        headers["Allow"] = ", ".join(sorted(_methods(request)))
    return JSONResponse({"detail": error.detail}, error.status_code, headers)


def _methods(request: Request) -> set[str]:
    operations = request.app.openapi()["paths"]
    path = request.url.path.rstrip("/")
    return {
        method.upper()
        for template, methods in operations.items()
        for method in methods
        if re.fullmatch(re.sub(r"\\{[^}]*\\}", "[^/]+", re.escape(template)), path)
    }


def _ours(request: Request, error: Exception) -> Response:
    if isinstance(error, DefinitionsRefusedError):
        return _unprocessable([(_place(problem), _message(problem), "definition") for problem in error.problems])
    if isinstance(error, InvalidError):
        return _unprocessable([(place, message, "value_error") for place, message in error.problems])
    status = next((status for kind, status in _STATUS if isinstance(error, kind)), None)
    if status is None:
        return unexpected(request, error)
    if status == 422:
        return _unprocessable([((), str(error), "value_error")])
    headers = {"Retry-After": _RETRY_AFTER} if status in (429, 502, 503) else None
    return JSONResponse({"detail": str(error)}, status, headers)


def unexpected(request: Request, error: Exception) -> Response:
    """500, with the place of the fault in the log. Not its message: it may quote a transcript."""
    number = secrets.token_hex(4)
    places = "".join(traceback.format_tb(error.__traceback__))
    _LOG.error("%s %s failed (%s): %s\n%s", request.method, request.url.path, number, type(error).__name__, places)
    return JSONResponse({"detail": f"This is a bug. The server's log describes it under {number}."}, 500)


def _unprocessable(problems: Sequence[tuple[Sequence[Any], str, str]]) -> Response:
    detail = [{"loc": list(place), "msg": message, "type": kind} for place, message, kind in problems]
    return JSONResponse({"detail": detail}, 422)


def _place(problem: object) -> list[str | int]:
    """`definitions[2].pattern.regex` as a path into the request's body."""
    assert isinstance(problem, Problem)
    parts = re.findall(r"[^.\[\]]+", problem.field)
    return ["body", *(int(part) if part.isdigit() else part for part in parts)]


def _message(problem: object) -> str:
    assert isinstance(problem, Problem)
    return f"found {problem.found}; {problem.advice}"


def _described(text: str, model: type[BaseModel] = ErrorResponse) -> dict[str, Any]:
    return {"description": text, "model": model}


READ_ERRORS: dict[int | str, dict[str, Any]] = {
    400: _described("The request is not valid HTTP or JSON."),
    401: _described("No key, or one that is wrong, revoked or expired."),
    403: _described("The key's role or rights do not allow this."),
    404: _described("No such workspace, metric or conversation, or the key may not see it."),
    422: _described("Something in the request cannot be accepted; all of it is listed.", HTTPValidationError),
    429: _described("Too many requests; `Retry-After` says when to come back."),
    503: _described("Nothing has been published yet, or the store is busy; `Retry-After` says when to come back."),
}
WRITE_ERRORS: dict[int | str, dict[str, Any]] = {
    **READ_ERRORS,
    413: _described("The body is too large."),
}
CHANGE_ERRORS: dict[int | str, dict[str, Any]] = {
    **WRITE_ERRORS,
    412: _described("`If-Match` names a revision that is not in force: somebody else was quicker."),
}
