"""What a delivery is a version of: kind, id and version, as a rule of a mapping reads them."""

from __future__ import annotations

import math
from datetime import UTC, datetime
from typing import Any

from pipeline.ingest.refusal import RefusedError

_KIND = "main"
_MAX_ID = 512


def document_of(declared: dict[str, Any]) -> tuple[str, float | None]:
    """The document's kind and id as one text, and its version as a number that grows from version to version.

    Args:
        declared: `id`, `kind` and `version` as they were read; those without a value are absent.

    Raises:
        RefusedError: there is no id, or one of them is of a type that cannot be used.
    """
    identity, kind = _text("id", declared.get("id")), _text("kind", declared.get("kind", _KIND))
    if not identity:
        raise RefusedError("missing_document", "the mapping's `document.id` has no value here; name another path")
    if ":" in kind or len(kind) + len(identity) > _MAX_ID:
        raise RefusedError(
            "wrong_type", f"`document.kind` has a colon, or it and the id have over {_MAX_ID} characters"
        )
    return f"{kind}:{identity}", _version(declared.get("version"))


def _text(name: str, value: Any) -> str:
    if value is None or (isinstance(value, str | int) and not isinstance(value, bool)):
        return "" if value is None else str(value)
    raise RefusedError("wrong_type", f"`document.{name}` is neither text nor an integer")


def _version(value: Any) -> float | None:
    """Numbers as they are; instants in seconds."""
    if value is None:
        return None
    if isinstance(value, int | float) and not isinstance(value, bool):
        return float(value)
    if isinstance(value, str):
        for read in (float, _seconds):
            try:
                number = read(value)
            except ValueError:
                continue
            if math.isfinite(number):
                return number
    raise RefusedError("wrong_type", "`document.version` is neither a number nor an instant in ISO 8601")


def _seconds(text: str) -> float:
    instant = datetime.fromisoformat(text)
    return (instant if instant.tzinfo else instant.replace(tzinfo=UTC)).timestamp()
