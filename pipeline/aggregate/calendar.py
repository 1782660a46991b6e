"""Local days as spans of UTC: 23, 24 or 25 hours long, and not always whole hours apart from UTC."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import UTC, date, datetime, time, timedelta
from math import gcd
from zoneinfo import ZoneInfo

import duckdb
import pyarrow as pa

from pipeline.window import HOUR

Span = tuple[datetime, datetime]

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def local_day(day: date, zone: ZoneInfo) -> Span:
    """The half-open UTC span of one local day; empty for a day that the zone skipped.

    A midnight that occurs twice counts the first time, one that was skipped is the instant of the change, so that the
    days of a zone follow one another without gap or overlap.
    """
    return _midnight(day, zone), _midnight(day + timedelta(days=1), zone)


def local_day_of(instant: datetime, zone: ZoneInfo) -> Span:
    """The local day that holds an aware instant."""
    return next(span for span in _near(instant, zone) if span[0] <= instant < span[1])


def local_days(hours: Iterable[datetime], zone: ZoneInfo) -> list[Span]:
    """Every local day that shares an instant with one of the UTC hours, oldest first.

    Args:
        hours: starts of UTC hours; where the offset is not a whole hour, one of them can touch two days.
        zone: the zone whose days are wanted.
    """
    instants = {instant for hour in hours for instant in (hour, hour + HOUR - timedelta.resolution)}
    return sorted({local_day_of(instant, zone) for instant in instants})


def last_local_days(now: datetime, days: int, zone: ZoneInfo) -> list[Span]:
    """The local day that holds `now` and those before it, `days` in all, oldest first."""
    today = now.astimezone(zone).date()
    return [local_day(today - timedelta(days=back), zone) for back in range(days - 1, -1, -1)]


def local_hours(span: Span, zone: ZoneInfo) -> list[Span]:
    """The hours of a zone that share an instant with a span, oldest first: in +05:30 they start at half past."""
    start, end = (instant.astimezone(UTC) for instant in span)
    first = start - (start - local_day_of(start, zone)[0]) % HOUR
    return [(first + n * HOUR, first + (n + 1) * HOUR) for n in range(-((first - end) // HOUR))]


def whole_hours(zone: ZoneInfo, *instants: datetime | None) -> bool:
    """Whether the days of a zone start at full hours of UTC, around the instants that are given, or now."""
    known = [instant for instant in instants if instant is not None] or [datetime.now(UTC)]
    # Of the first and last days that Python can count there is no midnight before or after.
    near = [
        min(max(instant, _EPOCH - timedelta(days=700_000)), _EPOCH + timedelta(days=2_900_000)) for instant in known
    ]
    return all((local_day_of(instant, zone)[0] - _EPOCH) % HOUR == timedelta(0) for instant in near)


def joined(spans: Iterable[Span]) -> list[Span]:
    """The same instants in as few spans as possible, oldest first."""
    result: list[Span] = []
    for start, end in sorted(spans):
        if result and start <= result[-1][1]:
            result[-1] = (result[-1][0], max(end, result[-1][1]))
        else:
            result.append((start, end))
    return result


def ticks_between(spans: Iterable[Span]) -> int:
    """The longest time, at most an hour, of which every span starts and ends at a whole multiple; in microseconds."""
    return gcd(3_600_000_000, *((instant - _EPOCH) // timedelta.resolution for span in spans for instant in span))


def register_spans(con: duckdb.DuckDBPyConnection, name: str, spans: Sequence[Span]) -> None:
    """Make spans readable on the connection under a name, with columns span_start and span_end."""
    instant = pa.timestamp("us", tz="UTC")
    starts, ends = (pa.array([span[end] for span in spans], instant) for end in (0, 1))
    con.register(name, pa.table({"span_start": starts, "span_end": ends}))


def _midnight(day: date, zone: ZoneInfo) -> datetime:
    return datetime.combine(day, time(), tzinfo=zone).astimezone(UTC)


def _near(instant: datetime, zone: ZoneInfo) -> list[Span]:
    today = instant.astimezone(zone).date()
    return [local_day(today + timedelta(days=shift), zone) for shift in (0, -1, 1)]
