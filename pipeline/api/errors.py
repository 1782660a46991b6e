"""Which failure is which status and code, never a traceback; the shape is in `pipeline.api.problems`.

422 carries a list of `{loc, msg, type}` under `detail`, as the published contract has it; any other status a sentence.
"""

from __future__ import annotations

import logging
import re
import traceback
from collections.abc import Mapping, Sequence
from typing import Any

import duckdb
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import Response
from pydantic import BaseModel
from starlette.exceptions import HTTPException

from pipeline.api.problems import ErrorResponse, HTTPValidationError, answer_problem, request_id_of
from pipeline.catalog.catalog import Problem
from pipeline.errors import (
    ConflictError,
    DefinitionsRefusedError,
    EvaluationFailedError,
    JudgeError,
    MetricStoreError,
    NotFoundError,
    RequestInUseError,
    RequestReusedError,
    StoreUnavailableError,
    TooManyRequestsError,
    UnknownConversationError,
    UnknownMetricError,
    UserError,
)
from pipeline.workspace.idempotency import Answer

_LOG = logging.getLogger("metric_store.api")

_STATUS: Sequence[tuple[type[MetricStoreError], int, str]] = (
    (UnknownMetricError, 404, "metric-not-found"),
    (UnknownConversationError, 404, "conversation-not-found"),
    (NotFoundError, 404, "not-found"),
    (ConflictError, 412, "revision-conflict"),
    (RequestInUseError, 409, "idempotency-key-in-use"),
    (RequestReusedError, 422, "idempotency-key-reused"),
    (StoreUnavailableError, 503, "unavailable"),
    (TooManyRequestsError, 429, "too-many-requests"),
    (EvaluationFailedError, 502, "model-failed"),
    (JudgeError, 503, "no-model"),
    (UserError, 422, "invalid-request"),
)
_RETRY_AFTER = "5"
_PATH = re.compile(r"(?<![\w:/.…<])/(?:[^/\s'\"]+/)+([^/\s'\",;:]+)")
"""A path of the server's disk; the name at its end is kept."""


class NotModifiedError(Exception):
    """The client already has this answer."""

    def __init__(self, headers: Mapping[str, str]) -> None:
        self.headers = dict(headers)


class KnownAnswerError(Exception):
    """The answer has been given before; its body is held."""

    def __init__(self, body: bytes, headers: Mapping[str, str]) -> None:
        self.body = body
        self.headers = dict(headers)


class RepeatedError(Exception):
    """The request was done before; this is what was answered."""

    def __init__(self, answer: Answer) -> None:
        self.answer = answer


class InvalidError(UserError):
    """Something in the request cannot be accepted; each problem has a place such as `("query", "date_from")`."""

    def __init__(self, problems: Sequence[tuple[Sequence[str | int], str]]) -> None:
        self.problems = list(problems)
        super().__init__("; ".join(message for _, message in problems))


_UNREADABLE = (duckdb.IOException, duckdb.SerializationException, duckdb.FatalException)

EXPECTED = (NotModifiedError, KnownAnswerError, RepeatedError, RequestValidationError, HTTPException, MetricStoreError)
"""What has an answer of its own; anything else is a bug."""


def add_error_handlers(app: FastAPI) -> None:
    """Answer every exception in the shapes above."""
    app.add_exception_handler(NotModifiedError, _not_modified)
    app.add_exception_handler(KnownAnswerError, _known)
    app.add_exception_handler(RepeatedError, _repeated)
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


def _repeated(_: Request, error: Exception) -> Response:
    assert isinstance(error, RepeatedError)
    answer = error.answer
    media_type = "application/json" if answer.body else None
    return Response(answer.body, answer.status_code, {"Idempotency-Replayed": "true"}, media_type)


def _invalid(request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)
    # What was found is not repeated: it may be large, secret, or no valid JSON.
    return _unprocessable(request, [(problem["loc"], problem["msg"], problem["type"]) for problem in error.errors()])


def _http(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    headers = dict(error.headers or {})
    if error.status_code == 405:  # the framework names the methods of one route only
        headers["Allow"] = ", ".join(sorted(_methods(request)))
    return answer_problem(request, error.status_code, str(error.detail), headers=headers)


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
        problems = [(_place(problem), _message(problem), "definition") for problem in error.problems]
        return _unprocessable(request, problems, "definitions-refused")
    if isinstance(error, InvalidError):
        return _unprocessable(request, [(place, message, "value_error") for place, message in error.problems])
    found = next(((status, code) for kind, status, code in _STATUS if isinstance(error, kind)), None)
    if found is None:
        return unexpected(request, error)
    status, code = found
    if status == 422:
        place = ("header", "Idempotency-Key") if isinstance(error, RequestReusedError) else ()
        return _unprocessable(request, [(place, str(error), "value_error")], code)
    headers = {"Retry-After": _RETRY_AFTER} if status in (409, 429, 502, 503) else None
    return answer_problem(request, status, _PATH.sub(r"\1", str(error)), code=code, headers=headers)


def unexpected(request: Request, error: Exception) -> Response:
    """500, with the place of the fault in the log. Not its message: it may quote a transcript.

    What the database cannot read is 503: a snapshot that is half written is replaced by the next publication.
    """
    if isinstance(error, _UNREADABLE):
        _LOG.error("The snapshot cannot be read (%s)", type(error).__name__)
        detail = "What is published cannot be read at the moment. Ask again after the next publication."
        return answer_problem(request, 503, detail, headers={"Retry-After": _RETRY_AFTER})
    number = request_id_of(request)
    places = "".join(traceback.format_tb(error.__traceback__))
    _LOG.error("%s %s failed (%s): %s\n%s", request.method, request.url.path, number, type(error).__name__, places)
    detail = f"This is a bug. The server's log describes it under {number}."
    return answer_problem(request, 500, detail, code="bug")


def _unprocessable(
    request: Request, problems: Sequence[tuple[Sequence[Any], str, str]], code: str = "invalid-request"
) -> Response:
    detail = [{"loc": list(place), "msg": message, "type": kind} for place, message, kind in problems]
    return answer_problem(request, 422, detail, code=code)


def _place(problem: object) -> list[str | int]:
    """`definitions[2].pattern.regex` as a path into the request's body."""
    assert isinstance(problem, Problem)
    parts = re.findall(r"[^.\[\]]+", problem.field)
    return ["body", *(int(part) if part.isdigit() else part for part in parts)]


def _message(problem: object) -> str:
    assert isinstance(problem, Problem)
    return f"found {problem.found}; {problem.advice}"


def _described(text: str, model: type[BaseModel] = ErrorResponse) -> dict[str, Any]:
    return {"description": text, "model": model}  # the media type is set where the description is made


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
