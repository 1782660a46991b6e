"""Whether whoever holds something is still alive, as far as this machine can tell: a process, or a run of this one."""

from __future__ import annotations

import os
import socket
from functools import cache
from pathlib import Path

_PROC = Path("/proc")
_runs: set[str] = set()


@cache
def _here() -> str:
    """What tells two machines, and two containers of one machine, apart."""
    try:
        boot = (_PROC / "sys/kernel/random/boot_id").read_text().strip()
        return f"{boot}/{os.readlink(_PROC / 'self/ns/pid')}"  # noqa: PTH115 - it leads nowhere
    except OSError:  # not Linux
        return socket.gethostname()


def this_process() -> str:
    """A name of this process that no other one gets, now or later."""
    return f"{_here()} {os.getpid()} {_started(os.getpid())}"


def begin_run(holder: str) -> None:
    """A run of this process holds things under this name."""
    _runs.add(holder)


def end_run(holder: str) -> None:
    """A run of this process has ended. What a full disk left under its name is free, though the process lives on."""
    _runs.discard(holder)


def has_ended(process: str, holder: str) -> bool:
    """Whether a run, or the process that it belongs to, has ended; False where this machine cannot know."""
    return holder not in _runs if process == this_process() else is_dead(process)


def is_dead(process: str) -> bool:
    """Whether the process of this name has ended; False where this machine cannot know."""
    place, _, rest = process.rpartition(" ")
    place, _, pid = place.rpartition(" ")
    if place != _here() or not pid.isdigit():
        return False
    try:
        os.kill(int(pid), 0)
    except ProcessLookupError:
        return True
    except PermissionError:
        return False
    return _started(int(pid)) != rest


def _started(pid: int) -> str:
    """When a process began, in ticks since the machine did; empty where that is not told."""
    try:
        return (_PROC / str(pid) / "stat").read_text().rpartition(")")[2].split()[19]
    except (OSError, IndexError):
        return ""
