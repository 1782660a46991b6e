"""Splits a stream of JSON documents that stand one after the other, whatever is between them."""

from __future__ import annotations

import io
import re
from collections.abc import Iterator
from contextlib import suppress
from typing import Literal

import orjson

_BLOCK = 1 << 20
_STRUCTURE = re.compile(rb'["{}\[\]]')
_STRING_ENDS = re.compile(rb'"|\\[^\n]|\n')  # a text of strict JSON holds no end of line: its quote was left open
_BETWEEN = re.compile(rb"[ \t\r\n,\x1e]*")  # \x1e begins each text of a JSON text sequence (RFC 7464)
_NEXT = re.compile(rb"\n\x1e?[\[{]")
_MAX_NESTING = 250

Problem = Literal["too_large", "torn", "no_document"]


def first_document(text: bytes) -> bytes | None:
    """The first document of a text, if it is whole and good JSON."""
    with suppress(orjson.JSONDecodeError):  # most texts are one document, and need not be looked through
        return text.strip() if isinstance(orjson.loads(text), dict | list) else None
    found, problem = next(split_documents(io.BufferedReader(io.BytesIO()), text, len(text)), (b"", "torn"))
    try:
        return found if problem is None and orjson.loads(found) is not None else None
    except orjson.JSONDecodeError:
        return None


def split_documents(stream: io.BufferedReader, start: bytes, max_bytes: int) -> Iterator[tuple[bytes, Problem | None]]:
    """The objects and arrays that stand one after the other, each with what is wrong with it.

    Between them may be blanks, ends of lines, commas and record separators. After a torn document, reading goes on at
    the next line that begins with a bracket.

    Args:
        stream: what follows `start`.
        start: what has been read already.
        max_bytes: of a document; a larger one is never held.
    """
    window = _Window(stream, start)
    while window.skip(_BETWEEN):
        if window.buffer[window.begin] not in b"{[":
            yield window.line(), "no_document"
            continue
        found, problem = window.document(max_bytes)
        yield found, problem
        if problem == "torn" and not window.resume():
            return


class _Window:
    """The part of a stream that is held: from the beginning of what is looked at."""

    def __init__(self, stream: io.BufferedReader, start: bytes) -> None:
        self.buffer, self.begin = start, 0
        self._stream = stream

    def _more(self, keep_from: int) -> bool:
        block = self._stream.read(_BLOCK)
        if block:
            self.buffer, self.begin = self.buffer[keep_from:] + block, 0
        return bool(block)

    def skip(self, blanks: re.Pattern[bytes]) -> bool:
        """Go to the next byte that is none of these; False at the end."""
        while True:
            found = blanks.match(self.buffer, self.begin)
            self.begin = found.end() if found else self.begin
            if self.begin < len(self.buffer):
                return True
            if not self._more(len(self.buffer)):
                return False

    def line(self) -> bytes:
        """Pass over the rest of a line, however long; its beginning."""
        found = b""
        while (end := self.buffer.find(b"\n", self.begin)) < 0:
            found += self.buffer[self.begin : self.begin + 2000 - len(found)]
            self.begin = len(self.buffer)
            if not self._more(self.begin):
                return found
        found += self.buffer[self.begin : min(end, self.begin + 2000 - len(found))]
        self.begin = end
        return found

    def document(self, max_bytes: int) -> tuple[bytes, Problem | None]:
        """Pass over a document, unless it is torn."""
        position, depth, in_string, dropped = self.begin, 0, False, 0
        while True:
            token = (_STRING_ENDS if in_string else _STRUCTURE).search(self.buffer, position)
            if token is None:
                seen = len(self.buffer) - (in_string and self.buffer.endswith(b"\\", position))
                drop = dropped or seen - self.begin > max_bytes
                dropped += seen - self.begin if drop else 0
                keep_from = seen if drop else self.begin
                if not self._more(keep_from):
                    return self._torn(len(self.buffer), dropped, max_bytes)
                position = seen - keep_from
                continue
            position, mark = token.end(), token[0]
            if mark == b'"':
                in_string = not in_string
            elif in_string:
                if mark == b"\n":
                    return self._torn(position, dropped, max_bytes)
            elif mark in b"{[":
                depth += 1
                if depth > _MAX_NESTING:
                    return self._torn(position, dropped, max_bytes)
            else:
                depth -= 1
                if depth == 0:
                    found, self.begin = self.buffer[self.begin : position], position
                    too_large = dropped + len(found) > max_bytes
                    return (found[:2000], "too_large") if too_large else (found, None)

    def _torn(self, position: int, dropped: int, max_bytes: int) -> tuple[bytes, Problem]:
        """The beginning of a document that does not end. Of one that is too large, what was read is passed over."""
        found = self.buffer[self.begin : min(position, self.begin + 2000)]
        if dropped + position - self.begin > max_bytes:  # some of it may be held no more, wherever blocks end
            self.begin = position - 1
        return found, "torn"

    def resume(self) -> bool:
        """Go to the next line that begins with a bracket; False without one."""
        while (found := _NEXT.search(self.buffer, self.begin)) is None:
            self.begin = max(self.begin, len(self.buffer) - 2)
            if not self._more(self.begin):
                return False
        self.begin = found.start() + 1
        return True
