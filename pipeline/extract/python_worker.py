"""The process that runs one file of a user's python metrics. Imports nothing of ours: it is started as a script.

It reads one conversation a line from standard input and writes one result a line to where standard output was; what the
file prints goes nowhere. Guard rails, not a prison: the code is the user's own. Memory and CPU are limited by the
kernel; the network is taken away by a network namespace where the kernel grants one; and an audit hook, which Python
code cannot remove, refuses sockets, new processes and writing to files.
"""

from __future__ import annotations

import ctypes
import json
import os
import resource
import runpy
import sys
import traceback
from collections.abc import Callable
from typing import Any

_NEW_USER, _NEW_NET = 0x10000000, 0x40000000  # sched.h
_REFUSED = ("socket.", "subprocess.", "os.exec", "os.fork", "os.posix_spawn", "os.spawn", "os.system", "pty.spawn")
_REFUSED_FILES = ("os.remove", "os.rename", "os.rmdir", "os.mkdir", "os.truncate", "os.link", "os.symlink", "shutil.")
_WRITING = os.O_WRONLY | os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_TRUNC


class Record(dict[str, Any]):
    """A mapping whose keys can be written as attributes: `conversation.turns[0].text`."""

    def __getattr__(self, name: str) -> Any:
        """The value of a key."""
        try:
            return self[name]
        except KeyError:
            raise AttributeError(f"there is no {name}; there are {', '.join(self)}") from None


def main(path: str, cpu_seconds: int, memory_mb: int) -> None:
    """Serve one file until standard input ends.

    Args:
        path: the user's file.
        cpu_seconds: for one conversation.
        memory_mb: address space.
    """
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 1)
    os.dup2(nowhere, 2)
    resource.setrlimit(resource.RLIMIT_AS, (memory_mb * 2**20, memory_mb * 2**20))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    _leave_network()
    sys.addaudithook(_guard)

    def say(answer: dict[str, Any]) -> None:
        answers.write(json.dumps(answer, allow_nan=True, default=_refuse) + "\n")
        answers.flush()

    _limit_cpu(cpu_seconds)
    try:
        evaluate: Callable[[Any], Any] = runpy.run_path(path)["evaluate"]
    except KeyError:
        say({"fatal": "it has no function evaluate(conversation)"})
        return
    except BaseException as error:  # whatever it is, the parent is told
        say({"fatal": _where(error, path)})
        return
    say({"ready": True})
    for line in sys.stdin:
        _limit_cpu(cpu_seconds)
        try:
            say({"result": evaluate(json.loads(line, object_hook=Record))})
        except BaseException as error:
            say({"error": _where(error, path)})


def _leave_network() -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.unshare(_NEW_NET) != 0:
        libc.unshare(_NEW_USER | _NEW_NET)  # without privileges; where that is refused too, the audit hook remains


def _guard(event: str, arguments: tuple[Any, ...]) -> None:
    if event.startswith(_REFUSED):
        raise PermissionError(f"python metrics may not use {event}")
    writes = event == "open" and isinstance(arguments[2], int) and arguments[2] & _WRITING
    if writes or event.startswith(_REFUSED_FILES):
        raise PermissionError("python metrics may not change files")


def _limit_cpu(seconds: int) -> None:
    """More than so many seconds from now: the kernel ends the process (SIGXCPU)."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    soft = int(used.ru_utime + used.ru_stime) + seconds + 1
    resource.setrlimit(resource.RLIMIT_CPU, (soft, resource.RLIM_INFINITY))


def _where(error: BaseException, path: str) -> str:
    """Kind of error and line of the user's file. Its message may quote the conversation and is left out."""
    lines = [frame.lineno for frame in traceback.extract_tb(error.__traceback__) if frame.filename == path]
    return type(error).__name__ + (f" in line {lines[-1]}" if lines else "")


def _refuse(found: Any) -> Any:
    raise TypeError(f"evaluate returned {type(found).__name__}")


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]))
