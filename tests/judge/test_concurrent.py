"""Several runs of one window at the same time: each question is paid for once, and each run has every value."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import lakes
import pytest

from pipeline.judge.ledger import StoreLedger
from pipeline.judge.processes import is_dead, this_process
from pipeline.sample.judge_server import SampleJudge
from pipeline.settings_models import Budget

Serve = Callable[..., SampleJudge]
RUN = """
import json, sys
from datetime import datetime
from pathlib import Path
from pipeline.catalog import load_catalog
from pipeline.extract import extract
from pipeline.settings import Settings
from pipeline.store import Store
from pipeline.window import Window

home, url, definitions, end, now = json.loads(sys.argv[1])
models = {"default": {"model": "judge-1", "base_url": url, "max_concurrency": 4}, "write_batch": 8}
settings = Settings(home=Path(home), definitions=Path(home) / "none", threads=1, models=models)
catalog = load_catalog(settings, api_definitions=definitions)
store = Store(settings)
print("ready", flush=True)
sys.stdin.readline()
report = extract(store, catalog, settings, Window.ending(datetime.fromisoformat(end)),
    keys=[entry["key"] for entry in definitions], now=datetime.fromisoformat(now))
print(json.dumps([outcome.states for outcome in report.outcomes]), flush=True)
"""


def start(bench: Any, judge: SampleJudge, *definitions: dict[str, Any]) -> subprocess.Popen[str]:
    """A run of the whole window in a process of its own, which waits for a line before it begins."""
    import json

    now = bench.WINDOW.end + timedelta(minutes=5)
    told = [str(bench.settings.home), judge.base_url, definitions, bench.WINDOW.end.isoformat(), now.isoformat()]
    process = subprocess.Popen(
        [sys.executable, "-c", RUN, json.dumps(told)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])},
    )
    assert process.stdout is not None
    assert process.stdout.readline().strip() == "ready"
    return process


def begin(process: subprocess.Popen[str]) -> None:
    assert process.stdin is not None
    process.stdin.write("go\n")
    process.stdin.flush()


@pytest.fixture(params=["file", pytest.param("lake", marks=pytest.mark.lake)])
def kept(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Any:
    """Stores of this process and of those it starts are files, or one lake."""
    if request.param == "file":
        yield
        return
    with lakes.empty_catalog(request.getfixturevalue("postgres_server")) as catalog:
        monkeypatch.setenv("METRIC_STORE_CATALOG", catalog)
        monkeypatch.setenv("METRIC_STORE_DATA_PATH", str(tmp_path / "lake"))
        yield


@pytest.mark.parametrize("number", [2, 4])
def test_runs_of_one_window_pay_for_each_question_once(kept: Any, bench: Any, serve: Serve, number: int) -> None:
    judge = serve(latency=0.05)
    bench.configure({})
    bench.talk(30)
    asked = (bench.score(), bench.label())
    processes = [start(bench, judge, *asked) for _ in range(number)]
    for process in processes:
        begin(process)
    told = [process.communicate(timeout=500)[0] for process in processes]
    assert all(process.returncode == 0 for process in processes)
    assert {line.strip() for line in told} == {'[{"ok": 30}, {"ok": 30}]'}
    assert judge.count.answered == 60, "calls = questions"
    assert max(judge.count.prompts.values()) == 1
    assert bench.states("empathy") == bench.states("topic") == {"ok": 30}
    assert bench.query("SELECT count(*), count(DISTINCT request_hash) FROM judge_answers") == [(60, 60)]
    assert bench.query("SELECT count(*) FROM judge_questions") == [(0,)]


def test_a_run_that_is_killed_leaves_its_questions_to_the_one_that_waits(bench: Any, serve: Serve) -> None:
    hanging = serve(latency=3600)
    bench.configure({})
    bench.talk(10)
    killed = start(bench, hanging, bench.score())
    begin(killed)
    while hanging.count.requests < 4 or bench.query("SELECT count(*) FROM judge_questions") != [(10,)]:
        time.sleep(0.02)
    hanging._latency = lambda: 0.0
    waiting = start(bench, hanging, bench.score())
    begin(waiting)
    time.sleep(1.0)
    asked = hanging.count.requests
    assert asked == 4, "what another process asks is waited for"
    killed.kill()
    killed.communicate()
    assert waiting.communicate(timeout=500)[0].strip() == '[{"ok": 10}]'
    assert hanging.count.answered == 10


def test_what_a_process_asks_is_not_asked_by_another_until_it_is_done_or_void(bench: Any, judge: Any) -> None:
    from pipeline.judge.plan import plan

    bench.ask(judge)
    bench.define(bench.score())
    conversation = _conversation()
    (request,) = plan(bench.settings.models, bench.catalog.metrics, conversation)[0].all_requests
    one, two = (StoreLedger(bench.store, run, Budget()) for run in ("one", "two"))
    assert one.claim([request]).granted == {request.hash}
    assert two.claim([request]).elsewhere == {request.hash}
    one.keep([], [request])
    assert two.claim([request]).granted == {request.hash}
    with bench.store.transaction() as con:
        con.execute("UPDATE judge_questions SET expires_at = ?", [datetime.now(UTC) - timedelta(seconds=1)])
    assert one.claim([request]).granted == {request.hash}, "an expired reservation holds nobody back"
    one.close()
    assert bench.query("SELECT count(*) FROM judge_questions") == [(0,)]


def test_a_dead_process_is_told_from_a_living_one() -> None:
    command = "from pipeline.judge.processes import this_process; print(this_process())"
    dead = subprocess.run(
        [sys.executable, "-c", command], capture_output=True, text=True, check=True, cwd=Path(__file__).parents[2]
    ).stdout.strip()
    assert is_dead(dead)
    assert not is_dead(this_process())
    assert not is_dead("another machine " + dead.partition(" ")[2]), "of another machine nothing is known"


def _conversation() -> Any:
    from pipeline.judge.conversation import Conversation, Turn

    return Conversation("c", (Turn(0, "user", "Hello"),))
