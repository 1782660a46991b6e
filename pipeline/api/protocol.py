"""HTTP as uvicorn speaks it, with limits on the head of a request: its bytes and how long it may take to arrive.

The body has limits of its own; before there is a head, nothing else knows that somebody is there.
"""

from __future__ import annotations

import asyncio
from http import HTTPStatus

import orjson
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from pipeline.api.problems import CODES, HEADER, MEDIA_TYPE, fresh_request_id, problem


def bounded_protocol(most_bytes: int, seconds: float) -> type[HttpToolsProtocol]:
    """The protocol with these limits.

    Args:
        most_bytes: of request line and headers; more is 431.
        seconds: from the first byte (or the connection) to the last header; more is 408.
    """

    class BoundedProtocol(HttpToolsProtocol):
        _size = 0
        _whole = False
        _refused = False
        _timer: asyncio.TimerHandle | None = None

        def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
            super().connection_made(transport)
            self._wait()

        def connection_lost(self, exc: Exception | None) -> None:
            self._cancel()
            super().connection_lost(exc)

        def data_received(self, data: bytes) -> None:
            if self._refused:
                return
            was_whole = self._whole
            if not was_whole:
                self._size += len(data)
            super().data_received(data)
            if was_whole and not self._whole:  # the next request has begun in these bytes
                self._size = len(data)
            if not self._whole and self._size > most_bytes:
                self._refuse(431, f"At most {most_bytes:,} bytes of headers.")

        def on_message_begin(self) -> None:
            if self._whole:  # the next request of a connection that is kept
                self._whole, self._size = False, 0
                self._wait()
            super().on_message_begin()

        def on_headers_complete(self) -> None:
            if self._refused:
                return
            self._whole = True
            self._cancel()
            size = len(self.url) + sum(len(name) + len(value) + 4 for name, value in self.headers)
            if size > most_bytes:
                self._refuse(431, f"At most {most_bytes:,} bytes of headers.")
            else:
                super().on_headers_complete()

        def on_body(self, body: bytes) -> None:
            if not self._refused:
                super().on_body(body)

        def on_message_complete(self) -> None:
            if not self._refused:
                super().on_message_complete()

        def _wait(self) -> None:
            self._cancel()
            self._timer = self.loop.call_later(seconds, self._expired)

        def _cancel(self) -> None:
            if self._timer is not None:
                self._timer.cancel()
                self._timer = None

        def _expired(self) -> None:
            if self._size:
                self._refuse(408, f"The headers did not arrive within {seconds:g} s.")
            else:
                self.transport.close()

        def _refuse(self, status: int, sentence: str) -> None:
            if self._refused or self.transport.is_closing():
                return
            self._refused = True
            self._cancel()
            request_id = fresh_request_id()
            body = orjson.dumps(problem(status, CODES[status], sentence, request_id))
            head = (
                f"HTTP/1.1 {status} {HTTPStatus(status).phrase}\r\ncontent-type: {MEDIA_TYPE}\r\n"
                f"content-length: {len(body)}\r\n{HEADER.lower()}: {request_id}\r\nconnection: close\r\n\r\n"
            )
            self.transport.write(head.encode() + body)
            self.transport.close()

    return BoundedProtocol
