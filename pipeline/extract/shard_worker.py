"""One of the processes that share a run's work: a share comes in on standard input, its results go out.

It opens the store for itself, as any other process of the deployment does, and stores what it computes and pays for. It
ends when standard input does: then its parent is done with it, was interrupted or is dead. What it is doing is then
interrupted as Ctrl-C would, so that answers which are paid for are stored.
"""

from __future__ import annotations

import logging
import os
import pickle
import signal
import sys
import threading
from collections.abc import Callable
from contextlib import suppress
from logging.handlers import QueueHandler
from queue import SimpleQueue

from pipeline.errors import InternalError
from pipeline.extract.run_context import RunContext
from pipeline.extract.shards import Share, evaluate
from pipeline.store import Store

Say = Callable[[object], None]
_lock = threading.Lock()


def main() -> None:
    """Work on one share."""
    signal.signal(signal.SIGINT, signal.default_int_handler)  # a parent in the background has it ignored
    answers = os.dup(1)
    os.dup2(2, 1)  # whatever a library prints must not come between the messages

    def say(message: object) -> None:
        content = memoryview(pickle.dumps(message))
        with _lock, suppress(OSError):  # nobody may be left to listen
            while content:
                content = content[os.write(answers, content) :]

    logging.getLogger().addHandler(_Forwarding(say))
    shares: SimpleQueue[Share] = SimpleQueue()
    working, over = threading.Event(), threading.Event()
    working.set()
    threading.Thread(target=_listen, args=(shares, working, over), daemon=True).start()
    with suppress(KeyboardInterrupt):
        say(_work(shares.get(), say))
        working.clear()
        over.wait()


def _work(share: Share, say: Say) -> object:
    store = Store(share.settings)
    run = RunContext(store, share.settings, share.catalog, share.window, share.run_id, share.now, on_judged=say)
    try:
        return evaluate(run, share.kind, share.work)
    except InternalError as error:
        return error


def _listen(shares: SimpleQueue[Share], working: threading.Event, over: threading.Event) -> None:
    with suppress(EOFError, pickle.UnpicklingError):
        while True:
            shares.put(pickle.load(sys.stdin.buffer))  # noqa: S301 - from our parent
    over.set()
    if working.is_set():  # an interrupt that arrives while an object is finalised is lost, so the end rests on none
        main_thread = threading.main_thread().ident
        assert main_thread is not None
        signal.pthread_kill(main_thread, signal.SIGINT)


class _Forwarding(QueueHandler):
    """Hands log records to the parent, whose handlers know where they go."""

    def __init__(self, say: Say) -> None:
        super().__init__(SimpleQueue())
        self._say = say

    def enqueue(self, record: logging.LogRecord) -> None:
        """Send one record."""
        self._say(record)
