"""Somebody else who writes to a store."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from pipeline.settings import Settings
from pipeline.store import Store


@contextmanager
def another_writer(settings: Settings) -> Iterator[None]:
    """A thread that has the store to itself for as long as the block lasts."""
    entered, leave = threading.Event(), threading.Event()

    def hold() -> None:
        with Store(settings).write():
            entered.set()
            leave.wait(30)

    holder = threading.Thread(target=hold)
    holder.start()
    try:
        assert entered.wait(30)
        yield
    finally:
        leave.set()
        holder.join()
