"""What can go wrong with one request, sorted by what to do about it."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any, Literal

from pipeline.judge.refusals import Refusal, read_refusal

Kind = Literal["throttled", "transient", "refused", "request", "endpoint"]

_SECRET = re.compile(r"\b(?:sk|key|Bearer)[-_ ][^\s'\",]{6,}|\b[A-Za-z0-9_-]{32,}\b")
_SHOWN = 200


class FaultError(Exception):
    """A request brought no answer.

    Attributes:
        kind: `throttled` and `transient` are tried again; `refused` is tried again in another form; `request` fails
            this question; `endpoint` fails every question to this endpoint for the rest of the run.
        retry_after: seconds the server asked to wait.
        refusal: what the server says about the form of the request.
    """

    def __init__(
        self, kind: Kind, message: str, *, retry_after: float | None = None, refusal: Refusal | None = None
    ) -> None:
        super().__init__(message)
        self.kind: Kind = kind
        self.retry_after = retry_after
        self.refusal = refusal


def fault_of(error: Exception, key_variable: str | None) -> FaultError:
    """Sort an exception of the `openai` client."""
    import httpx2
    import openai

    if isinstance(error, FaultError):
        return error
    if isinstance(error, TimeoutError) or isinstance(error.__cause__, httpx2.ReadTimeout):
        return FaultError("transient", "no answer in time")
    if isinstance(error, openai.APIStatusError):
        return _of_status(error.status_code, error.response.text, error.response.headers, key_variable)
    if isinstance(error, openai.APIConnectionError):  # which an `APITimeoutError` is, without a connection
        return FaultError("transient", "the connection failed")
    return FaultError("transient", f"an unreadable response ({type(error).__name__})")


def fault_in(completion: Any, key_variable: str | None) -> FaultError | None:
    """The fault that some servers send with status 200, `{"error": {"code": 429, …}}`; None for anything else."""
    error = completion.get("error") if isinstance(completion, dict) and not completion.get("choices") else None
    if not error:
        return None
    code = error.get("code") if isinstance(error, dict) else None
    status = code if isinstance(code, int) and 400 <= code < 600 else 500
    return _of_status(status, json.dumps(completion), {}, key_variable)


def _of_status(status: int, text: str, headers: Mapping[str, str], key_variable: str | None) -> FaultError:
    refusal = read_refusal(text)
    message = safe(refusal.text)
    retry_after = _retry_after(headers.get("retry-after-ms"), headers.get("retry-after"))
    if refusal.no_quota or status == 402:
        return FaultError("endpoint", f"the account has no quota left ({refusal.no_quota or status})")
    if status in (400, 403, 422) and refusal.filtered:
        return FaultError("request", f"the server's content filter refused the conversation ({status})")
    if status in (401, 403):
        named = f"in {key_variable}" if key_variable else "(none is configured: set key_variable)"
        return FaultError("endpoint", f"the endpoint refused the key {named} ({status})")
    if status == 404:
        return FaultError("endpoint", f"the endpoint does not know the model or the address ({status})")
    if status == 429:
        return FaultError("throttled", "too many requests (429)", retry_after=retry_after)
    if status in (408, 409, 425) or status >= 500:
        kind: Kind = "throttled" if status == 503 and retry_after is not None else "transient"
        return FaultError(kind, f"the server failed ({status})", retry_after=retry_after)
    if status in (400, 422):
        return FaultError("refused", f"the request was refused ({status}): {message}", refusal=refusal)
    return FaultError("request", f"the request was refused ({status}): {message}")


def safe(message: str) -> str:
    """A server's message, short and without anything that looks like a key."""
    text = _SECRET.sub("[…]", " ".join(message.split()))
    return text if len(text) <= _SHOWN else f"{text[: _SHOWN - 1]}…"


def _retry_after(milliseconds: str | None, value: str | None) -> float | None:
    """Seconds from `retry-after-ms` or from `Retry-After`, which is a number or an HTTP date (RFC 9110 §10.2.3)."""
    try:
        if milliseconds is not None or value is not None:
            seconds = float(value or 0) if milliseconds is None else float(milliseconds) / 1000
            return None if math.isnan(seconds) else max(seconds, 0.0)
    except ValueError:
        pass
    try:
        return max((parsedate_to_datetime(value or "") - datetime.now(UTC)).total_seconds(), 0.0)
    except (TypeError, ValueError):
        return None
