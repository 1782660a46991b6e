"""Ctrl-C while SQL runs: the query ends, the work is kept, and the file can be opened again."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading

import pytest

from pipeline.store import Store

SLOW = "SELECT sum(a.range * b.range % 7) FROM range(20000) AS a, range(3000) AS b"
TWICE = """
import os, signal, threading
from pipeline.settings import Settings
from pipeline.store import Store
with Store(Settings()).write() as con:
    signal.raise_signal(signal.SIGINT)
    print("still here", flush=True)
    signal.raise_signal(signal.SIGINT)
    print("not here", flush=True)
"""


def interrupted_insert(store: Store) -> None:
    with store.transaction() as con:
        con.execute("INSERT INTO kept VALUES (1)")
        timer = threading.Timer(0.05, os.kill, (os.getpid(), signal.SIGINT))
        timer.start()
        con.execute(SLOW)
        timer.join()


def test_an_interrupt_inside_a_query_is_raised_where_the_connection_ends(store: Store) -> None:
    with store.transaction() as con:
        con.execute("CREATE TABLE kept (n INTEGER)")
    with pytest.raises(KeyboardInterrupt):
        interrupted_insert(store)
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    with store.write() as con:  # without the care for interrupts this never returns
        assert con.execute("SELECT count(*) FROM kept").fetchall() == [(1,)]


def test_a_second_interrupt_ends_the_process(store: Store) -> None:
    done = subprocess.run([sys.executable, "-c", TWICE], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == -signal.SIGINT
    assert done.stdout == "still here\n"
