"""What the server does beside its requests: each piece on a task of its own, so that none holds up or ends another."""

from __future__ import annotations

import asyncio
import logging
import traceback
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime

from starlette.concurrency import run_in_threadpool

_LOG = logging.getLogger("metric_store.api")


@dataclass
class Work:
    """One piece of work and how its last round went.

    Attributes:
        done_at: when it last ended well; None: not yet.
        failing_since: when it began to fail; None: it does not.
        alive: whether there will be another round.
    """

    do: Callable[[], None]
    done_at: datetime | None = None
    failing_since: datetime | None = None
    alive: bool = True


class Background:
    """Pieces of work that are done again and again until they are stopped.

    Args:
        works: what to do, by name.
        seconds: from the end of one round to the start of the next.
    """

    def __init__(self, works: Mapping[str, Callable[[], None]], seconds: float) -> None:
        self.works = {name: Work(do) for name, do in works.items()}
        self._seconds = seconds
        self._tasks: list[asyncio.Task[None]] = []

    def start(self) -> None:
        """Begin, on the running event loop."""
        for name, work in self.works.items():
            task = asyncio.create_task(self._repeat(name, work))
            task.add_done_callback(lambda _, name=name, work=work: self._ended(name, work))  # type: ignore[misc]
            self._tasks.append(task)

    async def stop(self) -> None:
        """End; a round that has begun is finished."""
        for task in self._tasks:
            task.cancel()
        for task in self._tasks:
            with suppress(asyncio.CancelledError):
                await task

    async def _repeat(self, name: str, work: Work) -> None:
        while True:
            await asyncio.sleep(self._seconds)
            try:
                await run_in_threadpool(work.do)
            except Exception as error:  # the next round may go well; what stands in the message may be secret
                work.failing_since = work.failing_since or datetime.now(UTC)
                places = "".join(traceback.format_tb(error.__traceback__))
                _LOG.exception("%s failed (%s):\n%s", name, type(error).__name__, places, exc_info=False)
            else:
                work.done_at, work.failing_since = datetime.now(UTC), None

    def _ended(self, name: str, work: Work) -> None:
        work.alive = False
        if not self._tasks or not any(task.cancelled() for task in self._tasks):
            _LOG.error("%s will not be done again until the server is restarted.", name)
