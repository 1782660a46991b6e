"""Newline-delimited JSON, split into blocks of whole lines."""

from __future__ import annotations

import io
from collections.abc import Iterator
from dataclasses import dataclass

_BLOCK = 4 << 20


@dataclass(frozen=True)
class Lines:
    """Consecutive lines of a stream, none larger than allowed.

    Attributes:
        first: number of the first, counted from 1.
        texts: the lines without their ends; blank ones are there too, so that numbers stay right.
    """

    first: int
    texts: list[bytes]

    def filled(self) -> Iterator[tuple[int, bytes]]:
        """Number and text of every line that is not blank."""
        for number, text in enumerate(self.texts, self.first):
            if text and not text.isspace():
                yield number, text.removesuffix(b"\r")


@dataclass(frozen=True)
class CanonicalLines:
    """Lines of one stream, each a canonical record as JSON text with sorted, unique keys.

    Attributes:
        member: of an archive; None for a plain file.
        first: number of the first line; the others follow without a gap.
        texts: UTF-8.
    """

    member: str | None
    first: int
    texts: list[bytes]


def split_lines(stream: io.BufferedReader, start: bytes, max_bytes: int) -> Iterator[Lines | int]:
    """Blocks of lines in order; the number of a line instead where it is too large, which is then never held.

    Args:
        stream: what follows `start`.
        start: what has been read already.
        max_bytes: of a line.
    """
    number, pending, skipping = 1, start, False
    while True:
        block = stream.read(_BLOCK)
        *whole, rest = (pending + block if pending else block).split(b"\n")
        if not block and rest:
            whole.append(rest)
        if whole and skipping:
            yield number
            number, skipping = number + 1, False
            del whole[0]
        yield from _measured(number, whole, max_bytes)
        number += len(whole)
        if not block:
            if skipping:
                yield number
            return
        pending, skipping = (b"", True) if skipping or len(rest) > max_bytes else (rest, False)


def _measured(number: int, texts: list[bytes], max_bytes: int) -> Iterator[Lines | int]:
    """The block, cut at lines that are too large."""
    if texts and max(map(len, texts)) <= max_bytes:
        yield Lines(number, texts)
        return
    begin = 0
    for index, text in enumerate(texts):
        if len(text) > max_bytes:
            if index > begin:
                yield Lines(number + begin, texts[begin:index])
            yield number + index
            begin = index + 1
    if begin < len(texts):
        yield Lines(number + begin, texts[begin:])
