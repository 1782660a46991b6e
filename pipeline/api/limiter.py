"""How many requests each caller may make: a bucket that fills evenly, held in memory of this process."""

from __future__ import annotations

import math
import threading
import time


class RateLimiter:
    """One bucket for each caller; it holds what is allowed in ten seconds, at least one request."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._full_at: dict[str, float] = {}

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
