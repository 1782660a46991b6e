"""Hourly partitions and the windows they stand for."""

from __future__ import annotations

from datetime import datetime

import dagster as dg

from pipeline.settings import Settings
from pipeline.window import HOUR, Window, floor_hour

_FORMAT = "%Y-%m-%d-%H:%M"

RANGE_START = "dagster/asset_partition_range_start"
RANGE_END = "dagster/asset_partition_range_end"


def hourly_partitions(settings: Settings) -> dg.HourlyPartitionsDefinition:
    """One partition for each UTC hour since `settings.start`; a key names the hour's start."""
    return dg.HourlyPartitionsDefinition(start_date=floor_hour(settings.start), timezone="UTC", fmt=_FORMAT)


def partition_key(window: Window) -> str:
    """The partition whose run looks at this window: the hour in which it ends."""
    return _key(window.hour)


def range_tags(first: datetime, last: datetime) -> dict[str, str]:
    """Run tags that select the partitions of `[first, last)` for a single run."""
    return {RANGE_START: _key(floor_hour(first)), RANGE_END: _key(floor_hour(last) - HOUR)}


def windows_of(context: dg.AssetExecutionContext, settings: Settings) -> list[Window]:
    """A window for each partition of the run, oldest first.

    One run may hold many partitions (a backfill). Each hour keeps a window of its own, so that a backfilled day selects
    the same conversations as a day of hourly runs.
    """
    span = context.partition_time_window
    return list(Window.each_hour(span.start, span.end, settings.window_hours))


def _key(hour: datetime) -> str:
    return hour.strftime(_FORMAT)
