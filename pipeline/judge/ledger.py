"""What has been paid for, is being asked and may still be spent, in the store: shared by every process on it.

`judge_answers` holds every answer that was received and is the ledger of money. `judge_questions` holds every question
that somebody is asking, so that two processes never pay for one answer: the second waits for it. A reservation of money
holds back the most that questions already granted can cost, so that two processes cannot spend one dollar. All three
are read and written in one transaction.
"""

from __future__ import annotations

import time
import uuid
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from datetime import UTC, datetime, timedelta
from typing import Protocol

import duckdb
import pyarrow as pa

from pipeline.judge.asker import CONTENT_ATTEMPTS
from pipeline.judge.capabilities import FORGET_AFTER, Capability
from pipeline.judge.completion import Received
from pipeline.judge.processes import begin_run, end_run, has_ended, this_process
from pipeline.judge.prompt import Request
from pipeline.settings_models import Budget, ModelEndpoint
from pipeline.store import Store, load_sql, run_script, text_list

SQL = "pipeline.judge.sql"
RESERVED_FOR = timedelta(minutes=15)
"""How long a question is reserved at least: longer than its tries take, and renewed while it waits for its turn."""
_ROUNDING = 1e-9  # dollars by which sums of the same parts may differ
RENEWED_EVERY = 60.0
"""Seconds after which a process renews what it has reserved."""

_ANSWERS = pa.schema(
    [
        *((name, pa.string()) for name in ("workspace_id", "request_hash", "outcome", "raw", "finish_reason")),
        *((name, pa.string()) for name in ("model", "returned_model", "base_url", "mode", "run_id", "batch_id")),
        *((name, pa.int64()) for name in ("tokens_in", "tokens_cached", "tokens_out", "tokens_reasoning")),
        ("tokens_estimated", pa.int64()),
        ("cost_usd", pa.float64()),
        ("seconds", pa.float64()),
        ("received_at", pa.timestamp("us", tz="UTC")),
    ]
)


@dataclass(frozen=True, slots=True)
class Stored:
    """The last answer to a request, and how many have been paid for."""

    outcome: str
    raw: str
    model: str
    returned_model: str | None
    mode: str
    seconds: float
    paid: int

    def settles(self, request: Request) -> bool:
        """Whether the request is not to be sent again: the answer can be used, or enough were paid for."""
        return self.paid >= CONTENT_ATTEMPTS or request.objection(self.outcome, self.raw) is None


@dataclass(frozen=True, slots=True)
class Claim:
    """What is already answered, and which of the other requests may be asked.

    Attributes:
        answers: the last answer to each request that has one.
        granted: may be asked now, by whoever claimed them.
        elsewhere: are being asked by another process; claim them again later.
    """

    answers: Mapping[str, Stored]
    granted: frozenset[str]
    elsewhere: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Arrived:
    """An answer on its way into the store."""

    request_hash: str
    endpoint: ModelEndpoint
    answer: Received
    received_at: datetime
    batch_id: str | None = None


class Ledger(Protocol):
    """Where answers are looked up and kept."""

    @property
    def overspent(self) -> bool:
        """Whether more is spent and held back than the budget allows: servers billed more than was expected."""

    def spend(self, request_hash: str, usd: float) -> None:
        """Take note of what an answer cost, before it is stored."""

    def claim(self, requests: Sequence[Request]) -> Claim:
        """Look up answers; reserve the rest, in the order given, that nobody else asks and the budget allows."""

    def keep(self, arrived: Sequence[Arrived], done: Iterable[Request]) -> None:
        """Store answers, and free what was held back for questions that are done."""

    def renew(self) -> None:
        """Keep what is reserved for longer, if it is time to."""

    def capability(self, endpoint: ModelEndpoint) -> Capability:
        """How the endpoint wants to be asked, as far as that is known."""

    def learn(self, endpoint: ModelEndpoint, capability: Capability) -> None:
        """Remember how the endpoint wants to be asked."""

    def close(self) -> None:
        """Free everything that is still held back."""


class StoreLedger:
    """The ledger of one run of one process.

    Args:
        store: where it is kept.
        run_id: on every answer.
        budget: what may be spent.
    """

    def __init__(self, store: Store, run_id: str, budget: Budget | None = None) -> None:
        self._store = store
        self._run_id = run_id
        self._budget = budget or Budget()
        self._holder = uuid.uuid4().hex
        self._room = float("inf")
        self._unstored: dict[str, float] = {}
        self._excess = 0.0
        self._held: dict[str, float] = {}
        self._lease = RESERVED_FOR
        self._renewed_at = time.monotonic()
        self._ratios: dict[tuple[str, str], float] = {}

    def claim(self, requests: Sequence[Request]) -> Claim:
        """Look up answers, reserve questions and hold back money, in one short transaction."""
        hashes = list(dict.fromkeys(request.hash for request in requests))
        with self._store.transaction("judge") as con:
            answers = look_up(con, self._store.workspace_id, hashes)
            open_requests = {
                request.hash: request
                for request in requests
                if request.hash not in self._held
                and ((stored := answers.get(request.hash)) is None or not stored.settles(request))
            }
            elsewhere = self._elsewhere(con, list(open_requests))
            wanted = {
                request_hash: request.most_usd * self._ratio(con, request.endpoint)
                for request_hash, request in open_requests.items()
                if request_hash not in elsewhere
            }
            granted = wanted if self._budget.unlimited else self._affordable(con, wanted)
            calls = (request.endpoint for request in open_requests.values())
            longest = max((call.timeout_seconds + call.retry_seconds for call in calls), default=0.0)
            self._lease = max(self._lease, timedelta(seconds=2 * longest))
            self._held |= granted
            self._take(con, list(granted))
            self._reserve(con)
            self._look_at_budget(con)
        return Claim(answers, frozenset(granted), elsewhere)

    def keep(self, arrived: Sequence[Arrived], done: Iterable[Request]) -> None:
        """Store answers and free the questions that are done; one transaction."""
        released = [request.hash for request in done]
        for item in arrived:
            self._excess -= self._unstored.pop(item.request_hash, 0.0)
            if item.request_hash in self._held:
                self._held[item.request_hash] = 0.0  # what it cost is known now
        for request_hash in released:
            self._held.pop(request_hash, None)
        rows = [self._row(item) for item in arrived]
        with self._store.transaction("judge") as con:
            if rows:
                con.register("arrived", pa.Table.from_pylist(rows, schema=_ANSWERS))
                con.execute("INSERT INTO judge_answers BY NAME FROM arrived")
            if released:
                parameters = {**self._owner, "hashes": text_list(released)}
                con.execute(load_sql(SQL, "release"), parameters)
            self._reserve(con)
            self._look_at_budget(con)

    @property
    def overspent(self) -> bool:
        """Whether more is spent and held back than the budget allows, with what is not yet stored."""
        return self._room - self._excess < -_ROUNDING

    def spend(self, request_hash: str, usd: float) -> None:
        """Take note of what an answer cost beyond what was held back for it."""
        more = usd if request_hash in self._unstored else usd - self._held.get(request_hash, 0.0)
        self._unstored[request_hash] = self._unstored.get(request_hash, 0.0) + more
        self._excess += more

    def _look_at_budget(self, con: duckdb.DuckDBPyConnection) -> None:
        if not self._budget.unlimited:
            self._room = min(self._left(con)[:2])

    def renew(self) -> None:
        """Reserve again what is reserved, once a minute."""
        if self._held and time.monotonic() - self._renewed_at > RENEWED_EVERY:
            with self._store.transaction("judge") as con:
                self._take(con, list(self._held))
                self._reserve(con)

    def keep_new(self, arrived: Sequence[Arrived]) -> None:
        """Store the answers of a batch, those again that were stored already left out."""
        rows = [self._row(item) for item in arrived]
        with self._store.transaction("judge") as con:
            con.register("arrived", pa.Table.from_pylist(rows, schema=_ANSWERS))
            con.execute(load_sql(SQL, "keep_new"))

    def capability(self, endpoint: ModelEndpoint) -> Capability:
        """As last learned, unless that is long ago."""
        fresh = Capability(output_tokens=endpoint.max_output_tokens)
        with self._store.write("judge") as con:
            found = con.execute(
                load_sql(SQL, "capability"), {**self._at(endpoint), "since": datetime.now(UTC) - FORGET_AFTER}
            ).fetchall()
        if not found:
            return fresh
        mode, dropped, tokens_parameter, output_tokens = found[0]
        return replace(
            fresh,
            mode=mode,
            dropped=frozenset(dropped),
            tokens_parameter=tokens_parameter,
            output_tokens=max(output_tokens, fresh.output_tokens),
            proven=True,
        )

    def learn(self, endpoint: ModelEndpoint, capability: Capability) -> None:
        """Replace what was known."""
        learned = {
            "mode": capability.mode,
            "dropped": sorted(capability.dropped),
            "tokens_parameter": capability.tokens_parameter,
            "output_tokens": capability.output_tokens,
            "learned_at": datetime.now(UTC),
        }
        with self._store.transaction("judge") as con:
            run_script(con, load_sql(SQL, "learn"), {**self._at(endpoint), **learned})

    def close(self) -> None:
        """Free what is reserved and held back."""
        end_run(self._holder)
        released, self._held = list(self._held), {}
        if released:
            with self._store.transaction("judge") as con:
                con.execute(load_sql(SQL, "release"), {**self._owner, "hashes": text_list(released)})
                self._reserve(con)

    @property
    def _owner(self) -> dict[str, object]:
        return {"workspace_id": self._store.workspace_id, "holder": self._holder}

    def _elsewhere(self, con: duckdb.DuckDBPyConnection, hashes: Sequence[str]) -> frozenset[str]:
        """Questions that a living run asks; those of a run or process that is known to have ended are free at once."""
        if not hashes:
            return frozenset()
        parameters = {**self._owner, "hashes": text_list(hashes), "now": datetime.now(UTC)}
        rows = con.execute(load_sql(SQL, "under_way"), parameters).fetchall()
        dead = {run for run in {(process, holder) for _, process, holder in rows} if has_ended(*run)}
        return frozenset(request_hash for request_hash, *run in rows if tuple(run) not in dead)

    def _take(self, con: duckdb.DuckDBPyConnection, hashes: Sequence[str]) -> None:
        if hashes:
            begin_run(self._holder)
            now = datetime.now(UTC)
            reserved = {"hashes": text_list(hashes), "process": this_process(), "expires_at": now + self._lease}
            run_script(con, load_sql(SQL, "take"), {**self._owner, **reserved, "now": now})
            self._renewed_at = time.monotonic()

    def _ratio(self, con: duckdb.DuckDBPyConnection, endpoint: ModelEndpoint) -> float:
        """How many input tokens are billed for one that is estimated, at most; as this process first saw it."""
        place = (endpoint.base_url, endpoint.model)
        if place not in self._ratios:
            self._ratios[place] = max(calibration(con, self._store.workspace_id, endpoint).most, 1.0)
        return self._ratios[place]

    def _affordable(self, con: duckdb.DuckDBPyConnection, wanted: Mapping[str, float]) -> dict[str, float]:
        usd_run, usd_day, calls_run, calls_day = self._left(con)
        usd, calls = min(usd_run, usd_day), min(calls_run, calls_day)
        granted: dict[str, float] = {}
        for request_hash, most in wanted.items():
            usd, calls = usd - most, calls - 1
            if usd < 0 or calls < 0:
                break  # no cheaper question further down overtakes: newest first is a promise
            granted[request_hash] = most
        return granted

    def _left(self, con: duckdb.DuckDBPyConnection) -> tuple[float, float, float, float]:
        """Dollars of the run and of the day, calls of the run and of the day that nobody has spent or holds."""
        now = datetime.now(UTC)
        day = now.replace(hour=0, minute=0, second=0, microsecond=0)
        parameters = {"workspace_id": self._store.workspace_id, "run_id": self._run_id, "now": now, "day": day}
        usd_run, usd_day, calls_run, calls_day = con.execute(load_sql(SQL, "spent"), parameters).fetchall()[0]
        budget = self._budget
        return (
            _left(budget.usd_per_run, usd_run),
            _left(budget.usd_per_day, usd_day),
            _left(budget.calls_per_run, calls_run),
            _left(budget.calls_per_day, calls_day),
        )

    def _reserve(self, con: duckdb.DuckDBPyConnection) -> None:
        if self._budget.unlimited:
            return
        now = datetime.now(UTC)
        held = {"calls": len(self._held), "usd": sum(self._held.values()), "expires_at": now + self._lease, "now": now}
        run_script(con, load_sql(SQL, "reserve"), {**self._owner, "run_id": self._run_id, **held})

    def _row(self, item: Arrived) -> dict[str, object]:
        return {
            "workspace_id": self._store.workspace_id,
            "request_hash": item.request_hash,
            "model": item.endpoint.model,
            "base_url": item.endpoint.base_url,
            "run_id": self._run_id,
            "batch_id": item.batch_id,
            "received_at": item.received_at,
            **{column.name: getattr(item.answer, column.name) for column in fields(Received)},
        }

    def _at(self, endpoint: ModelEndpoint) -> dict[str, object]:
        return {
            "workspace_id": self._store.workspace_id,
            "base_url": endpoint.base_url,
            "model": endpoint.model,
        }


def look_up(con: duckdb.DuckDBPyConnection, workspace_id: str, hashes: Sequence[str]) -> dict[str, Stored]:
    """The last answer to each request that has one."""
    rows = con.execute(load_sql(SQL, "answers"), {"workspace_id": workspace_id, "hashes": text_list(hashes)}).fetchall()
    found: dict[str, Stored] = {}
    for request_hash, outcome, raw, _, model, returned_model, mode, seconds in rows:
        paid = found[request_hash].paid + 1 if request_hash in found else 1
        found[request_hash] = Stored(outcome, raw, model, returned_model, mode, seconds, paid)
    return found


@dataclass(frozen=True, slots=True)
class Calibration:
    """How many input tokens an endpoint bills for one that is estimated.

    Attributes:
        typical: over its latest thousand answers of the last month; 1 where fewer than 20 are known.
        most: but for one answer in twenty.
    """

    typical: float = 1.0
    most: float = 1.0


def calibration(con: duckdb.DuckDBPyConnection, workspace_id: str, endpoint: ModelEndpoint) -> Calibration:
    """What the estimates for an endpoint are multiplied with."""
    at = {"workspace_id": workspace_id, "base_url": endpoint.base_url, "model": endpoint.model}
    rows = con.execute(load_sql(SQL, "calibration"), {**at, "since": datetime.now(UTC) - FORGET_AFTER}).fetchall()
    return Calibration(*rows[0]) if rows else Calibration()


def _left(limit: float | None, spent: float) -> float:
    return float("inf") if limit is None else limit - spent
