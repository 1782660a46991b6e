"""What every request shares: settings, readers, limits, and what was used when."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime, parsedate_to_datetime
from pathlib import Path
from typing import Any

import duckdb
from fastapi import Request, Response

from pipeline.aggregate.queries import Row
from pipeline.api.answers import AnswerCache
from pipeline.api.background import Background
from pipeline.api.control import ControlReader
from pipeline.api.errors import InvalidError, KnownAnswerError, NotModifiedError
from pipeline.api.limiter import RateLimiter
from pipeline.errors import StoreUnavailableError
from pipeline.reports.readable import Rights, rights_of, without_quotes
from pipeline.reports.sql_copies import SqlCopies
from pipeline.reports.sql_processes import SqlLimits, SqlProcesses
from pipeline.settings import Settings
from pipeline.store import Store
from pipeline.store.snapshot import SnapshotReader, snapshot_reader
from pipeline.store.spill import spill_folder
from pipeline.window import floor_hour
from pipeline.workspace.intake import Intake, Refused
from pipeline.workspace.keys import Role

_MOST_EXPORTS = 2
"""At once: each sorts all that it writes."""


@dataclass(frozen=True)
class Caller:
    """Who asks, and what they may do in which workspace.

    Attributes:
        actor: as written into histories and the audit log.
        metrics: keys of the metrics that they may read; None is all.
        transcripts: whether they may read what was said.
    """

    workspace_id: str
    actor: str
    role: Role
    metrics: frozenset[str] | None = None
    transcripts: bool = True

    def may_read(self, metric_key: str) -> bool:
        """Whether the metric is one that they may read."""
        return self.metrics is None or metric_key in self.metrics

    @property
    def administers(self) -> bool:
        """Whether the role is admin or owner."""
        return self.role in ("admin", "owner")

    @property
    def metric_list(self) -> list[str] | None:
        """The keys that they may read, for SQL; None is all."""
        return None if self.metrics is None else sorted(self.metrics)


class ServedStore(Store):
    """A store whose reads share the server's reader: `Store.read` would see no new publication while another reads."""

    def __init__(self, settings: Settings, reader: SnapshotReader) -> None:
        super().__init__(settings)
        self._reader = reader

    @contextmanager
    def read(self) -> Iterator[duckdb.DuckDBPyConnection]:
        """A cursor on the newest snapshot."""
        with self._reader.cursor() as (con, _):
            yield con


class Service:
    """The state of one running server.

    Args:
        settings: of the deployment.
        single_user: whoever reaches the server is the owner of the settings' workspace.
    """

    def __init__(self, settings: Settings, *, single_user: bool) -> None:
        self.settings = settings
        self.single_user = single_user
        self.control = ControlReader(settings)
        limits: dict[str, str | bool | int] = {
            "threads": settings.threads,
            "memory_limit": settings.memory_limit,
            "enable_external_access": False,
        }
        self.data = snapshot_reader(settings, "data", limits)
        self.store = self.store_of(settings.workspace_id)
        # Its own statements write files; no text of a caller is part of them.
        self._exports = snapshot_reader(
            settings, "data", {"threads": settings.threads, "memory_limit": settings.memory_limit}
        )
        serve = settings.serve
        limits_of_sql = SqlLimits(
            serve.sql_processes, serve.sql_for_each_key, serve.sql_seconds, serve.query_memory_bytes, serve.sql_bytes
        )
        copies = settings.database_path.with_name(f"{settings.database_path.name}.spill")
        self.copies = SqlCopies(self._exports, Path(spill_folder(copies)), serve.sql_copies)
        self.sql = SqlProcesses(limits_of_sql, self.copies)
        self._exporting = threading.BoundedSemaphore(_MOST_EXPORTS)
        self.limiter = RateLimiter()
        self.answers = AnswerCache()
        self.intake = Intake(settings)
        self.background: Background | None = None
        self._used: dict[str, datetime] = {}
        self._taken: dict[str, tuple[int, int]] = {}
        self._used_lock = threading.Lock()

    def store_of(self, workspace_id: str) -> Store:
        """The store of one workspace."""
        changes = {"workspace_id": workspace_id, "lock_seconds": self.settings.serve.lock_seconds}
        return ServedStore(self.settings.model_copy(update=changes), self.data)

    @contextmanager
    def read(self, request: Request, response: Response, caller: Caller) -> Iterator[duckdb.DuckDBPyConnection]:
        """A cursor on the newest snapshot, unless the answer that it would give is known.

        Definitions are looked up inside the block: never older than the ETag under which the answer is held.

        Raises:
            NotModifiedError: the client has the answer: the request's ETag or date is that of this snapshot.
            KnownAnswerError: the server has it.
            StoreUnavailableError: nothing has been published yet.
        """
        with self.data.cursor() as (con, generation):
            control = self.control.current()
            # Answers also depend on the definitions, and some on how many days have passed.
            hour = floor_hour(datetime.now(UTC))
            parts = (generation.token, control.generation.token, self.control.files(), hour)
            published_at = max(generation.published_at, control.generation.published_at)
            changed_at = max(published_at, self.control.files_changed_at, hour)
            etag = mark_fresh(request, response, caller, parts, changed_at)
            if (held := self.answers.get(etag)) is not None:
                body, link = held
                raise KnownAnswerError(body, {**response.headers, **({} if link is None else {"Link": link})})
            request.state.etag = etag
            yield con

    @contextmanager
    def draw(self) -> Iterator[duckdb.DuckDBPyConnection]:
        """A cursor on the newest snapshot for an answer that is different each time."""
        with self.data.cursor() as (con, _):
            yield con

    @contextmanager
    def exporting(self) -> Iterator[duckdb.DuckDBPyConnection]:
        """A cursor on the newest snapshot that may write files.

        Raises:
            StoreUnavailableError: as many exports as the server takes at once are being written.
        """
        if not self._exporting.acquire(blocking=False):
            raise StoreUnavailableError(f"{_MOST_EXPORTS} exports are being written; come back when one is done.")
        try:
            with self._exports.cursor() as (con, _):
                yield con
        finally:
            self._exporting.release()

    def rights(self, caller: Caller) -> Rights:
        """What a caller may read of each table."""
        return rights_of(
            caller.workspace_id, caller.metrics, caller.transcripts, self.control.catalog(caller.workspace_id)
        )

    def shown(self, caller: Caller, rows: Iterable[Row]) -> list[Row]:
        """Value or period rows without labels that quote what the caller may not read."""
        return without_quotes(rows, self.control.catalog(caller.workspace_id), transcripts=caller.transcripts)

    def note_use(self, key_id: str, now: datetime) -> None:
        """Remember that a key was used; `flush_uses` stores it."""
        with self._used_lock:
            self._used[key_id] = now

    def take_uses(self) -> dict[str, datetime]:
        """The uses that are worth storing: those an hour or more after the one that is stored."""
        with self._used_lock:
            used, self._used = self._used, {}
        keys = self.control.current().keys
        stored = {key_id: keys[key_id].last_used_at for key_id in used if key_id in keys}
        return {
            key_id: used[key_id]
            for key_id, before in stored.items()
            if before is None or used[key_id] - before >= timedelta(hours=1)
        }

    def accept(self, caller: Caller, events: list[Any]) -> list[Refused]:
        """Make events durable and count them for the audit log.

        Raises:
            InvalidError: the workspace is not the one that this deployment's pipeline runs for.
        """
        if caller.workspace_id != self.settings.workspace_id:
            raise InvalidError([(("path", "workspace_id"), "this deployment takes events for another workspace only")])
        refused = self.intake.take(events)
        with self._used_lock:
            requests, taken = self._taken.get(caller.actor, (0, 0))
            self._taken[caller.actor] = (requests + 1, taken + len(events) - len(refused))
        return refused

    def take_counts(self) -> dict[str, tuple[int, int]]:
        """Requests and events taken since the last call, by who sent them."""
        with self._used_lock:
            taken, self._taken = self._taken, {}
        return taken

    def close(self) -> None:
        """Put accepted events in place and close the readers."""
        self.intake.close()
        self.copies.close()
        for reader in (self.data, self._exports, self.control.reader):
            reader.close()


def mark_fresh(
    request: Request,
    response: Response,
    caller: Caller,
    parts: tuple[object, ...],
    changed_at: datetime,
    prefix: str = "",
) -> str:
    """Set ETag and Last-Modified on an answer.

    Args:
        request: what may hold the tag or date of an earlier answer.
        response: what they are set on.
        caller: whose rights the answer depends on.
        parts: what else it depends on beside the URL.
        changed_at: the latest change of any of it.
        prefix: what the tag starts with.

    Returns:
        The ETag.

    Raises:
        NotModifiedError: the client has this very answer.
    """
    rights = (caller.workspace_id, caller.role, caller.metric_list, caller.transcripts)
    digest = hashlib.sha256(repr((parts, rights, str(request.url))).encode()).hexdigest()[:32]
    headers = {
        "ETag": f'W/"{prefix}{digest}"',
        "Last-Modified": format_datetime(changed_at.replace(microsecond=0), usegmt=True),
        "Cache-Control": "private, no-cache",
        "Vary": "Authorization, Accept-Encoding",
    }
    response.headers.update(headers)
    known = request.headers.get("if-none-match")
    if known is not None and headers["ETag"] in (tag.strip() for tag in known.split(",")):
        raise NotModifiedError(headers)
    since = request.headers.get("if-modified-since")
    if known is None and since is not None and _not_after(changed_at, since):
        raise NotModifiedError(headers)
    return headers["ETag"]


def _not_after(instant: datetime, http_date: str) -> bool:
    try:
        return instant.replace(microsecond=0) <= parsedate_to_datetime(http_date)
    except (TypeError, ValueError):
        return False
