"""What `doctor` asks of model endpoints: whether they answer, take the key, and what time it is there."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Literal
from urllib.parse import urlsplit

from pipeline.settings import Settings

if TYPE_CHECKING:
    import httpx2

    from pipeline.settings_models import ModelEndpoint

State = Literal["ok", "warning", "problem"]

_SECONDS = 5.0


@dataclass(frozen=True)
class Finding:
    """What was looked at, how it is, and what to do about it."""

    subject: str
    state: State
    found: str
    advice: str | None = None


@dataclass(frozen=True)
class Clock:
    """How far this machine's clock is ahead of a server's."""

    where: str
    ahead: timedelta


def endpoints(settings: Settings) -> Iterator[tuple[str, ModelEndpoint]]:
    """The endpoints that are configured, by name."""
    models = settings.models
    tiers = ("default", "free", "fast", "balanced", "max", "custom")
    found = [(name, getattr(models, name)) for name in tiers] + list(models.endpoints.items())
    yield from ((name, endpoint) for name, endpoint in found if endpoint is not None)


def look_at_models(settings: Settings) -> tuple[list[Finding], list[Clock]]:
    """One finding for each endpoint, and the clocks of those that answer.

    A server is asked for its list of models, which costs nothing. Neither keys nor answers are repeated.
    """
    found, clocks = [], []
    for name, endpoint in endpoints(settings):
        finding, clock = _look(f"model {name}", endpoint)
        found.append(finding)
        clocks += [] if clock is None else [clock]
    return found, clocks


def _look(subject: str, endpoint: ModelEndpoint) -> tuple[Finding, Clock | None]:
    import httpx2

    where = without_user(endpoint.base_url)
    key = os.environ.get(endpoint.key_variable, "") if endpoint.key_variable else None
    if key == "":
        return Finding(subject, "problem", f"{endpoint.key_variable} is not set", "export the endpoint's key"), None
    headers = {} if key is None else {"Authorization": f"Bearer {key}"}
    try:
        answer = httpx2.get(f"{endpoint.base_url.rstrip('/')}/models", headers=headers, timeout=_SECONDS)
    except (httpx2.HTTPError, httpx2.InvalidURL, ValueError) as error:
        told = f"{where} does not answer ({type(error).__name__})"
        return Finding(subject, "problem", told, "check base_url, and whether the server runs"), None
    ahead = _ahead(answer.headers.get("Date"))
    return _answered(subject, where, answer), None if ahead is None else Clock(where, ahead)


def _answered(subject: str, where: str, answer: httpx2.Response) -> Finding:
    status = answer.status_code
    if status in (401, 403):
        return Finding(subject, "problem", f"{where} refuses the key ({status})", "check the variable of key_variable")
    if status >= 500:
        return Finding(subject, "problem", f"{where} answers {status}", "try again later, or ask who runs it")
    told = "answers" if status < 400 else f"answers {status} to a list of models, which not every server has"
    return Finding(subject, "ok", f"{where} {told}")


def _ahead(date: str | None) -> timedelta | None:
    try:
        return None if date is None else datetime.now(UTC) - parsedate_to_datetime(date)
    except (ValueError, TypeError):
        return None


def without_user(url: str) -> str:
    """An address without what may be a password."""
    parts = urlsplit(url)
    return url if not parts.netloc else parts._replace(netloc=parts.netloc.rpartition("@")[2], query="").geturl()
