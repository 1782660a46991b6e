"""Asking through the OpenAI Batch API: half the price, within a day, through the same cache and ledger.

Questions are collected into files, submitted, polled and fetched. Everything needed to go on after a crash is in
`judge_batches`: a job whose batch never came to be is forgotten and its questions are planned again; one that exists is
polled and fetched by whoever comes next. A question in an open job is not asked again by anybody.
"""

from __future__ import annotations

import asyncio
import json
import tempfile
import uuid
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import orjson

from pipeline.judge import loop
from pipeline.judge.asker import Asker
from pipeline.judge.batch_jobs import BatchJob, BatchJobs
from pipeline.judge.capabilities import Capability
from pipeline.judge.client import client_of
from pipeline.judge.completion import Received, received
from pipeline.judge.engine import Spent
from pipeline.judge.faults import FaultError, fault_of
from pipeline.judge.ledger import Arrived, Claim, Stored, StoreLedger
from pipeline.judge.prompt import Request
from pipeline.settings_models import ModelEndpoint, Models
from pipeline.store import Store

MAX_LINES = 50_000
MAX_BYTES = 180 * 2**20  # the API takes 200 MB
_METADATA = "metric_store_job"
_ENDED = ("completed", "expired", "failed", "cancelled")
_FIRST_POLL, _MAX_POLL = 1.0, 60.0
_SUBMIT_ATTEMPTS = 3
_FORGOTTEN_AFTER = timedelta(days=3)  # a batch takes a day at most; one the server does not know then never comes back

Report = Callable[["BatchProgress"], None]


@dataclass
class BatchProgress:
    """Live figures of all open jobs."""

    jobs: int = 0
    open: int = 0
    questions: int = 0
    answered: int = 0
    failures: list[str] = field(default_factory=list)


@dataclass
class _Spool:
    """Lines for one endpoint that wait to be submitted."""

    path: Path
    mode: str
    hashes: list[str] = field(default_factory=list)
    usd: float = 0.0


class BatchDesk:
    """Collects questions and sees them through the Batch API. Use it as a context manager.

    Args:
        store: answers, jobs and budget.
        models: endpoints and budget.
        run_id: on every answer.

    Attributes:
        closed: once set, nothing more is collected; what has no answer is left for later.
        refused: endpoints that take no batches or refuse the key, and why in one line; the others go on.
        spent: what the answers cost that were fetched here, by request hash.
    """

    def __init__(self, store: Store, models: Models, run_id: str) -> None:
        self.progress = BatchProgress()
        self._models = models
        self._run_id = run_id
        self._jobs = BatchJobs(store)
        self._ledger = StoreLedger(store, run_id, models.budget)
        self._spools: dict[ModelEndpoint, _Spool] = {}
        self._capabilities: dict[ModelEndpoint, Capability] = {}
        self._folder = tempfile.TemporaryDirectory(prefix="metric-store-batch-")
        self._open: set[str] = set()
        self.closed = False
        self.refused: dict[ModelEndpoint, str] = {}
        self.spent: dict[str, Spent] = {}

    def __enter__(self) -> BatchDesk:
        """Close the jobs that never came to be, so that their questions are asked again now."""
        loop.run(self._recover())
        self._open = {_hash(entry) for job in self._jobs.open() for entry in job.request_hashes}
        return self

    def __exit__(self, *_: object) -> None:
        self._ledger.close()
        self._folder.cleanup()

    def add(self, requests: Sequence[Request]) -> Claim:
        """Put those of the questions into the next batch that are neither answered nor asked, as the budget allows.

        Returns:
            What is answered; `granted` are the questions that are under way.
        """
        claim = self._ledger.claim(requests)
        if self.closed:
            return Claim(claim.answers, frozenset(request.hash for request in requests) - claim.answers.keys())
        distinct = {request.hash: request for request in requests}
        answered = {key for key, stored in claim.answers.items() if stored.settles(distinct[key])}
        for request in distinct.values():
            if request.hash in claim.granted and request.hash not in self._open:
                self._write(request, claim.answers.get(request.hash))
        self._ledger.keep((), [request for request in requests if request.endpoint in self.refused])
        self._ledger.renew()
        under_way = (claim.granted | self._open | claim.elsewhere) & distinct.keys()
        return Claim(claim.answers, frozenset(under_way - answered))

    def submit(self) -> None:
        """Submit what was collected."""
        for endpoint in list(self._spools):
            self._submit(endpoint)
        self._ledger.close()  # from here on the jobs hold the money back

    def wait(self, report: Report | None = None, *, first_poll: float = _FIRST_POLL) -> BatchProgress:
        """Poll until every open job has ended and its answers are stored. May be interrupted and called again."""
        loop.run(self._wait(report or (lambda _: None), first_poll))
        return self.progress

    def _write(self, request: Request, earlier: Stored | None) -> None:
        endpoint = request.endpoint
        capability = self._capability(request) if endpoint not in self.refused else None
        if capability is None or request.hash in self._open:  # it was the one that was asked to learn how to ask
            return
        spool = self._spools.get(endpoint)
        if spool is None:
            spool = _Spool(Path(self._folder.name) / f"{uuid.uuid4().hex}.jsonl", capability.mode)
            self._spools[endpoint] = spool
        line = {"custom_id": str(len(spool.hashes)), "method": "POST", "url": "/v1/chat/completions"}
        with spool.path.open("ab") as file:
            objection = request.objection(earlier.outcome, earlier.raw) if earlier else None
            file.write(orjson.dumps({**line, "body": capability.parameters(request, objection=objection)}) + b"\n")
            size = file.tell()
        spool.hashes.append(f"{request.form}:{request.hash}")
        spool.usd += request.most_usd * (1 - endpoint.batch_discount)
        self._open.add(request.hash)
        if len(spool.hashes) >= MAX_LINES or size >= MAX_BYTES:
            self._submit(endpoint)

    def _capability(self, request: Request) -> Capability | None:
        """How to ask; a batch cannot find that out, so the first question to a new endpoint is asked directly.

        None when the endpoint does not answer.
        """
        endpoint = request.endpoint
        if endpoint not in self._capabilities:
            capability = self._ledger.capability(endpoint)
            proven = capability if capability.proven else self._probe(request, capability)
            if proven is None:
                return None
            self._capabilities[endpoint] = proven
        return self._capabilities[endpoint]

    def _probe(self, request: Request, capability: Capability) -> Capability | None:
        async def record(asked: Request, answer: Received) -> None:
            self._spend(asked.hash, answer)
            arrived = Arrived(asked.hash, asked.endpoint, answer, datetime.now(UTC))
            await asyncio.to_thread(self._ledger.keep, [arrived], [asked])

        asker = Asker(request.endpoint, capability, record)
        answer = loop.run(asker.ask(request))
        if not isinstance(answer, Received):
            if answer is not None:
                self._refuse(request.endpoint, answer.error)
            return None
        self._ledger.learn(request.endpoint, asker.capability)
        self._open.add(request.hash)
        return asker.capability

    def _submit(self, endpoint: ModelEndpoint) -> None:
        spool = self._spools.pop(endpoint)
        job = BatchJob(
            job_id=uuid.uuid4().hex,
            base_url=endpoint.base_url,
            model=endpoint.model,
            mode=spool.mode,
            request_hashes=tuple(spool.hashes),
            usd=spool.usd,
            run_id=self._run_id,
            submitted_at=datetime.now(UTC),
        )
        self._jobs.keep(job)
        try:
            batch_id = loop.run(_submitted(endpoint, spool.path, job.job_id))
        except FaultError as fault:
            if fault.kind in ("transient", "throttled"):  # it may exist all the same; `wait` finds out
                return
            self._jobs.finish(job, (), str(fault))
            self._open -= {_hash(entry) for entry in job.request_hashes}
            self._refuse(endpoint, f"{endpoint.model} at {endpoint.base_url} took no batch: {fault}.")
            return
        self._jobs.keep(replace(job, batch_id=batch_id, status="submitted"))

    def _refuse(self, endpoint: ModelEndpoint, line: str) -> None:
        if endpoint not in self.refused:
            self.refused[endpoint] = line
            self.progress.failures.append(line)

    def _spend(self, request_hash: str, answer: Received) -> None:
        self.spent[request_hash] = self.spent.get(request_hash, Spent()) + answer

    async def _recover(self) -> None:
        for job in await asyncio.to_thread(self._jobs.open):
            if job.batch_id is None:
                await self._advance(job)

    async def _wait(self, report: Report, pause: float) -> None:
        while True:
            jobs = await asyncio.to_thread(self._jobs.open)
            for job in jobs:
                if self._endpoint(job) not in self.refused:
                    await self._advance(job)
            still = [job for job in await asyncio.to_thread(self._jobs.open) if self._endpoint(job) not in self.refused]
            self.progress.open = len(still)
            report(self.progress)
            if not still:
                return
            await asyncio.sleep(pause)
            pause = min(pause * 1.5, _MAX_POLL)

    async def _advance(self, job: BatchJob) -> None:
        endpoint = self._endpoint(job)
        if endpoint is None:
            await self._finish(job, [], f"{job.model} at {job.base_url} is no longer configured")
            return
        try:
            client = client_of(endpoint)
            batch_id = job.batch_id or await _find(client, job.job_id)
            if batch_id is None:
                await self._finish(job, [], "it was never created")
                return
            job = replace(job, batch_id=batch_id)
            batch = await client.batches.retrieve(batch_id)
            if batch.status not in _ENDED:
                await asyncio.to_thread(self._jobs.keep, replace(job, status=batch.status))
                return
            text = (await client.files.content(batch.output_file_id)).text if batch.output_file_id else ""
        except Exception as error:  # asked again at the next poll
            fault = fault_of(error, endpoint.key_variable)
            if getattr(error, "status_code", None) == 404 and datetime.now(UTC) - job.submitted_at > _FORGOTTEN_AFTER:
                await self._finish(job, [], "the server no longer has it")
            elif fault.kind == "endpoint":  # the job stays open for a run whose key is accepted
                self._refuse(endpoint, f"{endpoint.model} at {endpoint.base_url}: {fault}.")
            return
        arrived = list(_read(text, endpoint, job))
        missing = len(job.request_hashes) - len(arrived)
        failure = f"{batch.status}; {missing} questions have no answer" if missing else None
        await self._finish(replace(job, status=batch.status), arrived, failure)

    async def _finish(self, job: BatchJob, arrived: Sequence[Arrived], failure: str | None) -> None:
        await asyncio.to_thread(self._jobs.finish, job, arrived, failure)
        self._open -= {_hash(entry) for entry in job.request_hashes}
        for item in arrived:
            self._spend(item.request_hash, item.answer)
        self.progress.jobs += 1
        self.progress.questions += len(job.request_hashes)
        self.progress.answered += len(arrived)
        if failure is not None:
            self.progress.failures.append(f"{job.batch_id or job.job_id}: {failure}.")

    def _endpoint(self, job: BatchJob) -> ModelEndpoint | None:
        named = [self._models.default, self._models.free, self._models.fast, self._models.balanced, self._models.max]
        for endpoint in (*named, self._models.custom, *self._models.endpoints.values()):
            if endpoint is not None and (endpoint.base_url, endpoint.model) == (job.base_url, job.model):
                return endpoint
        return None


def _read(text: str, endpoint: ModelEndpoint, job: BatchJob) -> Iterator[Arrived]:
    """Answers in an output file; a line without one is left out."""
    for line in text.splitlines():
        try:
            found = json.loads(line)
            form, _, request_hash = job.request_hashes[_place(found["custom_id"])].partition(":")
            completion = found["response"]["body"]
            answer = received(completion, endpoint, form, 0, job.mode, 0.0, endpoint.batch_discount)  # type: ignore[arg-type]
        except (ValueError, KeyError, TypeError, IndexError, RecursionError, FaultError):
            continue
        yield Arrived(request_hash, endpoint, answer, datetime.now(UTC), job.batch_id)


def _place(custom_id: str) -> int:
    if not (custom_id.isascii() and custom_id.isdigit()):  # -1 would be the last
        raise ValueError(custom_id)
    return int(custom_id)


async def _submitted(endpoint: ModelEndpoint, path: Path, job_id: str) -> str:
    """Create a batch; after a fault look first whether it came to be.

    Raises:
        FaultError: it did not, or nobody can tell.
    """
    for attempt in range(1, _SUBMIT_ATTEMPTS + 1):
        try:
            return await _create(endpoint, path, job_id)
        except FaultError as fault:
            if fault.kind not in ("transient", "throttled") or attempt == _SUBMIT_ATTEMPTS:
                raise
            await asyncio.sleep(max(fault.retry_after or 0.0, 0.5 * 2**attempt))
        try:
            if (found := await _find(client_of(endpoint), job_id)) is not None:
                return found
        except Exception as error:
            raise fault_of(error, endpoint.key_variable) from None
    raise AssertionError("the last attempt returns or raises")


async def _create(endpoint: ModelEndpoint, path: Path, job_id: str) -> str:
    try:
        client = client_of(endpoint)
        file = await client.files.create(file=path, purpose="batch")
        batch = await client.batches.create(
            input_file_id=file.id,
            endpoint="/v1/chat/completions",
            completion_window="24h",
            metadata={_METADATA: job_id},
        )
    except Exception as error:
        raise fault_of(error, endpoint.key_variable) from None
    return batch.id


async def _find(client: Any, job_id: str) -> str | None:
    """The batch of a job whose process died while submitting it."""
    async for batch in client.batches.list(limit=100):
        if (batch.metadata or {}).get(_METADATA) == job_id:
            return str(batch.id)
    return None


def _hash(entry: str) -> str:
    return entry.partition(":")[2]
