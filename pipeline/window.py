"""The span of time that one hourly run looks at."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

HOUR = timedelta(hours=1)


def floor_hour(instant: datetime) -> datetime:
    """The start of the UTC hour that holds an aware instant."""
    return instant.astimezone(UTC).replace(minute=0, second=0, microsecond=0)


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
        """One window for each hourly partition in `[first, last)`, oldest first."""
        end = floor_hour(first) + HOUR
        while end <= last:
            yield cls.ending(end, hours)
            end += HOUR
