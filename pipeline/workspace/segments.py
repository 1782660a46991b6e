"""Lines made durable before they are acknowledged: appended to a segment, which becomes a landing file once closed.

While it is written a segment is `<name>.ndjson.partial`, which ingestion leaves alone, and is locked by its writer. One
that is not locked belongs to a writer that was killed; whoever comes first puts it in place.
"""

from __future__ import annotations

import fcntl
import os
import secrets
import shutil
import threading
import time
from concurrent.futures import Future
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import BinaryIO

import fsspec
from fsspec.implementations.local import LocalFileSystem

from pipeline.errors import StoreUnavailableError

_PARTIAL = ".partial"


@dataclass
class _Queue:
    lines: list[bytes] = field(default_factory=list)
    waiting: list[Future[None]] = field(default_factory=list)
    size: int = 0


class SegmentWriter:
    """Appends lines for many threads; one thread writes and syncs for all that wait.

    Args:
        folder: local folder of segments that are being written.
        landing: folder or fsspec URL that closed segments are put into.
        max_bytes: a segment is closed at this size.
        max_seconds: and at this age.
        max_waiting: bytes that may wait to be written; more are refused.
    """

    def __init__(self, folder: Path, landing: str, *, max_bytes: int, max_seconds: float, max_waiting: int) -> None:
        self._folder = folder
        self._landing = landing
        self._max_bytes = max_bytes
        self._max_seconds = max_seconds
        self._max_waiting = max_waiting
        self._queue = _Queue()
        self._wake = threading.Condition()
        self._closing = False
        self._thread: threading.Thread | None = None
        self._segment: _Segment | None = None

    def append(self, lines: bytes) -> None:
        """Return once the lines are on disk.

        Args:
            lines: whole lines, the last with its end.

        Raises:
            StoreUnavailableError: too much is waiting, or the disk does not take it. Nothing was acknowledged.
        """
        done: Future[None] = Future()
        with self._wake:
            if self._closing:
                raise StoreUnavailableError("The server is stopping; send the events again.")
            if self._queue.size + len(lines) > self._max_waiting:
                raise StoreUnavailableError("Events arrive faster than the disk takes them; send them again later.")
            self._queue.lines.append(lines)
            self._queue.waiting.append(done)
            self._queue.size += len(lines)
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="segments", daemon=True)
                self._thread.start()
            self._wake.notify()
        done.result()

    def close(self) -> None:
        """Write what waits, and put the last segment in place."""
        with self._wake:
            self._closing = True
            self._wake.notify()
        if self._thread is not None:
            self._thread.join()

    def _run(self) -> None:
        while True:
            with self._wake:
                while not self._queue.lines and not self._closing:
                    age_left = None if self._segment is None else self._segment.opened_at + self._max_seconds
                    timeout = None if age_left is None else age_left - time.monotonic()
                    if timeout is not None and timeout <= 0:
                        break
                    self._wake.wait(timeout)
                batch, self._queue = self._queue, _Queue()
                closing = self._closing
            if batch.lines:
                self._write(batch)
            if self._segment is not None and (closing or self._segment.due(self._max_bytes, self._max_seconds)):
                self._finish()
            if closing and not batch.lines:
                return

    def _write(self, batch: _Queue) -> None:
        try:
            if self._segment is None:
                self._segment = _Segment(self._folder)
            self._segment.write(b"".join(batch.lines))
        except OSError as error:
            problem = StoreUnavailableError(f"The disk did not take the events: {error.strerror}. Send them again.")
            for done in batch.waiting:
                done.set_exception(problem)
        else:
            for done in batch.waiting:
                done.set_result(None)

    def _finish(self) -> None:
        assert self._segment is not None
        segment, self._segment = self._segment, None
        try:
            _place(segment.path, self._landing)
        except OSError:
            segment.opened_at = time.monotonic()  # kept, and tried again after as long as a segment lives
            self._segment = segment
        else:
            segment.handle.close()


class _Segment:
    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        stamp = datetime.now(UTC).strftime("%Y%m%dT%H%M%S")
        self.path = folder / f"events-{stamp}-{secrets.token_hex(4)}.ndjson{_PARTIAL}"
        self.handle: BinaryIO = self.path.open("xb", buffering=0)
        fcntl.flock(self.handle, fcntl.LOCK_EX)
        _sync_folder(folder)
        self.opened_at = time.monotonic()
        self.size = 0

    def write(self, lines: bytes) -> None:
        try:
            view = memoryview(lines)
            while view:
                view = view[self.handle.write(view) :]
            os.fsync(self.handle.fileno())
        except OSError:
            self.handle.truncate(self.size)  # what was not acknowledged is not kept in part
            self.handle.seek(self.size)
            raise
        self.size += len(lines)

    def due(self, max_bytes: int, max_seconds: float) -> bool:
        return self.size >= max_bytes or time.monotonic() - self.opened_at >= max_seconds


def adopt_segments(folder: Path, landing: str) -> int:
    """Put the segments of writers that were killed in place.

    Returns:
        How many there were.
    """
    adopted = 0
    for path in sorted(folder.glob(f"events-*{_PARTIAL}")):
        try:
            with path.open("rb") as handle:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
                _place(path, landing)
                adopted += 1
        except (BlockingIOError, FileNotFoundError):
            continue  # its writer lives, or somebody else was quicker
    return adopted


def _place(path: Path, landing: str) -> None:
    """Move a closed segment into the landing folder under its final name, so that it appears there whole."""
    filesystem, target = fsspec.core.url_to_fs(landing)
    name = path.name.removesuffix(_PARTIAL)
    if not isinstance(filesystem, LocalFileSystem):
        filesystem.put_file(str(path), f"{target.rstrip('/')}/{name}")
        path.unlink()
        return
    final = Path(target) / name
    final.parent.mkdir(parents=True, exist_ok=True)
    try:
        path.rename(final)
    except OSError:  # another file system
        copy = final.with_name(f"{name}{_PARTIAL}")
        shutil.copyfile(path, copy)
        with copy.open("rb") as handle:
            os.fsync(handle.fileno())
        copy.rename(final)
        path.unlink()
    _sync_folder(final.parent)


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
