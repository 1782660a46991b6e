"""A file that readers open in place of the live one: replaced atomically, and written only where it differs."""

from __future__ import annotations

import errno
import fcntl
import os
import shutil
import signal
import time
from contextlib import suppress
from pathlib import Path
from threading import get_ident
from typing import BinaryIO

_CLONE = 0x40049409  # FICLONE of ioctl_ficlone(2), which Python has no name for
_PIECE = 64 * 2**10  # a quarter of DuckDB's blocks, which do not begin at multiples of their size


def fresh_name(target: Path) -> Path:
    """Where the next generation of a file is written; what a killed process left there is removed.

    Call it while no one else replaces the file.
    """
    for leftover in target.parent.glob(f"{target.name}.*.tmp*"):
        leftover.unlink(missing_ok=True)
    return target.with_name(f"{target.name}.{os.getpid()}.{get_ident()}.tmp")


def replicate(path: Path, target: Path) -> None:
    """Replace the target by a copy of a file that nobody writes to; whoever has the old target open keeps it.

    A file system that shares blocks (XFS, Btrfs) copies nothing. On others the generation before the last is kept as a
    spare: once nobody has it open, it is compared with the file and only what differs is written.

    Raises:
        OSError: the target cannot be written; it stays as it was.
    """
    fresh = fresh_name(target)
    spare = target.with_name(f"{target.name}.spare")
    try:
        with path.open("rb") as source:
            if _taken(spare, fresh):
                with fresh.open("r+b") as copy:
                    _bring_up_to_date(source, copy)
                    _finish(copy)
                _keep(target, spare)
            else:
                with fresh.open("wb") as copy:
                    cloned = _cloned(source, copy)
                    if not cloned:
                        _copy(source, copy)
                    _finish(copy)
                if not cloned:
                    _keep(target, spare)
        fresh.replace(target)
    except OSError:
        fresh.unlink(missing_ok=True)
        raise


def _taken(spare: Path, fresh: Path) -> bool:
    """Whether the spare is ours alone, by its new name; if not, that name is gone and those who read it keep it."""
    try:
        spare.rename(fresh)
    except FileNotFoundError:
        return False
    # In this order: our readers open the file by a link of their own and then remove the link.
    if fresh.stat().st_nlink == 1 and _nobody_has_open(fresh):
        return True
    fresh.unlink()
    return False


def _nobody_has_open(path: Path) -> bool:
    """Whether no process of this machine, ourselves included, has the file open; false where that is unknown."""
    if not hasattr(fcntl, "F_SETLEASE"):  # not Linux
        return False
    with path.open("r+b") as file:
        try:
            fcntl.fcntl(file, fcntl.F_SETSIG, signal.SIGURG)  # is ignored, unlike SIGIO, if somebody opens it now
            fcntl.fcntl(file, fcntl.F_SETLEASE, fcntl.F_WRLCK)  # is granted to who alone has the file open
            fcntl.fcntl(file, fcntl.F_SETLEASE, fcntl.F_UNLCK)
        except OSError:
            return False
    return True


def _keep(target: Path, spare: Path) -> None:
    """Give the file that is about to be replaced another name, where it can be found free one day."""
    if hasattr(fcntl, "F_SETLEASE"):
        with suppress(OSError):  # none yet
            spare.hardlink_to(target)


def _cloned(source: BinaryIO, copy: BinaryIO) -> bool:
    try:
        fcntl.ioctl(copy.fileno(), _CLONE, source.fileno())
    except OSError:
        return False
    return True


def _copy(source: BinaryIO, copy: BinaryIO) -> None:
    try:
        while os.copy_file_range(source.fileno(), copy.fileno(), 2**30):
            pass
    except (AttributeError, OSError) as error:  # not Linux, or a file system that cannot
        if isinstance(error, OSError) and error.errno == errno.ENOSPC:
            raise
        source.seek(0)
        copy.seek(0)
        shutil.copyfileobj(source, copy, 2**20)


def _bring_up_to_date(source: BinaryIO, copy: BinaryIO) -> None:
    ours, theirs = bytearray(_PIECE), bytearray(_PIECE)
    offset = 0
    while size := os.preadv(source.fileno(), [ours], offset):
        found = os.preadv(copy.fileno(), [theirs], offset)
        if found < size or ours != theirs:  # what an earlier piece left behind the size cannot make them equal
            copy.seek(offset)
            copy.write(ours[:size])
        offset += size
    copy.truncate(offset)


def _finish(copy: BinaryIO) -> None:
    copy.flush()
    now = time.time_ns()
    os.utime(copy.fileno(), ns=(now, now))  # tells generations apart, also where nothing had to be written
    os.fsync(copy.fileno())
