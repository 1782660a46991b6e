"""Praat TextGrids, in the long and the short text form, as documents with Praat's own names.

Read by hand as Praat itself does: what counts are free-standing numbers, quoted texts and flags in their order;
labels, brackets and comments are left out (https://www.fon.hum.uva.nl/praat/manual/TextGrid_file_formats.html). The
libraries for it look for `item [` and `intervals [` also inside of what was said, or are under the GPL.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from typing import Any

from pipeline.ingest.refusal import RefusedError

_TOKEN = re.compile(r'![^\n]*|"((?:[^"]|"")*+)"|<(\w+)>|(\S+)')
_NUMBER = re.compile(r"[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?")
_TIERS = {"IntervalTier": ("intervals", ("xmin", "xmax", "text")), "TextTier": ("points", ("number", "mark"))}


def parse_textgrid(content: bytes) -> dict[str, Any]:
    """The grid: `xmin`, `xmax` (seconds) and `tiers`, each with `class`, `name`, `xmin`, `xmax` and its items.

    Items are `intervals` of `xmin`, `xmax` and `text`, or, of a TextTier, `points` of `number` (seconds) and `mark`.

    Raises:
        RefusedError: it is no complete TextGrid.
    """
    tokens = _Tokens(_decoded(content))
    if not tokens.text().startswith("ooTextFile") or tokens.text() != "TextGrid":
        raise RefusedError("not_textgrid", 'it does not begin with File type = "ooTextFile", Object class = "TextGrid"')
    grid: dict[str, Any] = {"xmin": tokens.number(), "xmax": tokens.number()}
    grid["tiers"] = [_tier(tokens) for _ in range(tokens.count())] if tokens.flag() == "exists" else []
    return grid


def _tier(tokens: _Tokens) -> dict[str, Any]:
    kind = tokens.text()
    if kind not in _TIERS:
        raise RefusedError("not_textgrid", f"a tier of class {kind[:40]!r}; known: {', '.join(_TIERS)}")
    items, (*numbers, label) = _TIERS[kind]
    tier: dict[str, Any] = {"class": kind, "name": tokens.text(), "xmin": tokens.number(), "xmax": tokens.number()}
    tier[items] = [{**{name: tokens.number() for name in numbers}, label: tokens.text()} for _ in range(tokens.count())]
    return tier


def _decoded(content: bytes) -> str:
    """Praat writes UTF-8 without a mark, and UTF-16 with one where ASCII is not enough."""
    utf16 = content.startswith((b"\xff\xfe", b"\xfe\xff"))
    try:
        return content.decode("utf-16" if utf16 else "utf-8-sig")
    except UnicodeDecodeError as wrong:
        raise RefusedError("wrong_encoding", f"neither UTF-8 nor UTF-16 at byte {wrong.start}") from None


class _Tokens:
    """The free-standing values of a text, one after the other; each is asked for by the type that it must have."""

    def __init__(self, text: str) -> None:
        self._values = self._read(text)

    def _read(self, text: str) -> Iterator[str | float | tuple[str]]:
        for match in _TOKEN.finditer(text):
            quoted, flag, word = match.groups()
            if quoted is not None:
                yield quoted.replace('""', '"')
            elif flag is not None:
                yield (flag,)
            elif word is None:
                continue  # a comment
            elif word.startswith('"'):
                raise RefusedError("not_textgrid", f"the quote at character {match.start()} is left open")
            elif _NUMBER.fullmatch(word) and math.isfinite(number := float(word)):
                yield number

    def text(self) -> str:
        """The next value, a text."""
        value = next(self._values, None)
        return value if isinstance(value, str) else self._refuse("a text", value)

    def number(self) -> float:
        """The next value, a number."""
        value = next(self._values, None)
        return value if isinstance(value, float) else self._refuse("a number", value)

    def count(self) -> int:
        """The next value, a number of things."""
        value = self.number()
        return int(value) if value.is_integer() and value >= 0 else self._refuse("a count", value)

    def flag(self) -> str:
        """The next value, a flag such as `<exists>`."""
        value = next(self._values, None)
        return value[0] if isinstance(value, tuple) else self._refuse("<exists>", value)

    @staticmethod
    def _refuse(wanted: str, found: object) -> Any:
        shown = "its end" if found is None else repr(found)[:80]
        raise RefusedError("not_textgrid", f"{shown} where {wanted} should be; is the file complete?")
