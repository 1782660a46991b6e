"""Conversions of single values: the types that a mapping can name, and numbers to calculate with."""

from __future__ import annotations

import math
from decimal import Decimal
from typing import Any

import orjson

from pipeline.catalog.source_values import json_text
from pipeline.ingest.clock import read_duration
from pipeline.ingest.refusal import RefusedError


def convert(value: Any, kind: str) -> Any:
    """The value as the type that a mapping names.

    Raises:
        RefusedError: it cannot be read as that.
    """
    if kind == "json_or_text":
        try:
            return orjson.loads(value) if isinstance(value, str) else value
        except orjson.JSONDecodeError:
            return value
    try:
        if kind == "string":
            return value if isinstance(value, str) else orjson.dumps(value).decode()
        if kind == "integer":
            number = int(value)
            if abs(number) >= 2**63:
                raise OverflowError
            return number
        if kind == "duration":
            return as_number(_seconds(value))
        if kind == "json":
            return orjson.loads(value) if isinstance(value, str) else value
        if kind == "otlp":
            return _plain(value)
    except (KeyError, ValueError, TypeError, OverflowError):
        raise RefusedError("wrong_type", f"{_shown(value)} cannot be read as {kind}") from None
    if kind == "number":
        return number_of(value)
    if isinstance(value, bool):
        return value
    try:
        return {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}[json_text(value).lower()]
    except KeyError:
        raise RefusedError("wrong_type", f"{_shown(value)} cannot be read as boolean") from None


def _seconds(value: Any) -> Decimal:
    """A number is seconds already; of a text, see `read_duration`."""
    try:
        return exact(value)
    except RefusedError:
        return read_duration(value) if isinstance(value, str) else exact(value)


def number_of(value: Any) -> Any:
    """A finite number; text is parsed.

    Raises:
        RefusedError: it is none.
    """
    if isinstance(value, int | float) and not isinstance(value, bool):
        return value
    try:
        number = orjson.loads(value.strip()) if isinstance(value, str) else None
    except orjson.JSONDecodeError:
        number = None
    if isinstance(number, int | float) and not isinstance(number, bool):
        return number
    raise RefusedError("wrong_type", f"{_shown(value)} cannot be read as a number")


def _plain(value: Any) -> Any:
    """An `AnyValue` of OpenTelemetry (opentelemetry/proto/common/v1) as plain JSON; one that is empty is null."""
    match value:
        case {"stringValue": found} | {"doubleValue": found} | {"boolValue": found} | {"bytesValue": found}:
            return found
        case {"intValue": found}:
            return convert(found, "integer")
        case {"arrayValue": {"values": [*items]}}:
            return [_plain(item) for item in items]
        case {"kvlistValue": {"values": [*fields]}}:
            return {field["key"]: _plain(field.get("value")) for field in fields}
        case {"arrayValue": _}:
            return []
        case {"kvlistValue": _}:
            return {}
        case _:
            return None


def exact(value: Any) -> Decimal:
    """The number as it was written, so that 3.1 * 0.2 is 0.62 and 25.35 - 24.84 is 0.51.

    Raises:
        RefusedError: it is no finite number.
    """
    number = number_of(value)
    if not math.isfinite(number):
        raise RefusedError("wrong_type", f"{number} is no number to calculate with")
    return Decimal(repr(number))


def as_number(number: Decimal) -> int | float:
    """What was calculated; whole numbers as such.

    Raises:
        RefusedError: it is too large.
    """
    found = float(number)
    if not math.isfinite(found):
        raise RefusedError("wrong_type", f"{number:.3g} is too large a number")
    return int(found) if found.is_integer() and abs(found) < 2**53 else found


def _shown(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 80 else text[:77] + "..."
