"""Past one core: what Python does for each conversation, shared among processes.

DuckDB uses every core for the modes that are SQL. Judged and python metrics are bound to one: prompts are made, answers
read and functions called one after the other. With the setting `shards` that work is split by conversation: each
process takes all definitions of its conversations, so that a conversation is sent to one process only and its questions
share one prefix, and so that a python metric finds the values that others left before it, as without.

One of the processes is that of the run. Each opens the store in its turn, as several runs at once do, stores what it
has, and gets its part of the models' limits. The rows are those of one process; only where a budget ends may it leave
out other questions, since the most urgent conversations go first within each process.
"""

from __future__ import annotations

import json
import logging
import pickle
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, suppress
from dataclasses import dataclass, replace
from datetime import datetime
from functools import partial
from typing import Literal

import pyarrow as pa
import pyarrow.compute as pc

from pipeline.catalog.catalog import Catalog
from pipeline.errors import InternalError
from pipeline.extract.isolation import describe
from pipeline.extract.run_context import CappedResult, CappedWork, RunContext
from pipeline.extract.values import SQL
from pipeline.judge.engine import Counters
from pipeline.judge.plan import endpoint_of
from pipeline.judge.shares import most_shares, share_of
from pipeline.settings import Settings
from pipeline.settings_models import ModelEndpoint
from pipeline.store import load_sql, text_list
from pipeline.window import Window

logger = logging.getLogger(__name__)

_PAID = ("calls", "tokens_in", "tokens_cached", "tokens_out", "cost_usd")
Kind = Literal["judged", "python"]
LEAST: Mapping[Kind, int] = {"judged": 1250, "python": 100}
"""Values that are worth a process of their own, which takes one to two seconds of processor time to start. What a
function takes is not known; one that is quick does not need several processes."""
_GONE = (EOFError, OSError, ValueError, pickle.UnpicklingError)
"""What reading from and writing to a process raises that has ended, or whose pipe was closed."""
_END_SECONDS = 30.0
"""How long a process whose results are here may take to end."""
_BOOTSTRAP = (
    "import json, sys; sys.path[:] = json.loads(sys.argv[1]); from pipeline.extract.shard_worker import main; main()"
)


@dataclass(frozen=True)
class Share:
    """What one process is given; the rest of `RunContext` is its own."""

    kind: Kind
    work: tuple[CappedWork, ...]
    settings: Settings
    catalog: Catalog
    window: Window
    run_id: str
    now: datetime


def evaluate(run: RunContext, kind: Kind, work: Sequence[CappedWork]) -> dict[str, CappedResult]:
    """Evaluate the work of a run, in as many processes as `shards` allows and the work is worth.

    An interrupt waits for the processes, which store what is paid for. One that dies fails the definitions that it had
    conversations of; what it has stored stays, and the next run does the rest.
    """
    try:
        shards = _shards(run, kind, work)
        return _evaluate_here(run, kind, work) if shards < 2 else _evaluate_shared(run, kind, work, shards)
    except InternalError:
        raise
    except Exception as error:  # the set-based metrics of the run are stored; this must not take them along
        return {item.metric.key: CappedResult({}, failure=describe(item.metric.key, error)) for item in work}


def _evaluate_here(run: RunContext, kind: Kind, work: Sequence[CappedWork]) -> dict[str, CappedResult]:
    if kind == "judged":
        from pipeline.extract.judged import evaluate_judged

        return evaluate_judged(run, work)
    from pipeline.extract.python_mode import evaluate_python

    return evaluate_python(run, work)


def _evaluate_shared(run: RunContext, kind: Kind, work: Sequence[CappedWork], shards: int) -> dict[str, CappedResult]:
    """One share is evaluated here, each of the others by a process."""
    progress = _Progress(run.on_judged)
    with ExitStack() as stack:
        processes = [stack.enter_context(_Process(partial(progress.hear, place))) for place in range(1, shards)]
        here, *others = _split(run, kind, work, shards)  # while they start
        given = [_share(run, kind, part, place, shards) for place, part in enumerate(others, 1)]
        own = replace(run, settings=_part_of(run.settings, 0, shards), on_judged=partial(progress.hear, 0))
        with ThreadPoolExecutor(shards) as threads:
            try:
                found = [threads.submit(process.work, share) for process, share in zip(processes, given, strict=True)]
                parts = [evaluate(own, kind, here), *(each.result() for each in found)]
            finally:
                for process in processes:
                    process.stop()
    return {item.metric.key: _together([part[item.metric.key] for part in parts]) for item in work}


def _shards(run: RunContext, kind: Kind, work: Sequence[CappedWork]) -> int:
    values = sum(len(item.conversations) for item in work)
    most = min(run.settings.shards, values // LEAST[kind])
    if kind == "python":
        return most
    endpoints = [endpoint_of(run.settings.models, item.metric) for item in work]
    limited = [endpoint for endpoint in endpoints if isinstance(endpoint, ModelEndpoint)]
    # A batch is one file, written here.
    return 1 if run.batch is not None else min(most, most_shares(run.settings.models, limited))


def _split(run: RunContext, kind: Kind, work: Sequence[CappedWork], shards: int) -> list[tuple[CappedWork, ...]]:
    """The work of each process: the same conversations of every metric, the most urgent ones dealt out in turn."""
    ids = [item.conversations["conversation_id"].to_pylist() for item in work]
    urgency: dict[str, int] = {}
    for listed in ids:
        for place, key in enumerate(listed):
            urgency[key] = min(place, urgency.get(key, place))
    # Conversations with the same words ask the same questions, which one process asks once.
    alike = _words(run, work, list(urgency)) if kind == "judged" else {}
    group_of: dict[object, int] = {}
    for key in sorted(urgency, key=urgency.__getitem__):
        group_of.setdefault(alike.get(key, key), len(group_of) % shards)
    places = [pa.array([group_of[alike.get(key, key)] for key in listed], pa.int64()) for listed in ids]
    return [
        tuple(
            replace(item, conversations=item.conversations.filter(pc.equal(of, place)))
            for item, of in zip(work, places, strict=True)
        )
        for place in range(shards)
    ]


def _words(run: RunContext, work: Sequence[CappedWork], conversation_ids: list[str]) -> dict[str, int]:
    arrivals = [pc.min(item.conversations["first_arrival_at"]).as_py() for item in work]
    parameters = {
        "workspace_id": run.store.workspace_id,
        "conversation_ids": text_list(conversation_ids),
        "since": min((arrival for arrival in arrivals if arrival is not None), default=None),
    }
    with run.store.write("values") as con:
        return dict(con.execute(load_sql(SQL, "words"), parameters).fetchall())


def _share(run: RunContext, kind: Kind, work: tuple[CappedWork, ...], place: int, shards: int) -> Share:
    settings = _part_of(run.settings, place, shards)
    return Share(kind, work, settings, run.catalog, run.window, run.run_id, run.now)


def _part_of(settings: Settings, place: int, shards: int) -> Settings:
    return settings.model_copy(update={"shards": 1, "models": share_of(settings.models, place, shards)})


class _Progress:
    """Adds up what the processes tell, and writes their log."""

    def __init__(self, tell: Callable[[Counters], None] | None) -> None:
        self._tell = tell
        self._latest: dict[int, Counters] = {}
        self._lock = threading.Lock()

    def hear(self, place: int, message: object) -> None:
        with self._lock:
            match message:
                case logging.LogRecord():
                    logging.getLogger(message.name).handle(message)
                case Counters() if self._tell is not None:
                    self._latest[place] = message
                    self._tell(_sum(self._latest.values()))


class _Process:
    """One process and the thread that listens to it."""

    def __init__(self, hear: Callable[[object], None]) -> None:
        self._hear = hear
        self._stopped = False
        self._finished = False
        self._process = subprocess.Popen(  # noqa: S603 - ourselves
            [sys.executable, "-P", "-c", _BOOTSTRAP, json.dumps(sys.path)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            start_new_session=True,  # Ctrl-C goes to us, and from us to it
        )

    def __enter__(self) -> _Process:
        return self

    def __exit__(self, *_: object) -> None:
        assert self._process.stdout is not None
        self.stop()
        try:
            self._process.wait(_END_SECONDS if self._finished else None)
        except subprocess.TimeoutExpired:
            self._process.kill()  # all that it had is stored, and it only failed to end
            self._process.wait()
        self._process.stdout.close()

    def work(self, share: Share) -> dict[str, CappedResult]:
        """Hand a share over and wait for its results."""
        assert self._process.stdin is not None
        with suppress(*_GONE):
            pickle.dump(share, self._process.stdin)
            self._process.stdin.flush()
        while True:
            match self._receive():
                case dict() as results:
                    self._finished = True
                    return results
                case InternalError() as error:
                    raise error
                case None:
                    return self._lost(share)
                case message:
                    self._hear(message)

    def stop(self) -> None:
        """Let it end; what it has under way it stores."""
        assert self._process.stdin is not None
        self._stopped = True
        with suppress(OSError):
            self._process.stdin.close()

    def _receive(self) -> object:
        """What it says next, None when it is gone."""
        assert self._process.stdout is not None
        try:
            return pickle.load(self._process.stdout)  # noqa: S301 - our own process
        except _GONE:
            return None

    def _lost(self, share: Share) -> dict[str, CappedResult]:
        code = self._process.wait()
        how = signal.Signals(-code).name if code < 0 else f"exit code {code}"
        failure = (
            f"A process that shared the work ended before it was done ({how}). What it stored is kept; "
            "run the hour again for the rest, with fewer METRIC_STORE_SHARDS if memory was short."
        )
        if not self._stopped:
            logger.error("%s", failure)
        lost, spared = CappedResult({}, failure=failure), CappedResult({})
        return {item.metric.key: lost if len(item.conversations) else spared for item in share.work}


def _together(parts: Sequence[CappedResult]) -> CappedResult:
    """One result of those of all processes."""
    states = {key: state for part in parts for key, state in part.states.items()}
    paid = {name: sum(getattr(part, name) for part in parts) for name in _PAID}
    return CappedResult(states, **paid, failure=next((part.failure for part in parts if part.failure), None))


def _sum(counters: Iterable[Counters]) -> Counters:
    total = Counters()
    for each in counters:
        for name in total.__dataclass_fields__:
            setattr(total, name, getattr(total, name) + getattr(each, name))
    return total
