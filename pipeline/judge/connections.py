"""Connections to one server in several small pools instead of one large one.

The HTTP client looks at every pooled connection for each request that it sends, so one pool of 128 costs eight times
the processor time of a pool of 16. Imported where the client is made, not before.
"""

from __future__ import annotations

import asyncio

import httpx2

POOL_SIZE = 16
_KEEPALIVE_SECONDS = 30


class PooledTransport(httpx2.AsyncBaseTransport):
    """Sends each request through the pool with the fewest under way."""

    def __init__(self, concurrency: int) -> None:
        limits = httpx2.Limits(
            max_connections=None, max_keepalive_connections=2 * POOL_SIZE, keepalive_expiry=_KEEPALIVE_SECONDS
        )
        number = -(-concurrency // POOL_SIZE)
        context = httpx2.create_ssl_context()  # one for all: each reads every root certificate
        self._pools = [httpx2.AsyncHTTPTransport(verify=context, limits=limits) for _ in range(number)]
        self._busy = [0] * number

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        """Send one request."""
        at = min(range(len(self._pools)), key=self._busy.__getitem__)
        self._busy[at] += 1
        try:
            return await self._pools[at].handle_async_request(request)
        finally:
            self._busy[at] -= 1

    async def aclose(self) -> None:
        """Close every pool."""
        await asyncio.gather(*(pool.aclose() for pool in self._pools))
