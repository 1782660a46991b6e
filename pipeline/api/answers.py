"""Answers that were given before, by ETag: numbers change once an hour, dashboards ask every few seconds."""

from __future__ import annotations

import threading
from collections import OrderedDict

_MOST_BYTES = 32 * 2**20
_LARGEST = 2**20


class AnswerCache:
    """Bodies by ETag, the least recently used dropped first; safe to share between threads.

    An ETag names publication, definitions, URL and rights, so whoever may have a tag may have its body.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._bodies: OrderedDict[str, bytes] = OrderedDict()
        self._size = 0

    def get(self, etag: str) -> bytes | None:
        """The body, if it is still held."""
        with self._lock:
            if (body := self._bodies.get(etag)) is not None:
                self._bodies.move_to_end(etag)
            return body

    def put(self, etag: str, body: bytes) -> None:
        """Hold a body."""
        if len(body) > _LARGEST:
            return
        with self._lock:
            self._size += len(body) - len(self._bodies.pop(etag, b""))
            self._bodies[etag] = body
            while self._size > _MOST_BYTES:
                self._size -= len(self._bodies.popitem(last=False)[1])
