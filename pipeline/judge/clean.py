"""Making what a model or a user's function sent storable: any text becomes Unicode, any number fits a column."""

from __future__ import annotations

from typing import Any

_DEEPEST = 100
_WIDEST = 2**63


def clean_text(text: str) -> str:
    """The same text, with halves of surrogate pairs and NUL characters, which no database takes, as U+FFFD."""
    if text.isascii():
        return text.replace("\x00", "\ufffd") if "\x00" in text else text
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace").replace("\x00", "\ufffd")


def clean_json(value: Any, depth: int = 0) -> Any:
    """The same JSON value with clean texts; a whole number beyond 64 bits becomes a float, which may be infinite.

    Raises:
        ValueError: it is nested more than a hundred deep.
    """
    if depth > _DEEPEST:
        raise ValueError(f"it is nested more than {_DEEPEST} deep")
    if isinstance(value, str):
        return clean_text(value)
    if isinstance(value, dict):
        return {clean_text(str(key)): clean_json(part, depth + 1) for key, part in value.items()}
    if isinstance(value, list | tuple):
        return [clean_json(part, depth + 1) for part in value]
    if isinstance(value, int) and not -_WIDEST <= value < _WIDEST:
        try:
            return float(value)
        except OverflowError:
            return float("inf") if value > 0 else float("-inf")
    return value
