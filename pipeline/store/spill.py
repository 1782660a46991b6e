"""Folders for what does not fit into memory: one for each process, removed at its end, or by the next after a kill."""

from __future__ import annotations

import atexit
import fcntl
import os
import shutil
import uuid
from contextlib import suppress
from functools import cache
from pathlib import Path


def spill_folder(parent: Path) -> str:
    """A folder for one DuckDB, which makes it when it needs it: two that spill into one folder both crash.

    Args:
        parent: folder of all processes; machines and containers may share it.
    """
    return str(_of_process(parent, os.getpid()) / uuid.uuid4().hex)


@cache
def _of_process(parent: Path, process: int) -> Path:
    """The folder of this process, locked for as long as it lives. Those that nobody holds are removed.

    A lock says who lives where process ids do not: two containers may have the same one.
    """
    own = parent / uuid.uuid4().hex
    with suppress(OSError):  # where nothing can be written, what needs to spill will say so
        parent.mkdir(parents=True, exist_ok=True)
        one_at_a_time = _lock(parent, fcntl.LOCK_EX)
        try:
            own.mkdir()
            _lock(own, fcntl.LOCK_EX)  # never closed: the kernel lets go of it when the process ends, however it does
            atexit.register(_remove_own, own, process)
            for other in parent.iterdir():
                _remove_abandoned(other)
        finally:
            os.close(one_at_a_time)
    return own


def _remove_own(folder: Path, process: int) -> None:
    if os.getpid() == process:  # and not a fork of it
        shutil.rmtree(folder, ignore_errors=True)


def _remove_abandoned(folder: Path) -> None:
    try:
        held = _lock(folder, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:  # its process lives, or it is a file and not of ours
        return
    shutil.rmtree(folder, ignore_errors=True)
    os.close(held)


def _lock(folder: Path, operation: int) -> int:
    """The descriptor that holds the lock."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        fcntl.flock(descriptor, operation)
    except OSError:
        os.close(descriptor)
        raise
    return descriptor
