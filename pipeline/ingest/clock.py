"""How instants and lengths of time are written: ISO 8601, RFC 3339, and `HH:MM:SS`."""

from __future__ import annotations

import re
from datetime import datetime, timedelta
from decimal import Decimal

_INSTANT = re.compile(
    r"(?P<date>\d{4}-\d\d-\d\d|\d{8})[Tt ]"
    r"(?P<hour>\d\d)(?::?(?P<minute>\d\d)(?::?(?P<second>\d\d)(?:[.,](?P<fraction>\d+))?)?)?"
    r" ?(?P<zone>[Zz]|[+-]\d\d(?::?\d\d)?)?"
)
_CLOCK = re.compile(r"(?P<sign>-?)(?:(?P<hours>\d+):)?(?P<minutes>\d{1,2}):(?P<seconds>\d\d(?:[.,]\d+)?)")
_PARTS = {"weeks": 604_800, "days": 86_400, "hours": 3600, "minutes": 60, "seconds": 1}
_ISO_DURATION = re.compile(
    r"(?P<sign>-?)P(?=[\dT])(?:(?P<weeks>\d+)W)?(?:(?P<days>\d+)D)?"
    r"(?:T(?=\d)(?:(?P<hours>\d+(?:[.,]\d+)?)H)?(?:(?P<minutes>\d+(?:[.,]\d+)?)M)?"
    r"(?:(?P<seconds>\d+(?:[.,]\d+)?)S)?)?"
)


def read_instant(text: str) -> datetime:
    """An instant as ISO 8601 and RFC 3339 allow it; without a zone where the text names none.

    Seconds may be left out, `t` and `z` may be small, a comma may begin the fraction (which is cut after microseconds),
    `24:00` is the midnight that ends the day, and a leap second (`23:59:60`) is the second after it, as clocks of
    computers count.

    Raises:
        ValueError: it is none.
    """
    found = _INSTANT.fullmatch(text)
    if found is None:
        if len(text) < len("2025-W01-1T00"):
            raise ValueError(text)  # a date alone is no instant
        return datetime.fromisoformat(text)  # week dates
    hour, minute, second = int(found["hour"]), int(found["minute"] or 0), int(found["second"] or 0)
    fraction = (found["fraction"] or "")[:6].ljust(6, "0")
    later = timedelta(0)
    if second == 60 and minute == 59:
        second, later = 59, timedelta(seconds=1)
    elif hour == 24 and not minute and not second and not int(fraction):
        hour, later = 0, timedelta(days=1)
    zone = (found["zone"] or "").upper()
    if zone[3:4] not in ("", ":"):
        zone = f"{zone[:3]}:{zone[3:]}"
    date = found["date"]
    date = date if "-" in date else f"{date[:4]}-{date[4:6]}-{date[6:]}"
    return datetime.fromisoformat(f"{date}T{hour:02}:{minute:02}:{second:02}.{fraction}{zone}") + later


def read_duration(text: str) -> Decimal:
    """Seconds of a length such as `00:03:21`, `3:21.5` (minutes and seconds) or `PT3M21S`.

    Years and months are no lengths of time, as they differ.

    Raises:
        ValueError: it is none.
    """
    text = text.strip()
    found = _CLOCK.fullmatch(text) or _ISO_DURATION.fullmatch(text)
    if found is None:
        raise ValueError(text)
    parts = {
        name: Decimal((value or "0").replace(",", ".")) for name, value in found.groupdict().items() if name != "sign"
    }
    if found.re is _CLOCK and (parts["seconds"] >= 60 or (found["hours"] and parts["minutes"] >= 60)):
        raise ValueError(text)
    seconds = sum((value * _PARTS[name] for name, value in parts.items()), Decimal(0))
    return -seconds if found["sign"] else seconds


def instant_text(text: str) -> str:
    """The instant in the usual form, for DuckDB to cast; the text itself when it is none."""
    try:
        return read_instant(text).isoformat()
    except (ValueError, OverflowError):
        return text
