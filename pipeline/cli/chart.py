"""A chart in the terminal."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

_HEIGHT = 18
_WIDEST = 120
_MARKERS = {"production": "dot", "simulation": "x"}


def draw(key: str, rows: Sequence[dict[str, Any]], zone: ZoneInfo) -> str:
    """One line for each traffic class, broken where a day has no value.

    Args:
        key: for the title.
        rows: of `queries.trend`, oldest first: `period_start`, `traffic`, `value`, `unit`, `event_count`.
        zone: in which days are labelled.
    """
    from plotext import figure, uncolorize

    days = sorted({row["period_start"] for row in rows})
    place = {day: index for index, day in enumerate(days)}
    known = [row for row in rows if row["value"] is not None]
    if not known:
        return f"{key} has no value in the last {len(days)} days."
    figure.clear()
    figure.plot_size(min(shutil.get_terminal_size().columns, _WIDEST), _HEIGHT)
    unit = known[-1]["unit"]
    figure.title(f"{key} ({unit})" if unit else key)
    for traffic, marker in _MARKERS.items():
        for run in _unbroken([row for row in rows if row["traffic"] == traffic]):
            xs = [place[row["period_start"]] for row in run]
            figure.draw(figure.signal(xs, [row["value"] for row in run], marker=marker).lines())
    axis = figure.ruler("x")
    axis.lim(-0.5, len(days) - 0.5)
    ticks = sorted({0, len(days) // 2, len(days) - 1})
    axis.ticks(ticks, [_day(days[tick], zone) for tick in ticks])
    chart = uncolorize(str(figure.build()))
    counted = sum(row["event_count"] for row in known)
    gaps = len(days) - len({row["period_start"] for row in known})
    return f"{chart.rstrip()}\nn = {counted:,} values on {len(days) - gaps} days; {gaps} days without any."


def _unbroken(rows: Sequence[dict[str, Any]]) -> Iterator[list[dict[str, Any]]]:
    """Runs of consecutive days that have a value."""
    run: list[dict[str, Any]] = []
    for row in rows:
        if row["value"] is not None:
            run.append(row)
        elif run:
            yield run
            run = []
    if run:
        yield run


def _day(start: datetime, zone: ZoneInfo) -> str:
    return f"{start.astimezone(zone):%d %b}"
