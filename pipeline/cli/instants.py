"""Reading dates and times that people type."""

from __future__ import annotations

from datetime import datetime, timedelta

import typer

from pipeline.settings import Settings
from pipeline.window import HOUR, Window, floor_hour

HELP = "ISO 8601, for example 2026-11-20 or 2026-11-20T13:00Z; without a zone: the workspace's."


def instant(text: str, settings: Settings) -> datetime:
    """An aware instant; one without a zone is in the workspace's.

    Raises:
        typer.BadParameter: the text is not a date or time.
    """
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        raise typer.BadParameter(f"{text!r} is not a date or time; write {HELP}") from None
    return found if found.tzinfo else found.replace(tzinfo=settings.zone)


def span(start: str | None, end: str | None, settings: Settings) -> tuple[datetime | None, datetime | None]:
    """The two ends of `--from` and `--to`; None is open.

    Raises:
        typer.BadParameter: a text is not a date or time, or the end is not after the start.
    """
    first = instant(start, settings) if start else None
    last = instant(end, settings) if end else None
    if first is not None and last is not None and last <= first:
        raise typer.BadParameter("--to must be after --from.")
    return first, last


def hour(text: str, settings: Settings) -> datetime:
    """The start of a whole UTC hour.

    Raises:
        typer.BadParameter: the text is not a date or time, or lies inside an hour.
    """
    found = instant(text, settings)
    if found != floor_hour(found):
        raise typer.BadParameter(
            f"{text!r} is not the start of a UTC hour; write for example {floor_hour(found):%FT%H:%MZ}."
        )
    return floor_hour(found)


def window_of(start: datetime, settings: Settings) -> Window:
    """The window of the hourly partition that starts at this hour."""
    return Window.ending(start + HOUR, settings.window_hours)


def days_ago(days: int, now: datetime) -> datetime:
    """The instant that many days before now."""
    return now - timedelta(days=days)
