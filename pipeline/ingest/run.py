"""Reads new and changed files into the store."""

from __future__ import annotations

import fnmatch
import hashlib
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path

from pipeline.catalog.catalog import Catalog
from pipeline.catalog.source_models import SourceMapping
from pipeline.errors import DefinitionError, SourceError
from pipeline.ingest.chunk import Reading
from pipeline.ingest.containers import UNREADABLE, message
from pipeline.ingest.conversations import assemble
from pipeline.ingest.files import SourceFile, find_files
from pipeline.ingest.load import Loader
from pipeline.ingest.mapping import CompiledMapping
from pipeline.ingest.reader import CANONICAL, Canonical, NotDataError, read_file
from pipeline.ingest.report import FileOutcome, IngestProgress, IngestReport
from pipeline.settings import Settings
from pipeline.store import Store


def ingest(
    store: Store,
    catalog: Catalog,
    settings: Settings,
    *,
    urls: Sequence[str] | None = None,
    source: str | None = None,
    on_progress: Callable[[IngestProgress], None] | None = None,
) -> IngestReport:
    """Read every new or changed file, store its events, and assemble the conversations that they touch.

    Args:
        store: where events go.
        catalog: its source mappings say how foreign files are read.
        settings: landing folder, limits, chunk size.
        urls: files, folders or fsspec URLs; default the landing folder.
        source: key of the mapping to use for all of them; default by the mappings' `files` patterns, and canonical
            records and CloudEvents by their content.
        on_progress: called after every transaction.

    Raises:
        SourceError: a folder, or one of `urls`, does not exist or may not be listed. A single bad file fails alone.
        DefinitionError: no mapping has the key `source`.
        StoreUnavailableError: the database cannot be written; what was committed is kept and the next run continues.
    """
    check_source(source, catalog.sources)
    if urls is None and settings.landing is None:
        Path(settings.landing_url).mkdir(parents=True, exist_ok=True)
    files = list(find_files([settings.landing_url] if urls is None else urls))
    run = _Run(store, catalog, settings, source, len(files), on_progress)
    for file in files:
        run.read(file)
    return run.finish()


def unread_files(store: Store, settings: Settings) -> int:
    """How many files of the landing folder `ingest` would read.

    Raises:
        SourceError: the folder may not be listed.
    """
    if settings.landing is None and not Path(settings.landing_url).exists():
        return 0
    files = list(find_files([settings.landing_url]))
    with store.write("events") as con:
        rows = con.execute(
            "SELECT file_id FROM ingested_files WHERE workspace_id = ? AND status IN ('done', 'skipped')",
            [store.workspace_id],
        ).fetchall()
    read = {file_id for (file_id,) in rows}
    return sum(_unread(file, read) for file in files)


def _unread(file: SourceFile, read: set[str]) -> bool:
    try:
        return file.problem is not None or _file_id(file.url, file.fingerprint()) not in read
    except (OSError, SourceError):
        return True


def check_source(key: str | None, sources: Mapping[str, SourceMapping]) -> None:
    """Say which mappings there are where none has the key that was asked for.

    Raises:
        DefinitionError: that is so.
    """
    if key is not None and key not in sources:
        known = ", ".join(sorted(sources)) or "none"
        raise DefinitionError(f"No source mapping has the key {key!r}. Known: {known}.")


def mapping_of(url: str, sources: Mapping[str, SourceMapping], key: str | None) -> SourceMapping | None:
    """The mapping that was asked for, else the one with the longest pattern that matches the file, else none."""
    if key is not None:
        return sources[key]
    claims = [
        (len(pattern), mapping.key)
        for mapping in sources.values()
        for pattern in mapping.files
        if fnmatch.fnmatchcase(url, pattern)
    ]
    return sources[max(claims)[1]] if claims else None


def recognised(document: object, mappings: Sequence[CompiledMapping], problems: Sequence[str] = ()) -> CompiledMapping:
    """The one mapping that says it is for such documents.

    Args:
        document: the first of a file that no mapping claims.
        mappings: to choose from.
        problems: of mappings that cannot be used.

    Raises:
        SourceError: none is, or several are.
    """
    found = [mapping for mapping in mappings if mapping.recognises(document)]
    if len(found) == 1:
        return found[0]
    if found:
        keys = " and ".join(sorted(mapping.spec.key for mapping in found))
        raise SourceError(f"the mappings {keys} both recognise it; name one of them with `--source`")
    seen = ", ".join(list(document)[:8]) if isinstance(document, dict) else f"a {type(document).__name__}"
    hint = "".join(f"; a mapping cannot be used: {problem}" for problem in problems)
    raise SourceError(
        f"no source mapping claims or recognises it (its first record has {seen}), and it is neither canonical nor a "
        f"CloudEvent; put it into a folder landing/KEY of a mapping, name one with `--source`, or write one{hint}"
    )


def broken_sources(catalog: Catalog, settings: Settings) -> list[str]:
    """What is wrong with the user's source mappings, one line each."""
    mark = f"{settings.definitions.name}/sources/"
    return [str(problem) for problem in catalog.errors if mark in problem.file.replace("\\", "/")][:3]


class _Run:
    def __init__(
        self,
        store: Store,
        catalog: Catalog,
        settings: Settings,
        source: str | None,
        files_total: int,
        on_progress: Callable[[IngestProgress], None] | None,
    ) -> None:
        self._store = store
        self._settings = settings
        self._sources = catalog.sources
        self._problems = broken_sources(catalog, settings)
        self._source = source
        self._compiled: dict[str, CompiledMapping] = {}
        self._report = IngestReport()
        self._files_done = 0
        self._files_total = files_total
        self._on_progress = on_progress
        self._loader = Loader(store, settings, self._committed)
        with store.write("events") as con:
            rows = con.execute(
                "SELECT file_id, status, record_count, event_count, duplicate_count, rejected_count "
                "FROM ingested_files WHERE workspace_id = ?",
                [store.workspace_id],
            ).fetchall()
        self._known: dict[str, tuple[str, tuple[int, int, int, int]]] = {row[0]: (row[1], row[2:]) for row in rows}

    def read(self, file: SourceFile) -> None:
        """Read one file; whatever is wrong with it ends up in its outcome."""
        try:
            if file.problem is not None:
                raise SourceError(file.problem)
            fingerprint = file.fingerprint()
            reading = self._begin(file, fingerprint)
            if reading is None:
                self._report.unchanged_count += 1
                return
        except (OSError, SourceError) as error:
            reading = self._begin(file, "")
            assert reading is not None
            self._report.files.append(reading.outcome)
            self._fail(reading, error)
        else:
            self._report.files.append(reading.outcome)
            try:
                self._load(file, reading)
                if file.fingerprint() != fingerprint:
                    raise SourceError("it changed while it was read; the next run reads it again")
            except NotDataError as error:
                reading.outcome.source_key, reading.outcome.status, reading.outcome.failure = "", "skipped", str(error)
            except (OSError, SourceError, *UNREADABLE) as error:
                self._fail(reading, error)
        self._loader.finish(reading)
        self._files_done += 1

    def _load(self, file: SourceFile, reading: Reading) -> None:
        mapping = self._mapping_of(file.url)
        reading.outcome.source_key = CANONICAL if mapping is None else mapping.spec.key
        for item in read_file(file, mapping, self._settings.max_record_bytes, self._recognise):
            if mapping is None and isinstance(item, Canonical) and item.source_key in self._sources:
                reading.outcome.source_key = item.source_key  # it was recognised
            self._loader.add(reading, item)

    def _recognise(self, document: object) -> CompiledMapping:
        return recognised(document, [self._compile(mapping) for mapping in self._sources.values()], self._problems)

    def _mapping_of(self, url: str) -> CompiledMapping | None:
        mapping = mapping_of(url, self._sources, self._source)
        return None if mapping is None else self._compile(mapping)

    def _compile(self, mapping: SourceMapping) -> CompiledMapping:
        if mapping.key not in self._compiled:
            self._compiled[mapping.key] = CompiledMapping(mapping)
        return self._compiled[mapping.key]

    def finish(self) -> IngestReport:
        """Commit the last chunk and assemble."""
        self._loader.flush()
        with self._store.write("events") as con:
            self._report.conversation_count = assemble(con, self._settings)
        return self._report

    def _begin(self, file: SourceFile, fingerprint: str) -> Reading | None:
        """None when the file has been read. A failed one is tried again, an interrupted one continued."""
        file_id = _file_id(file.url, fingerprint)
        status, stored = self._known.get(file_id, ("", (0, 0, 0, 0)))
        if status in ("done", "skipped"):
            return None
        share = self._settings.max_rejected_share
        return Reading(file_id, fingerprint, FileOutcome(file.url), datetime.now(UTC), stored, max_rejected_share=share)

    @staticmethod
    def _fail(reading: Reading, error: Exception) -> None:
        reading.outcome.status = "failed"
        if isinstance(error, FileNotFoundError):
            reading.outcome.failure = "it disappeared before it was read to its end"
        elif isinstance(error, PermissionError):
            reading.outcome.failure = "no permission to read it"
        elif isinstance(error, SourceError):
            reading.outcome.failure = str(error)
        else:
            reading.outcome.failure = f"it is damaged or cannot be read: {message(error)}"

    def _committed(self, reading: Reading) -> None:
        if self._on_progress is not None:
            progress = IngestProgress(
                reading.outcome.url, self._files_done, self._files_total, self._report.record_count
            )
            self._on_progress(progress)


def _file_id(url: str, fingerprint: str) -> str:
    return hashlib.sha256(f"{url}\n{fingerprint}".encode()).hexdigest()[:32]
