"""The span of time that one hourly run looks at."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

HOUR = timedelta(hours=1)


def floor_hour(instant: datetime) -> datetime:
    """The start of the UTC hour that holds an aware instant."""
    return instant.astimezone(UTC).replace(minute=0, second=0, microsecond=0)


def ceil_hour(instant: datetime) -> datetime:
    """The start of the first UTC hour that starts at an aware instant or after it."""
    return floor_hour(instant) + (HOUR if floor_hour(instant) < instant else timedelta(0))


@dataclass(frozen=True, order=True)
class Window:
    """Half-open span `[start, end)` of whole UTC hours; `end` names the hourly partition `[end - 1 h, end)`."""

    start: datetime
    end: datetime

    @property
    def hour(self) -> datetime:
        """The start of its hourly partition."""
        return self.end - HOUR

    @classmethod
    def ending(cls, end: datetime, hours: int = 24) -> Window:
        """The window of the partition that ends at `end`, which is floored to its hour."""
        end = floor_hour(end)
        return cls(end - hours * HOUR, end)

    @classmethod
    def each_hour(cls, first: datetime, last: datetime, hours: int = 24) -> Iterator[Window]:
        """One window for each hourly partition of `[first, last)`, oldest first.

        An hour belongs to the range in which it starts: a day in Asia/Kolkata (18:30 to 18:30 UTC) has the 24 hours
        from 19:00 to 18:00. Two ranges that meet share no hour and leave none out.
        """
        start = ceil_hour(first)
        while start < last:
            yield cls.ending(start + HOUR, hours)
            start += HOUR
