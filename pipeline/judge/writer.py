"""Storing answers as they arrive, in batches, behind the askers' backs."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from contextlib import suppress

from pipeline.judge.ledger import Arrived, Ledger
from pipeline.judge.prompt import Request

WRITE_SECONDS = 1.0


class Writer:
    """Writes when half the batch is full and at least every second; an asker waits while a whole batch is unwritten.

    Args:
        ledger: where answers are stored.
        database: held while the database is open, so that threads of this process do not queue for the file lock.
        capacity: answers that may be in memory and not yet stored.
        stored: called with the questions that are done and whose answers are stored.
    """

    def __init__(
        self, ledger: Ledger, database: asyncio.Lock, capacity: int, stored: Callable[[Sequence[Request]], None]
    ) -> None:
        self._ledger = ledger
        self._database = database
        self._capacity = capacity
        self._stored = stored
        self._arrived: list[Arrived] = []
        self._finished: list[Request] = []
        self._unwritten = 0
        self._rounds = 0
        self._closing = False
        self._failed: BaseException | None = None
        self._due = asyncio.Event()
        self._changed = asyncio.Condition()
        self._task: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Writer:
        self._task = asyncio.create_task(self._work())
        return self

    async def __aexit__(self, *_: object) -> None:
        """Store what is left, whatever ended the run."""
        assert self._task is not None
        self._closing = True
        self._due.set()
        await asyncio.shield(self._task)
        if self._failed is not None:
            with suppress(type(self._failed)):  # the run fails all the same; what is paid for gets a last chance
                await self._write()
        async with self._database:
            await asyncio.to_thread(self._ledger.close)

    async def add(self, arrived: Arrived) -> None:
        """Take an answer; waits while the batch is full.

        Raises:
            StoreUnavailableError: an earlier write failed.
        """
        async with self._changed:
            await self._changed.wait_for(lambda: self._failed or self._unwritten < self._capacity)
            self._unwritten += 1
            self._arrived.append(arrived)  # after a failure too: it is paid for, and there is a last chance
            self._raise()
        if 2 * len(self._arrived) >= self._capacity:
            self._due.set()

    def finish(self, request: Request) -> None:
        """A question is done: what was held back for it is free once its answers are stored."""
        self._finished.append(request)

    async def flush(self) -> None:
        """Return when everything that was added before is stored.

        Raises:
            StoreUnavailableError: it could not be stored.
        """
        target = self._rounds + 2  # the round that is under way may have begun before
        async with self._changed:
            while self._rounds < target and not self._failed:
                self._due.set()
                await self._changed.wait()
        self._raise()

    async def _work(self) -> None:
        try:
            while not self._closing:
                with suppress(TimeoutError):
                    await asyncio.wait_for(self._due.wait(), WRITE_SECONDS)
                self._due.clear()
                await self._write()
                async with self._database:
                    await asyncio.to_thread(self._ledger.renew)
            await self._write()
        except Exception as error:  # handed to whoever adds or flushes next
            self._failed = error
            async with self._changed:
                self._changed.notify_all()

    async def _write(self) -> None:
        arrived, self._arrived = self._arrived, []
        finished, self._finished = self._finished, []
        if arrived or finished:
            try:
                async with self._database:
                    await asyncio.to_thread(self._ledger.keep, arrived, finished)
            except Exception:
                self._arrived, self._finished = arrived + self._arrived, finished + self._finished
                raise
        async with self._changed:
            self._rounds += 1
            self._unwritten -= len(arrived)
            self._changed.notify_all()
        if arrived or finished:
            self._stored(finished)

    def _raise(self) -> None:
        if self._failed is not None:
            raise self._failed
