"""Takes the one group of a regular expression out of a text, with RE2: its time is linear in a hostile text too."""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import lru_cache

from pipeline.errors import ExpressionError

_PIECE = re.compile(r"\\.|\[\^?\]?(?:\\.|\[:\^?\w+:\]|[^\]\\])*\]|(?P<group>\((?!\?))", re.DOTALL)
_REMEMBERED = 8  # texts: the name of a file repeats for each of its events


def compile_capture(regex: str) -> Callable[[str], str | None]:
    """A function that gives what the group holds in the first match; None without a match.

    Raises:
        ExpressionError: not RE2 syntax, or not exactly one group.
    """
    import pyarrow as pa
    import pyarrow.compute as pc

    groups = [piece.start() for piece in _PIECE.finditer(regex) if piece["group"]]
    if len(groups) != 1:
        raise ExpressionError(f"{len(groups)} groups in {regex!r}; put ( ) around the part to take, (?: ) elsewhere")
    named = f"{regex[: groups[0]]}(?P<taken>{regex[groups[0] + 1 :]}"

    @lru_cache(maxsize=_REMEMBERED)
    def capture(text: str) -> str | None:
        found = pc.extract_regex(pa.scalar(text), pattern=named).as_py()
        return None if found is None else dict(found)["taken"]

    try:
        capture("")
    except pa.ArrowInvalid as error:
        raise ExpressionError(
            f"{regex!r} ({error}); use RE2 syntax, which has no look-around and no back-references"
        ) from None
    return capture
