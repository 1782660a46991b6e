"""Events that could not be sent, kept in a local folder until they can be."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path
from secrets import token_hex

from pipeline.errors import UserError


class Spool:
    """A folder of batches, oldest first; a batch is one file, written whole before it counts.

    Args:
        folder: made when first needed.
        max_bytes: more is refused, so that a server that never returns does not fill the disk.
    """

    def __init__(self, folder: Path, max_bytes: int = 256 * 2**20) -> None:
        self._folder = folder
        self._max_bytes = max_bytes

    def add(self, batch: bytes) -> None:
        """Keep a batch; it is on disk when this returns.

        Raises:
            UserError: the spool is full.
        """
        self._folder.mkdir(parents=True, exist_ok=True)
        if sum(path.stat().st_size for path in self.batches()) + len(batch) > self._max_bytes:
            raise UserError(f"The spool {self._folder} is full and the server is away; the events were not kept.")
        path = self._folder / f"{time.time_ns():020d}-{token_hex(4)}.ndjson"
        fresh = path.with_suffix(".tmp")
        with fresh.open("xb") as handle:
            handle.write(batch)
            handle.flush()
            os.fsync(handle.fileno())
        fresh.replace(path)

    def batches(self) -> list[Path]:
        """What waits, oldest first."""
        return sorted(self._folder.glob("*.ndjson"))

    def drain(self, send: Callable[[bytes], None]) -> int:
        """Send what waits, oldest first, until `send` raises.

        Returns:
            How many batches were sent. Sending one twice is harmless: events have ids.
        """
        sent = 0
        for path in self.batches():
            try:
                batch = path.read_bytes()
            except FileNotFoundError:
                continue  # another process was quicker
            send(batch)
            path.unlink(missing_ok=True)
            sent += 1
        return sent
