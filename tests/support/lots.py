"""Names of conversations whose draw says whether they are examined, for values that are written by hand."""

from __future__ import annotations

from hashlib import md5
from itertools import count

LEFT_OUT = ("not_sampled", "over_cap", "over_budget")


def draw_of(name: str) -> float:
    """The draw of a conversation, from 0 to 1; computed here anew, as `draw_of.sql` does."""
    digest = md5(f"metric-store {name}".encode(), usedforsecurity=False).digest()
    return (int.from_bytes(digest[8:], "little") >> 11) / 2**53


def named(prefix: str, status: str) -> str:
    """A name that begins with the prefix: with a draw above a half if it was left out, else below."""
    names = (f"{prefix}-{number}" for number in count())
    return next(name for name in names if (draw_of(name) >= 0.5) == (status in LEFT_OUT))
