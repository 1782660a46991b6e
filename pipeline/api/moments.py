"""Instants in parameters: ISO 8601 with an offset, or a day of the workspace's zone."""

from __future__ import annotations

import re
from contextvars import ContextVar
from datetime import date, datetime, time
from typing import Annotated
from zoneinfo import ZoneInfo

from pydantic import AfterValidator, AwareDatetime, BeforeValidator, WithJsonSchema

ZONE: ContextVar[ZoneInfo] = ContextVar("zone")
"""Where the days of the request that is being answered start."""

_FORMATS = [{"type": "string", "format": "date-time"}, {"type": "string", "format": "date"}]


def start_of(day: date) -> datetime:
    """The instant at which a day starts, as on the command line."""
    return datetime.combine(day, time(), tzinfo=ZONE.get())


def _near(day: date) -> date:
    if not date(2, 1, 1) <= day <= date(9998, 12, 31):
        raise ValueError("too far away; the zone's offset would leave the calendar")
    return day


def _instant(text: object) -> object:
    if not isinstance(text, str):
        return text
    if re.fullmatch(r"\d{4}-\d{2}-\d{2}", text):
        return start_of(_near(date.fromisoformat(text)))
    if "T" in text:
        text = text.replace(" ", "+")  # the sign of an offset that a client forgot to encode arrives as a space
    if re.match(r"\d{4}-\d{2}-\d{2}[Tt ]\d{2}:\d{2}", text) is None:
        raise ValueError("not ISO 8601; write for example 2026-04-28T00:00:00Z, or a day: 2026-04-28")
    return text


Day = Annotated[date, AfterValidator(_near)]
Moment = Annotated[AwareDatetime, BeforeValidator(_instant), WithJsonSchema({"anyOf": _FORMATS})]
