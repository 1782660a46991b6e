"""Answers that were given before, by ETag: numbers change once an hour, dashboards ask every few seconds."""

from __future__ import annotations

import threading
from collections import OrderedDict

_MOST_BYTES = 32 * 2**20
_LARGEST = 2**20


class AnswerCache:
    """Bodies and `Link` headers by ETag, the least recently used dropped first; safe to share between threads.

    An ETag names publication, definitions, URL and rights, so whoever may have a tag may have its body.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._bodies: OrderedDict[str, tuple[bytes, str | None]] = OrderedDict()
        self._size = 0

    def get(self, etag: str) -> tuple[bytes, str | None] | None:
        """Body and `Link`, if they are still held."""
        with self._lock:
            if (found := self._bodies.get(etag)) is not None:
                self._bodies.move_to_end(etag)
            return found

    def put(self, etag: str, body: bytes, link: str | None) -> None:
        """Hold an answer."""
        if len(body) > _LARGEST:
            return
        with self._lock:
            self._size += len(body) - len(self._bodies.pop(etag, (b"", None))[0])
            self._bodies[etag] = body, link
            while self._size > _MOST_BYTES:
                self._size -= len(self._bodies.popitem(last=False)[1][0])
