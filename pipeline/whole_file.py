"""Files that are whole or not there."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import get_ident

from pipeline.errors import UserError


@contextmanager
def replacing(target: Path) -> Iterator[Path]:
    """A file beside the target to write into; it takes the target's place when the block ends well, else it is removed.

    Raises:
        UserError: the target is a folder, or its folder does not exist.
        OSError: the file cannot be put in place.
    """
    if target.is_dir():
        raise UserError(f"Cannot write {target}: it is a folder; name a file.")
    if not target.parent.is_dir():
        raise UserError(f"There is no folder {target.parent}; make it, or write the export elsewhere.")
    fresh = target.with_name(f".{target.name}.{os.getpid()}.{get_ident()}.tmp")
    try:
        yield fresh
        fresh.replace(target)
    finally:
        fresh.unlink(missing_ok=True)
