"""Instants of foreign sources, as the canonical ISO 8601 text in UTC."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta, tzinfo
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pipeline.catalog.source_models import Time
from pipeline.catalog.source_values import Value
from pipeline.ingest.clock import read_duration, read_instant
from pipeline.ingest.paths import MISSING, Items
from pipeline.ingest.refusal import RefusedError
from pipeline.ingest.values import compile_value

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECONDS_IN = {"unix_s": 1_000_000, "unix_ms": 1_000, "unix_us": 1}
_OFFSET_IN = {"s": "seconds", "ms": "milliseconds", "us": "microseconds"}


def compile_time(spec: Time, mapping_zone: str | None) -> Callable[[Items], datetime | None]:
    """A function that reads an aware instant in UTC, or None when there is nothing to read.

    The function raises RefusedError for an instant that cannot be understood or that names no zone where none is
    declared.
    """
    read = compile_value(spec.value)
    read_plus = None if spec.plus is None else compile_value(spec.plus)
    formats = (spec.format,) if isinstance(spec.format, str) else spec.format
    read_zone = _zone(spec.zone or mapping_zone)
    unit = _OFFSET_IN[spec.plus_unit]

    def instant(items: Items) -> datetime | None:
        value = read(items)
        if value is MISSING or value is None or value == "":
            return None
        found = _parse(value, formats, lambda: read_zone(items))
        if read_plus is None:
            return found
        plus = read_plus(items)
        if plus is MISSING or plus is None:
            return None
        try:
            return found + _length(plus, unit)
        except (ValueError, TypeError, OverflowError):
            raise RefusedError(
                "bad_time", f"{_begin(plus)} is no number of {unit} after {_begin(value)}, nor HH:MM:SS or PT3M21S"
            ) from None

    return instant


def _length(plus: Any, unit: str) -> timedelta:
    """A number of the unit, or a text that says its own."""
    try:
        return timedelta(**{unit: float(plus)})
    except ValueError:
        return timedelta(seconds=float(read_duration(plus)))


def _zone(spec: Value | str | None) -> Callable[[Items], tzinfo | None]:
    if not isinstance(spec, Value):
        zone = None if spec is None else ZoneInfo(spec)
        return lambda _items: zone
    read = compile_value(spec)

    def zone_of(items: Items) -> tzinfo | None:
        name = read(items)
        if name is MISSING or name is None or name == "":
            return None
        try:
            return ZoneInfo(str(name))
        except (ZoneInfoNotFoundError, ValueError, OSError):
            raise RefusedError("naive_time", f"{_begin(name)} is not an IANA time zone") from None

    return zone_of


def _parse(value: Any, formats: tuple[str, ...], read_zone: Callable[[], tzinfo | None]) -> datetime:
    for form in formats:
        try:
            found = _read(value, form)
        except (ValueError, TypeError, OverflowError):
            continue
        if found.tzinfo is None:
            zone = read_zone()
            if zone is None:
                raise RefusedError(
                    "naive_time",
                    f"{_begin(value)} names no zone; write an offset, or declare `zone` in the source mapping",
                )
            found = found.replace(tzinfo=zone)
        try:
            instant = found.astimezone(UTC)
            if instant.astimezone(found.tzinfo).replace(tzinfo=None) != found.replace(tzinfo=None):
                raise RefusedError("bad_time", f"{_begin(value)} does not exist in {found.tzinfo}: clocks leap over it")
        except OverflowError:
            break
        return instant
    raise RefusedError("bad_time", f"{_begin(value)} is not an instant of the form {' or '.join(formats)}")


def _begin(value: Any) -> str:
    return repr(str(value)[:80])


def _read(value: Any, form: str) -> datetime:
    if form == "iso":
        if isinstance(value, datetime):  # Parquet
            return value
        if isinstance(value, date) or not isinstance(value, str):
            raise ValueError(value)
        return read_instant(value.strip())
    if form == "unix_ns":
        return _EPOCH + timedelta(microseconds=int(value) // 1000)
    if form in _MICROSECONDS_IN:
        if isinstance(value, bool):
            raise ValueError(value)
        scale = _MICROSECONDS_IN[form]
        number = value if isinstance(value, int) else float(value)
        return _EPOCH + timedelta(microseconds=round(number * scale))
    return datetime.strptime(value, form)  # noqa: DTZ007 - the caller adds the declared zone or refuses
