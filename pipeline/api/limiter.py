"""How many requests each caller may make, and how many at once: buckets that fill evenly, in this process's memory."""

from __future__ import annotations

import math
import threading
import time


class RateLimiter:
    """One bucket for each caller; it holds what is allowed in ten seconds, at least one request."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._full_at: dict[str, float] = {}
        self._under_way: dict[str, int] = {}

    def left(self, caller: str, per_minute: int) -> tuple[int, int]:
        """How many requests would be served now, and in how many seconds the bucket is full again."""
        interval = 60 / per_minute
        depth = max(10.0, interval)
        with self._lock:
            ahead = max(self._full_at.get(caller, 0.0) - time.monotonic(), 0.0)
        return max(int((depth - ahead) / interval), 0), math.ceil(ahead)

    def wait(self, caller: str, per_minute: int) -> int:
        """Count a request.

        Returns:
            0, or the whole seconds after which the next request will be served; the refused one is not counted.
        """
        interval = 60 / per_minute
        depth = max(10.0, interval)
        now = time.monotonic()
        with self._lock:
            full_at = max(self._full_at.get(caller, now), now)
            if full_at + interval - now > depth:
                return math.ceil(full_at + interval - now - depth)
            self._full_at[caller] = full_at + interval
            if len(self._full_at) > 10_000:
                self._full_at = {name: at for name, at in self._full_at.items() if at > now}
        return 0

    def enter(self, caller: str, most: int) -> bool:
        """Begin a request; False when the caller has as many under way as it may. `leave` ends one."""
        with self._lock:
            if self._under_way.get(caller, 0) >= most:
                return False
            self._under_way[caller] = self._under_way.get(caller, 0) + 1
        return True

    def leave(self, caller: str) -> None:
        """A request that was begun has been answered."""
        with self._lock:
            if self._under_way[caller] == 1:
                del self._under_way[caller]
            else:
                self._under_way[caller] -= 1
