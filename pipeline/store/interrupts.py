"""Ctrl-C while SQL runs."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType


@contextmanager
def deferred_interrupts() -> Iterator[None]:
    """Let SIGINT wait until the block ends; a second one ends the process at once, as `kill -9` may at any time.

    DuckDB turns an interrupt inside a query into a RuntimeError like any other, which whoever guards against failing
    definitions and damaged files takes for one; and the interrupted query keeps the file in use, so that opening it
    again in the same process never returns. Threads other than the main one are never interrupted.
    """
    previous = signal.getsignal(signal.SIGINT)
    if threading.current_thread() is not threading.main_thread() or not callable(previous):
        yield
        return
    waiting = False

    def wait(number: int, _frame: FrameType | None) -> None:
        nonlocal waiting
        if waiting:
            signal.signal(number, signal.SIG_DFL)
            signal.raise_signal(number)
        waiting = True

    signal.signal(signal.SIGINT, wait)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, previous)
        if waiting:
            signal.raise_signal(signal.SIGINT)
