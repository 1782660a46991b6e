"""What can go wrong with one request, sorted by what to do about it."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Literal

Kind = Literal["throttled", "transient", "refused", "request", "endpoint"]

_QUOTA = frozenset({"insufficient_quota", "billing_hard_limit_reached", "billing_not_active"})
_SECRET = re.compile(r"\b(?:sk|key|Bearer)[-_ ][^\s'\",]{6,}|\b[A-Za-z0-9_-]{32,}\b")
_SHOWN = 200


class FaultError(Exception):
    """A request brought no answer.

    Attributes:
        kind: `throttled` and `transient` are tried again; `refused` is tried again in another form; `request` fails
            this question; `endpoint` fails every question to this endpoint for the rest of the run.
        retry_after: seconds the server asked to wait.
        parameter: what a refusal names.
    """

    def __init__(
        self, kind: Kind, message: str, *, retry_after: float | None = None, parameter: str | None = None
    ) -> None:
        super().__init__(message)
        self.kind: Kind = kind
        self.retry_after = retry_after
        self.parameter = parameter


def fault_of(error: Exception, key_variable: str | None) -> FaultError:
    """Sort an exception of the `openai` client."""
    import httpx2
    import openai

    if isinstance(error, FaultError):
        return error
    if isinstance(error, TimeoutError) or isinstance(error.__cause__, httpx2.ReadTimeout):
        return FaultError("transient", "no answer in time")
    if isinstance(error, openai.APIStatusError):
        return _of_status(error.status_code, error, key_variable)
    if isinstance(error, openai.APIConnectionError):  # which an `APITimeoutError` is, without a connection
        return FaultError("transient", "the connection failed")
    return FaultError("transient", f"an unreadable response ({type(error).__name__})")


def _of_status(status: int, error: object, key_variable: str | None) -> FaultError:
    code = str(getattr(error, "code", None) or "")
    message = safe(str(getattr(error, "message", "")))
    headers = getattr(getattr(error, "response", None), "headers", {})
    retry_after = _retry_after(headers.get("retry-after-ms"), headers.get("retry-after"))
    if code in _QUOTA or status == 402:
        return FaultError("endpoint", f"the account has no quota left ({code or status})")
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
        return FaultError("refused", f"the request was refused ({status}): {message}", parameter=_parameter(error))
    return FaultError("request", f"the request was refused ({status}): {message}")


def safe(message: str) -> str:
    """A server's message, short and without anything that looks like a key."""
    text = _SECRET.sub("[…]", " ".join(message.split()))
    return text if len(text) <= _SHOWN else f"{text[: _SHOWN - 1]}…"


def _parameter(error: object) -> str | None:
    parameter = getattr(error, "param", None)
    return parameter if isinstance(parameter, str) else None


def _retry_after(milliseconds: str | None, value: str | None) -> float | None:
    """Seconds from `retry-after-ms` or from `Retry-After`, which is a number or an HTTP date (RFC 9110 §10.2.3)."""
    try:
        if milliseconds is not None:
            return max(float(milliseconds) / 1000, 0.0)
        if value is None:
            return None
        return max(float(value), 0.0)
    except ValueError:
        pass
    try:
        return max((parsedate_to_datetime(value or "") - datetime.now(UTC)).total_seconds(), 0.0)
    except (TypeError, ValueError):
        return None
