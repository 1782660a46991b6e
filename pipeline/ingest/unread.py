"""How many files a run would read first: what a dry run, which reads none, does not know of."""

from __future__ import annotations

import hashlib

from pipeline.errors import SourceError
from pipeline.ingest.files import SourceFile, find_files
from pipeline.settings import Settings
from pipeline.store import Store


def count_unread(store: Store, settings: Settings) -> int:
    """Files of the landing folder that are new or have changed since they were read; an absent folder has none.

    Args:
        store: what has been read.
        settings: where files land.
    """
    try:
        files = list(find_files([settings.landing_url]))
    except SourceError:
        return 0
    if not files:
        return 0
    with store.write("events") as con:
        rows = con.execute(
            "SELECT file_id FROM ingested_files WHERE workspace_id = ? AND status IN ('done', 'skipped')",
            [store.workspace_id],
        ).fetchall()
    read = {row[0] for row in rows}
    return sum(_file_id(file) not in read for file in files)


def _file_id(file: SourceFile) -> str | None:
    """As `run` names a reading; None when the file cannot be looked at."""
    try:
        return hashlib.sha256(f"{file.url}\n{file.fingerprint()}".encode()).hexdigest()[:32]
    except (OSError, SourceError):
        return None
