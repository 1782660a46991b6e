"""Checking that what a model quotes was said."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

from pipeline.text import composed

_MAX_QUOTES = 20
_MAX_TURN = 2**31
_QUOTATION_MARKS = re.compile("[\"'`\u201c\u201d\u2018\u2019\u00ab\u00bb]")


@dataclass(frozen=True, slots=True)
class Quote:
    """A quotation from the transcript.

    Attributes:
        turn: where it was said; None when it was said nowhere and the model gave no turn.
        quote: the words.
        verified: whether these words stand in the transcript that the model was given.
    """

    turn: int | None
    quote: str
    verified: bool


def verify(claimed: Sequence[Any], turns: Mapping[int, str]) -> tuple[Quote, ...]:
    """Compare every claimed quote with the transcript, without regard to case, spacing and quotation marks.

    A quote that was said, but in another turn, is verified and given the turn it was said in.
    """

    @cache  # mostly the turn that is claimed is all that is looked at
    def plain(index: int) -> str:
        return _plain(turns[index])

    return tuple(_check(item, turns, plain) for item in claimed[:_MAX_QUOTES] if isinstance(item, Mapping))


def _check(item: Mapping[str, Any], turns: Iterable[int], plain: Callable[[int], str]) -> Quote:
    said_to_be = item.get("quote")
    quote = said_to_be[:1000] if isinstance(said_to_be, str) else ""
    claimed = item.get("turn")
    known = isinstance(claimed, int) and not isinstance(claimed, bool) and 0 <= claimed <= _MAX_TURN
    turn = claimed if known else None
    parts = [part for part in (_plain(part) for part in re.split(r"\.{3}|…", quote)) if part]
    if not parts:
        return Quote(turn, quote, verified=False)
    for index in sorted(turns, key=lambda index: index != turn):
        said = plain(index)
        if all(part in said for part in parts):
            return Quote(index, quote, verified=True)
    return Quote(turn, quote, verified=False)


def _plain(text: str) -> str:
    return " ".join(_QUOTATION_MARKS.sub("", composed(text)).casefold().split()).strip(" .,")
