"""The event loop of the judge: one thread for the whole process, so that every caller shares clients and limits."""

from __future__ import annotations

import asyncio
import atexit
import os
import threading
from collections.abc import Awaitable, Callable, Coroutine
from contextlib import suppress
from typing import Any, TypeVar

Result = TypeVar("Result")

_TIDY_SECONDS = 30.0
_EXIT_SECONDS = 2.0

_lock = threading.Lock()
_closers: list[Callable[[], Awaitable[None]]] = []
_loops: dict[int, asyncio.AbstractEventLoop] = {}  # by process id: a forked child has no thread of its own


def run(work: Coroutine[Any, Any, Result]) -> Result:
    """Run a coroutine on the judge's loop and wait for it; an interrupt cancels it and waits for it to tidy up."""
    unwound = threading.Event()

    async def supervised() -> Result:
        try:
            return await work
        finally:
            unwound.set()

    future = asyncio.run_coroutine_threadsafe(supervised(), _loop())
    try:
        return future.result()
    except BaseException:
        future.cancel()
        unwound.wait(_TIDY_SECONDS)
        raise


def _loop() -> asyncio.AbstractEventLoop:
    with _lock:
        loop = _loops.get(os.getpid())
        if loop is None or loop.is_closed():
            loop = asyncio.new_event_loop()
            _loops[os.getpid()] = loop
            thread = threading.Thread(target=loop.run_forever, name="judge", daemon=True)
            thread.start()
            atexit.register(_stop, loop, thread)
    return loop


def at_exit(close: Callable[[], Awaitable[None]]) -> None:
    """Await this on the loop when the process ends."""
    _closers.append(close)


def _stop(loop: asyncio.AbstractEventLoop, thread: threading.Thread) -> None:
    if not thread.is_alive():
        return
    with suppress(TimeoutError):
        asyncio.run_coroutine_threadsafe(_close(), loop).result(_EXIT_SECONDS)
    loop.call_soon_threadsafe(loop.stop)
    thread.join(_EXIT_SECONDS)
    if not loop.is_running():
        loop.close()


async def _close() -> None:
    await asyncio.gather(*(close() for close in _closers), return_exceptions=True)
