"""How many requests an endpoint is sent at once, found out from what it bears.

The limit doubles with each round of answers until the server refuses too many. It shrinks to eight tenths whenever that
happens, once for all requests that were under way, and then grows by three percent a round, at least by one. A refusal
now and then is no sign of too many: some servers refuse at random, and a limit that shrank for each of them would end
near ten, whatever the server bears. `Retry-After` pauses the endpoint. Requests and tokens per minute are token buckets
of a tenth of a minute.

No request is hedged: a time-out and a second try are nearly as fast, and a hedge is paid for twice.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from heapq import heappop, heappush
from itertools import count

from pipeline.settings_models import ModelEndpoint

START = 128
DECREASE = 0.8
INCREASE = 0.03
TOLERATED = 0.1
"""Share of the latest requests that may be refused before the limit shrinks."""
_LATEST = 100  # requests that the share is taken over at least; else those of one round
_MIN_PAUSE = 0.05
_BURST_MINUTES = 0.1


@dataclass
class _Bucket:
    """A token bucket; `rate` a second. A single draw larger than the bucket needs it full and leaves it in debt."""

    rate: float
    capacity: float
    level: float
    filled_at: float

    @classmethod
    def per_minute(cls, amount: float) -> _Bucket:
        capacity = max(amount * _BURST_MINUTES, 1.0)
        return cls(amount / 60, capacity, capacity, time.monotonic())

    def wait(self, amount: float) -> float:
        """Seconds until the amount can be drawn."""
        now = time.monotonic()
        self.level = min(self.capacity, self.level + (now - self.filled_at) * self.rate)
        self.filled_at = now
        lacking = min(amount, self.capacity) - self.level
        return lacking / self.rate if lacking > 1e-9 else 0.0

    def draw(self, amount: float) -> None:
        self.level -= amount


class Limiter:
    """The limit of one endpoint, for the whole process. Used from the judge's event loop only."""

    def __init__(self, endpoint: ModelEndpoint) -> None:
        self.most = endpoint.max_concurrency
        self.limit = float(min(START, self.most))
        self.in_flight = 0
        self._growing_fast = True
        self._refused = 0.0  # share of the latest requests, older ones counting less and less
        self._decreased_at = 0.0
        self._paused_until = 0.0
        self._waiting: list[tuple[int, int, asyncio.Future[None]]] = []  # a heap
        self._came = count()
        requests, tokens = endpoint.requests_per_minute, endpoint.tokens_per_minute
        self._requests = _Bucket.per_minute(requests) if requests else None
        self._tokens = _Bucket.per_minute(tokens) if tokens else None

    @asynccontextmanager
    async def slot(self, tokens: int, turn: int = 0) -> AsyncIterator[float]:
        """Wait for a place; yields the instant (monotonic seconds) at which it was taken.

        Args:
            tokens: that the request may cost.
            turn: who goes first; equal ones as they come.
        """
        if self._waiting or self.in_flight >= int(self.limit):
            await self._queue(turn)
        else:
            self.in_flight += 1
        try:
            await self._draw(tokens)
            yield time.monotonic()
        finally:
            self.in_flight -= 1
            self._wake()

    def succeeded(self) -> None:
        """An answer came: let more through, if the limit is what holds them back."""
        self._refused -= self._refused / max(self.limit, _LATEST)
        if self.in_flight < self.limit * 0.8:
            return
        self.limit = min(
            self.limit + (1.0 if self._growing_fast else max(1.0 / self.limit, INCREASE)), float(self.most)
        )
        self._wake()

    def throttled(self, taken_at: float, retry_after: float | None = None) -> None:
        """The server refused or failed under load: let fewer through, if it does so often."""
        now = time.monotonic()
        self._refused += (1.0 - self._refused) / max(self.limit, _LATEST)
        # Requests sent before the last decrease say nothing about it.
        if self._refused > TOLERATED and taken_at >= self._decreased_at:
            self.limit = max(self.limit * DECREASE, 1.0)
            self._growing_fast = False
            self._decreased_at = now
        if retry_after is not None:
            self._paused_until = max(self._paused_until, now + retry_after)

    async def _queue(self, turn: int) -> None:
        """Return with a place."""
        place = asyncio.get_running_loop().create_future()
        heappush(self._waiting, (turn, next(self._came), place))
        try:
            await place
        except asyncio.CancelledError:
            if place.done() and not place.cancelled():  # it had just been given one
                self.in_flight -= 1
                self._wake()
            raise

    async def _draw(self, tokens: int) -> None:
        while (delay := self._delay(tokens)) > 0:
            await asyncio.sleep(max(delay, _MIN_PAUSE))
        if self._requests:
            self._requests.draw(1)
        if self._tokens:
            self._tokens.draw(tokens)

    def _delay(self, tokens: int) -> float:
        return max(
            self._paused_until - time.monotonic(),
            self._requests.wait(1) if self._requests else 0.0,
            self._tokens.wait(tokens) if self._tokens else 0.0,
        )

    def _wake(self) -> None:
        """Hand free places to those who wait; a place counts as taken from here on."""
        while self._waiting and self.in_flight < int(self.limit):
            *_, place = heappop(self._waiting)
            if not place.done():
                self.in_flight += 1
                place.set_result(None)


_limiters: dict[ModelEndpoint, Limiter] = {}


def limiter_of(endpoint: ModelEndpoint) -> Limiter:
    """The limiter of an endpoint in this process."""
    if endpoint not in _limiters:
        _limiters[endpoint] = Limiter(endpoint)
    return _limiters[endpoint]
