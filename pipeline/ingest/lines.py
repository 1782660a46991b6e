"""Newline-delimited JSON, split into blocks of whole lines."""

from __future__ import annotations

import io
from collections.abc import Iterator
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.compute as pc

_BLOCK = 4 << 20
_MAX_NESTING = 250  # more cannot be written as JSON again
_NOT_OPENING = bytes(set(range(256)) - set(b"[{\n"))


@dataclass(frozen=True)
class Lines:
    """Consecutive lines of a stream, none larger than allowed.

    Attributes:
        first: number of the first, counted from 1.
        text: the lines, with their ends between them; blank ones are there too, so that numbers stay right.
    """

    first: int
    text: bytes

    def texts(self) -> list[bytes]:
        """The lines one by one."""
        return self.text.split(b"\n")

    def filled(self) -> Iterator[tuple[int, bytes]]:
        """Number and text of every line that is not blank."""
        for number, text in enumerate(self.texts(), self.first):
            if text and not text.isspace():
                yield number, text.removesuffix(b"\r")

    def objects(self) -> pa.StringArray | None:
        """The lines, if all are UTF-8, begin as JSON objects do and hold few enough of them; nothing is parsed."""
        if max(map(len, self.text.translate(None, _NOT_OPENING).split(b"\n"))) > _MAX_NESTING:
            return None
        try:
            lines = pc.split_pattern(pa.array([self.text], pa.binary()), b"\n").flatten().cast(pa.string())
        except pa.ArrowInvalid:
            return None
        return lines if pc.all(pc.starts_with(lines, "{")).as_py() else None


@dataclass(frozen=True)
class CanonicalLines:
    """Lines of one stream that are taken for canonical records until somebody has looked at each.

    Attributes:
        member: of an archive; None for a plain file.
        first: number of the first line; the others follow without a gap.
        texts: the lines as they are.
    """

    member: str | None
    first: int
    texts: pa.StringArray


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
        text = pending + block if pending else block
        if block:
            whole, end, rest = text.rpartition(b"\n")
        else:
            whole, end, rest = text.removesuffix(b"\n"), text[-1:], b""  # what is left is a line
        if end and skipping:
            yield number
            number, skipping = number + 1, False
            _, end, whole = whole.partition(b"\n")
        if end:
            yield from _measured(number, whole, max_bytes)
            number += whole.count(b"\n") + 1
        if not block:
            if skipping:
                yield number
            return
        pending, skipping = (b"", True) if skipping or len(rest) > max_bytes else (rest, False)


def _measured(number: int, text: bytes, max_bytes: int) -> Iterator[Lines | int]:
    """The lines, cut at those that are too large."""
    if len(text) <= max_bytes:
        yield Lines(number, text)
        return
    lines = text.split(b"\n")
    begin = 0
    for index, line in enumerate([*lines, None]):
        if line is None or len(line) > max_bytes:
            if index > begin:
                yield Lines(number + begin, b"\n".join(lines[begin:index]))
            if line is not None:
                yield number + index
            begin = index + 1
