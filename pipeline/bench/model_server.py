"""A model server that costs next to nothing, so that it is not what a benchmark measures.

`python -m pipeline.bench.model_server MEDIAN SIGMA REFUSED` listens on a free port, which it prints, until standard
input ends. Each answer comes after seconds drawn from a lognormal distribution; the given share of requests is refused
with 429 at once. Nothing of a request but its length is read.
"""

from __future__ import annotations

import asyncio
import math
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from random import Random
from typing import Any

import orjson

_ANSWER = {
    "applicability": "answered",
    "reasoning": "The agent was polite and gave the answer at once.",
    "evidence": [],
    "value": 7,
    "confidence": 0.9,
}
_COMPLETION = {
    "id": "chatcmpl-1",
    "object": "chat.completion",
    "created": 1_767_225_600,
    "model": "benchmark",
    "choices": [
        {
            "index": 0,
            "message": {"role": "assistant", "content": orjson.dumps(_ANSWER).decode()},
            "finish_reason": "stop",
        }
    ],
    "usage": {"prompt_tokens": 1500, "completion_tokens": 50, "total_tokens": 1550},
}
_REFUSAL = {"error": {"message": "slow down", "type": "error", "param": None, "code": "rate_limit_exceeded"}}


def _response(status: str, body: dict[str, Any]) -> bytes:
    content = orjson.dumps(body)
    head = f"HTTP/1.1 {status}\r\ncontent-type: application/json\r\ncontent-length: {len(content)}\r\n\r\n"
    return head.encode() + content


_ANSWERED = _response("200 OK", _COMPLETION)
_REFUSED = _response("429 Too Many Requests", _REFUSAL)


class _Connection(asyncio.Protocol):
    """One kept-alive connection, one request at a time."""

    def __init__(self, draw: Random, median: float, sigma: float, refused: float) -> None:
        self._draw, self._median, self._sigma, self._share = draw, median, sigma, refused
        self._buffer = bytearray()
        self._wanted: int | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        if self._wanted is None:
            end = self._buffer.find(b"\r\n\r\n")
            if end < 0:
                return
            at = self._buffer.lower().find(b"content-length:", 0, end)
            self._wanted = end + 4 + int(self._buffer[at + 15 : self._buffer.find(b"\r\n", at)])
        if len(self._buffer) < self._wanted:
            return
        del self._buffer[: self._wanted]
        self._wanted = None
        if self._draw.random() < self._share:
            self._transport.write(_REFUSED)
        else:
            seconds = self._median * self._draw.lognormvariate(0.0, self._sigma)
            asyncio.get_running_loop().call_later(seconds, self._transport.write, _ANSWERED)


async def _serve(median: float, sigma: float, refused: float) -> None:
    draw = Random(7)  # noqa: S311 - a simulation
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: _Connection(draw, median, sigma, refused), "127.0.0.1", 0, backlog=4096)
    sys.stdout.write(f"{server.sockets[0].getsockname()[1]}\n")
    sys.stdout.flush()
    await asyncio.to_thread(sys.stdin.read)


def mean_latency(median: float, sigma: float) -> float:
    """Expected seconds of an answer."""
    return median * math.exp(sigma**2 / 2)


@contextmanager
def model_server(median: float, sigma: float, refused: float) -> Iterator[str]:
    """A server in a process of its own; yields its base URL."""
    command = [sys.executable, "-m", "pipeline.bench.model_server", str(median), str(sigma), str(refused)]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)  # noqa: S603 - ours
    with process:
        assert process.stdout is not None
        yield f"http://127.0.0.1:{process.stdout.readline().strip()}/v1"
        process.communicate("")


if __name__ == "__main__":
    asyncio.run(_serve(*map(float, sys.argv[1:])))
