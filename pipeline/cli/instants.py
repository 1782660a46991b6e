"""Reading dates and times that people type."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import Protocol
from zoneinfo import ZoneInfo

import typer

from pipeline.settings import Settings
from pipeline.window import HOUR, Window, floor_hour

HELP = "ISO 8601, for example 2026-11-20 or 2026-11-20T13:00Z; without a zone: the workspace's."


class Zoned(Protocol):
    """Whatever knows in which zone the workspace's days start: settings, or a server."""

    @property
    def timezone(self) -> str:
        """The zone's IANA name."""
        ...

    @property
    def zone(self) -> ZoneInfo:
        """The zone."""
        ...


def instant(text: str, settings: Zoned) -> datetime:
    """An aware instant; one without a zone is in the workspace's, and a date is the instant at which its day starts.

    Raises:
        typer.BadParameter: the text is not a date or time, or one that the clocks of the zone skip or repeat.
    """
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        raise typer.BadParameter(f"{text!r} is not a date or time; write {HELP}") from None
    if found.tzinfo:
        return found
    aware = found.replace(tzinfo=settings.zone)
    if not _is_date(text):
        _refuse_clock_change(text, aware, settings)
    return aware


def _is_date(text: str) -> bool:
    try:
        date.fromisoformat(text)
    except ValueError:
        return False
    return True


def _refuse_clock_change(text: str, aware: datetime, settings: Zoned) -> None:
    first, second = aware, aware.replace(fold=1)
    if first.utcoffset() == second.utcoffset():
        return
    if first.astimezone(UTC).astimezone(settings.zone).replace(tzinfo=None) != aware.replace(tzinfo=None):
        instead = f"{first.astimezone(UTC).astimezone(settings.zone).isoformat(timespec='minutes')}"
        raise typer.BadParameter(
            f"{text!r} does not exist in {settings.timezone}, where the clocks skip it; write for example {instead}."
        )
    earlier, later = (each.isoformat(timespec="minutes") for each in (first, second))
    raise typer.BadParameter(
        f"{text!r} comes twice in {settings.timezone}, where the clocks go back; write {earlier} or {later}."
    )


def span(start: str | None, end: str | None, settings: Zoned) -> tuple[datetime | None, datetime | None]:
    """The two ends of `--from` and `--to`; None is open.

    Raises:
        typer.BadParameter: a text is not a date or time, or the end is not after the start.
    """
    first = instant(start, settings) if start else None
    last = instant(end, settings) if end else None
    if first is not None and last is not None and last <= first:
        raise typer.BadParameter("--to must be after --from.")
    return first, last


def hour(text: str, settings: Zoned) -> datetime:
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


def hours(start: str, end: str, settings: Settings) -> list[Window]:
    """The windows of the hours that start in the range, oldest first.

    Raises:
        typer.BadParameter: a text is not a date or time, or no hour starts in the range.
    """
    found = list(Window.each_hour(instant(start, settings), instant(end, settings), settings.window_hours))
    if not found:
        raise typer.BadParameter("No UTC hour starts between --from and --to; --to must be at least an hour later.")
    return found


def window_of(start: datetime, settings: Settings) -> Window:
    """The window of the hourly partition that starts at this hour."""
    return Window.ending(start + HOUR, settings.window_hours)


def days_ago(days: int, now: datetime) -> datetime:
    """The instant that many days before now."""
    return now - timedelta(days=days)
