"""What an ingestion did, file by file and in total."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

FileStatus = Literal["done", "failed", "skipped"]


@dataclass
class FileOutcome:
    """One file of this run. `record_count = event_count + duplicate_count + rejected_count`.

    Attributes:
        url: absolute path, or URL without credentials.
        source_key: mapping that was used, `canonical`, or empty when the file was not read.
        status: `done`; `failed`: what was read before the failure is kept, the rest is tried again by the next run;
            `skipped`: not a data file. A `done` one may have a `failure`: too many of its records were refused.
        record_count: canonical records that were made from it, refused ones included.
        failure: why it failed or was skipped.
    """

    url: str
    source_key: str = ""
    status: FileStatus = "done"
    record_count: int = 0
    event_count: int = 0
    duplicate_count: int = 0
    rejected_count: int = 0
    failure: str | None = None


@dataclass(frozen=True)
class IngestProgress:
    """Where an ingestion is; reported after each transaction."""

    url: str
    files_done: int
    files_total: int
    record_count: int


@dataclass
class IngestReport:
    """Outcome of one call of `ingest`."""

    files: list[FileOutcome] = field(default_factory=list)
    unchanged_count: int = 0
    conversation_count: int = 0

    @property
    def record_count(self) -> int:
        """Records of all files."""
        return sum(file.record_count for file in self.files)

    @property
    def event_count(self) -> int:
        """New events of all files."""
        return sum(file.event_count for file in self.files)

    @property
    def duplicate_count(self) -> int:
        """Records that were already stored, of all files."""
        return sum(file.duplicate_count for file in self.files)

    @property
    def rejected_count(self) -> int:
        """Refused records of all files; each has a row in `rejected_records`."""
        return sum(file.rejected_count for file in self.files)

    @property
    def failed(self) -> tuple[FileOutcome, ...]:
        """Files that could not be read to their end."""
        return tuple(file for file in self.files if file.status == "failed")

    @property
    def refusing(self) -> tuple[FileOutcome, ...]:
        """Files that were read to their end, and of which more records were refused than settings allow."""
        return tuple(file for file in self.files if file.status == "done" and file.failure is not None)
