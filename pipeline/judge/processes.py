"""Whether a process that holds something is still alive, as far as this machine can tell."""

from __future__ import annotations

import os
import socket
from functools import cache
from pathlib import Path

_PROC = Path("/proc")


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
