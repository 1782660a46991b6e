"""Keys, access and catalogs as the newest publication of the control tables has them, held in memory."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from pipeline.catalog.catalog import Catalog
from pipeline.settings import Settings, builtin_definitions
from pipeline.store.snapshot import Generation, snapshot_reader
from pipeline.workspace.catalogs import workspace_catalog
from pipeline.workspace.keys import Access, ApiKey, read_access, read_keys
from pipeline.workspace.settings import Revision, current_revision

_FILES_SECONDS = 2.0


@dataclass
class Control:
    """One publication of the control tables."""

    generation: Generation
    keys: dict[str, ApiKey]
    access: dict[str, Access]
    revisions: dict[str, Revision] = field(default_factory=dict)
    catalogs: dict[tuple[str, int], Catalog] = field(default_factory=dict)


class ControlReader:
    """The control tables, read again when they are published again; safe to share between threads."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self.reader = snapshot_reader(settings, "control", {"threads": 1, "memory_limit": "100MB"})
        self._lock = threading.Lock()
        self._control: Control | None = None
        self._files = 0
        self._files_seen_at = -_FILES_SECONDS
        self.files_changed_at = datetime.min.replace(tzinfo=UTC)

    def current(self) -> Control:
        """The newest publication.

        Raises:
            StoreUnavailableError: the server never published one.
        """
        generation = self.reader.generation()
        control = self._control
        if control is None or control.generation != generation:
            with self.reader.cursor() as (con, generation):
                keys = {key.key_id: key for key in read_keys(con)}
                control = self._control = Control(generation, keys, read_access(con))
        return control

    def revision(self, workspace_id: str) -> Revision:
        """The settings revision in force."""
        control = self.current()
        if workspace_id not in control.revisions:
            with self.reader.cursor() as (con, _):
                control.revisions[workspace_id] = current_revision(con, workspace_id)
        return control.revisions[workspace_id]

    def catalog(self, workspace_id: str) -> Catalog:
        """The workspace's catalog; definition files are looked at every two seconds."""
        control, place = self.current(), (workspace_id, self.files())
        if (catalog := control.catalogs.get(place)) is None:
            with self._lock:  # loading takes a while; one thread does it
                if (catalog := control.catalogs.get(place)) is None:
                    with self.reader.cursor() as (con, _):
                        catalog = workspace_catalog(self._settings, workspace_id, con)
                    control.catalogs[place] = catalog
        return catalog

    def files(self) -> int:
        """A number that changes when a definition file does."""
        if time.monotonic() - self._files_seen_at > _FILES_SECONDS:
            files = hash(tuple(_stamps(self._settings.definitions) + _stamps(builtin_definitions())))
            if files != self._files and self._files:  # the first look finds no change
                self.files_changed_at = datetime.now(UTC)
            self._files, self._files_seen_at = files, time.monotonic()
        return self._files


def _stamps(folder: Path) -> list[tuple[str, int, int]]:
    found = [(path, path.stat()) for path in sorted(folder.rglob("*")) if path.is_file()]
    return [(str(path), stat.st_mtime_ns, stat.st_size) for path, stat in found]
