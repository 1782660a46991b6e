"""Batch jobs in the store: a row is written before a batch is submitted, so a crash neither loses nor repeats one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime

from pipeline.judge.ledger import SQL, Arrived, StoreLedger
from pipeline.store import Store, load_sql, run_script


@dataclass(frozen=True)
class BatchJob:
    """One batch.

    Attributes:
        job_id: ours; the batch carries it as metadata.
        batch_id: the server's; None until it is known that the batch exists.
        request_hashes: `form:hash` of each line; the line's `custom_id` is its place.
        usd: what its answers cost at most; held back from the budget until they are fetched.
        status: `submitting`, then as the server says.
    """

    job_id: str
    base_url: str
    model: str
    mode: str
    request_hashes: tuple[str, ...]
    usd: float
    run_id: str
    submitted_at: datetime
    batch_id: str | None = None
    status: str = "submitting"
    finished_at: datetime | None = None
    failure: str | None = None


class BatchJobs:
    """The table `judge_batches`."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def open(self) -> list[BatchJob]:
        """Jobs whose answers have not been fetched, oldest first."""
        names = (
            "job_id", "batch_id", "base_url", "model", "mode", "request_hashes", "usd", "run_id", "submitted_at"
        )  # fmt: skip
        with self._store.write("judge") as con:
            rows = con.execute(load_sql(SQL, "batch_jobs"), {"workspace_id": self._store.workspace_id}).fetchall()
        jobs = [BatchJob(**dict(zip(names, row, strict=True))) for row in rows]
        return [replace(job, request_hashes=tuple(job.request_hashes)) for job in jobs]

    def keep(self, job: BatchJob) -> None:
        """Write a job's row."""
        row = {**asdict(job), "request_hashes": list(job.request_hashes)}
        with self._store.transaction("judge") as con:
            run_script(con, load_sql(SQL, "keep_batch_job"), {"workspace_id": self._store.workspace_id, **row})

    def finish(self, job: BatchJob, arrived: Sequence[Arrived], failure: str | None) -> None:
        """Store a batch's answers. A crash before the row is closed fetches them again and stores none twice."""
        ledger = StoreLedger(self._store, job.run_id)
        ledger.keep_new(arrived)
        self.keep(replace(job, finished_at=datetime.now(UTC), failure=failure))
