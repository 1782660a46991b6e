"""Work shared among processes: the rows are those of one process, and what dies with one is said and mended."""

from __future__ import annotations

import os
import pickle
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.cli.app import run
from pipeline.extract import shards
from pipeline.judge.engine import Counters
from pipeline.judge.shares import most_shares, share_of
from pipeline.sample.judge_server import SampleJudge
from pipeline.settings_models import ModelEndpoint, Models

Serve = Callable[..., SampleJudge]
WHO_AND_WHEN = "EXCLUDE (run_id, computed_at, first_arrival_at)"


@pytest.fixture(autouse=True)
def little_is_enough(monkeypatch: pytest.MonkeyPatch) -> None:
    """A few conversations are worth a process."""
    monkeypatch.setattr(shards, "LEAST", {"judged": 2, "python": 2})


def share(bench: Any, number: int) -> None:
    """Split the work over so many processes from now on."""
    bench.settings = bench.settings.model_copy(update={"shards": number})


def coded(bench: Any, key: str, code: str) -> dict[str, Any]:
    """A python metric with this code."""
    folder = bench.settings.definitions / "python"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"{key}.py").write_text(f"def evaluate(c):\n    {code}\n")
    free = {"valid_range_min": None, "valid_range_max": None, "ai_query_prompt": None}
    fields: dict[str, Any] = bench.score(key, extraction_mode="python", python_file=f"{key}.py", **free)
    return fields


def rows(bench: Any) -> dict[str, Any]:
    """What the store holds, but who wrote it and when."""
    return {
        "values": bench.query(f"SELECT * {WHO_AND_WHEN} FROM metric_values ORDER BY ALL"),
        "answers": bench.query("SELECT request_hash, outcome, raw, mode, cost_usd FROM judge_answers ORDER BY ALL"),
        "runs": bench.query(
            "SELECT * EXCLUDE (run_id, seconds, started_at, cost_usd) FROM extraction_runs ORDER BY metric_key"
        ),
        "stale": bench.query("SELECT DISTINCT * FROM stale_periods ORDER BY ALL"),
    }


def processes() -> list[int]:
    """Ids of the processes that share the work of this one."""
    found = []
    for status in Path("/proc").glob("[0-9]*/stat"):
        with suppress(FileNotFoundError, ProcessLookupError):  # a process may end while it is looked at
            parent = int(status.read_text().rpartition(")")[2].split()[1])
            if parent == os.getpid() and b"shard_worker" in (status.parent / "cmdline").read_bytes():
                found.append(int(status.parent.name))
    return found


def stalling(serve: Serve, requests: int) -> tuple[SampleJudge, threading.Event]:
    """A server that answers so many requests, and no more until the event is set."""
    going_on = threading.Event()

    def latency() -> float:
        return 0.02 if going_on.is_set() or judge.count.requests <= requests else 60

    judge = serve(latency=latency)
    return judge, going_on


def after(calls: int, act: Callable[[], None]) -> Callable[[Counters], None]:
    """Act once, when so many answers have come."""
    acted = threading.Event()

    def see(counters: Counters) -> None:
        if counters.spent.calls >= calls and not acted.is_set():
            acted.set()
            act()

    return see


def test_the_rows_are_those_of_one_process(bench: Any, serve: Serve) -> None:
    first = coded(bench, "first", "return len(c.turns[1].text)")
    second = coded(bench, "second", "return c.metrics['first'] + c.metrics['empathy']")
    broken = coded(bench, "broken", "return (")
    told = bench.score("told", scope="turn", participant_role="user")
    bench.define(bench.score(), bench.label(), told, first, second, broken)
    bench.talk(12, words=600)
    bench.talk(8, first=12)
    untouched = bench.store.path.read_bytes()
    judge = serve()
    bench.ask(judge, usd_in=1.0, usd_cached=0.1, usd_out=2.0)
    bench.run()
    alone = rows(bench)
    judge.stop()
    bench.store.path.write_bytes(untouched)
    again = serve(port=urlsplit(judge.base_url).port)  # it has no prompt cached
    share(bench, 2)
    live: list[Counters] = []
    report = bench.run(on_judged=live.append)
    assert rows(bench) == alone
    assert again.count.prompts == judge.count.prompts
    assert live[-1].done == 20
    assert live[-1].spent.calls == again.count.answered == sum(outcome.calls for outcome in report.outcomes)
    share(bench, 1)
    bench.run()
    assert again.count.answered == judge.count.answered, "nothing is asked twice"
    assert processes() == []


def test_the_setting_reaches_a_run(bench: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    where = coded(bench, "coded", "import os; return os.getppid()")
    bench.define(where)
    bench.talk(6)
    monkeypatch.setenv("METRIC_STORE_HOME", str(bench.settings.home))
    monkeypatch.setenv("METRIC_STORE_DEFINITIONS", str(bench.settings.definitions))
    monkeypatch.setenv("METRIC_STORE_SHARDS", "2")
    hour = bench.WINDOW.end - timedelta(hours=1)
    assert run(["run", "--at", hour.isoformat(), "--metric", "coded"]) == 0
    found = dict(bench.query("SELECT value_number, count(*) FROM metric_values GROUP BY ALL"))
    assert list(found.values()) == [3, 3]
    assert os.getpid() in found


def test_limits_and_budget_hold_over_all_processes(bench: Any, serve: Serve) -> None:
    judge = serve(latency=0.02)
    bench.ask(judge, max_concurrency=3, budget={"calls_per_run": 12})
    bench.define(bench.score())
    bench.talk(14)
    at = bench.START.isoformat()
    mailbox = {"occurred_at": at, "event_type": "user.turn", "data": {"text": "You have reached the mailbox of 1234."}}
    ended = {"occurred_at": at, "event_type": "session.end", "data": {}}
    bench.add([{"conversation_id": f"same{n}", **event} for n in range(8) for event in (mailbox, ended)])
    share(bench, 2)
    bench.run()
    assert judge.count.answered == 12
    assert judge.count.busiest <= 3
    assert set(judge.count.prompts.values()) == {1}, "the same words are asked about once"
    states = bench.states("empathy")
    assert states.total() == 22
    assert states.keys() == {"ok", "over_budget"}


def test_a_process_that_is_killed_is_said_and_mended(bench: Any, serve: Serve) -> None:
    judge, going_on = stalling(serve, 40)
    bench.ask(judge, max_concurrency=4, write_batch=8, timeout_seconds=1)
    bench.define(bench.score(), bench.score("tone"))
    bench.talk(24)
    share(bench, 2)

    def kill() -> None:
        os.kill(processes()[0], signal.SIGKILL)
        going_on.set()

    report = bench.run(on_judged=after(30, kill))
    for outcome in report.outcomes:
        assert "SIGKILL" in outcome.failure
        assert outcome.states == {"ok": 12, "error": 12}, "what the other process had is done"
    assert bench.query("SELECT count(*) FROM extraction_runs WHERE failure IS NULL") == [(0,)]
    stored = bench.query("SELECT count(*) FROM judge_answers")[0][0]
    assert judge.count.answered - stored <= 4 + 8
    share(bench, 1)
    bench.run()
    assert bench.states("empathy") == bench.states("tone") == {"ok": 24}
    assert judge.count.answered <= 48 + 4 + 8


def test_an_interrupt_stores_what_is_paid_for(bench: Any, serve: Serve) -> None:
    judge, going_on = stalling(serve, 34)
    bench.ask(judge, max_concurrency=4, write_batch=8)
    bench.define(bench.score())
    bench.talk(40)
    share(bench, 2)

    def interrupt() -> None:
        signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGINT)

    with pytest.raises(KeyboardInterrupt):
        bench.run(on_judged=after(26, interrupt))
    assert processes() == []
    stored = bench.query("SELECT count(*) FROM judge_answers")[0][0]
    assert 26 <= stored < 40
    assert judge.count.answered - stored <= 4
    going_on.set()
    share(bench, 1)
    bench.run()
    assert bench.states("empathy") == {"ok": 40}
    assert judge.count.answered <= 40 + 4


PARENT = """
import os, pickle, signal, sys
from pipeline.extract import extract, shards
from pipeline.store import Store

def see(counters):
    if counters.spent.calls >= 26:
        os.kill(os.getpid(), signal.SIGKILL)

shards.LEAST = {"judged": 2}
catalog, settings, window = pickle.load(sys.stdin.buffer)
extract(Store(settings), catalog, settings, window, now=window.end, on_judged=see)
"""


def test_processes_outlive_a_killed_parent_only_to_store_what_they_have(bench: Any, serve: Serve) -> None:
    judge, going_on = stalling(serve, 34)
    bench.ask(judge, max_concurrency=4, write_batch=8)
    bench.define(bench.score())
    bench.talk(40)
    share(bench, 2)
    given = pickle.dumps((bench.catalog, bench.settings, bench.WINDOW))
    died = subprocess.run([sys.executable, "-c", PARENT], input=given, cwd=Path(__file__).parents[2], check=False)
    assert died.returncode == -signal.SIGKILL
    deadline = time.monotonic() + 300
    lost = 4 + 8  # what the killed process had under way, and what it had not stored
    while (stored := bench.query("SELECT count(*) FROM judge_answers")[0][0]) < judge.count.answered - lost:
        assert time.monotonic() < deadline
        time.sleep(0.05)
    assert stored < 40
    going_on.set()
    share(bench, 1)
    bench.run()
    assert bench.states("empathy") == {"ok": 40}
    assert judge.count.answered <= 40 + lost


@given(
    concurrency=st.integers(1, 1024),
    batch=st.integers(1, 10_000),
    rate=st.none() | st.floats(1, 1e6),
    wanted=st.integers(1, 64),
)
def test_the_parts_of_the_limits_add_up(concurrency: int, batch: int, rate: float | None, wanted: int) -> None:
    endpoint = ModelEndpoint(model="m", max_concurrency=concurrency, requests_per_minute=rate, tokens_per_minute=rate)
    models = Models(default=endpoint, fast=endpoint, endpoints={"own": endpoint}, write_batch=batch)
    shares = min(wanted, most_shares(models, [endpoint]))
    parts = [share_of(models, place, shares) for place in range(shares)]
    assert sum(part.write_batch for part in parts) == batch
    assert all(part.write_batch >= 1 for part in parts)
    for asked in ([part.default for part in parts], [part.endpoints["own"] for part in parts]):
        found = [part for part in asked if part is not None]
        assert len(found) == shares
        assert sum(part.max_concurrency for part in found) == concurrency
        assert min(part.max_concurrency for part in found) >= 1
        if rate is not None:
            assert sum(part.requests_per_minute or 0 for part in found) == pytest.approx(rate)
            assert sum(part.tokens_per_minute or 0 for part in found) == pytest.approx(rate)
    assert all(part.fast == part.default and part.budget == models.budget for part in parts)
