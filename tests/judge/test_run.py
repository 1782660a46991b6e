"""Judged metrics through extraction: asked once, stored once, asked again for nothing."""

from __future__ import annotations

import os
import resource
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from pipeline.errors import StoreUnavailableError
from pipeline.sample.judge_server import SampleJudge
from pipeline.window import Window

Serve = Callable[..., SampleJudge]


def test_every_conversation_gets_a_value(bench: Any, judge: Any) -> None:
    bench.ask(judge, usd_in=1.0, usd_out=4.0)
    bench.define(bench.score(), bench.label(), bench.yes_no())
    bench.talk(30)
    report = bench.run()
    assert {outcome.key: outcome.states for outcome in report.outcomes} == {
        key: {"ok": 30} for key in ("empathy", "topic", "resolved")
    }
    assert judge.count.answered == 90
    assert max(judge.count.prompts.values()) == 1
    assert sum(outcome.calls for outcome in report.outcomes) == 90
    value = bench.value("empathy")
    assert 1 <= value["value_number"] <= 10
    assert value["evidence"]["mode"] == "json_schema"
    assert value["evidence"]["quotes"][0]["verified"]
    assert "simulated" in value["model"]
    assert value["tokens_in"] > 0
    ((rows, ledger, money),) = bench.query(
        "SELECT (SELECT sum(cost_usd) FROM metric_values), (SELECT sum(cost_usd) FROM extraction_runs), "
        "(SELECT sum(cost_usd) FROM judge_answers)"
    )
    assert rows == pytest.approx(money)
    assert ledger == pytest.approx(money)


def test_the_second_hour_asks_only_about_what_is_new(bench: Any, judge: Any) -> None:
    bench.ask(judge)
    bench.define(bench.score(), bench.label())
    bench.talk(30)
    bench.run()
    assert judge.count.answered == 60
    bench.run()
    assert judge.count.answered == 60
    bench.talk(20, first=30)
    later = Window.ending(bench.WINDOW.end + timedelta(hours=1))
    bench.run(window=later, now=later.end + timedelta(minutes=5))
    assert judge.count.answered == 60 + 2 * 20
    assert bench.states("empathy") == {"ok": 50}


def test_a_rename_costs_nothing_and_a_new_prompt_its_own_calls(bench: Any, judge: Any) -> None:
    bench.ask(judge)
    bench.define(bench.score(), bench.label())
    bench.talk(10)
    bench.run()
    bench.define(bench.score("warmth", ai_query_prompt=bench.score()["ai_query_prompt"], unit="points"), bench.label())
    bench.run()
    assert judge.count.answered == 20
    assert bench.states("warmth") == {"ok": 10}
    bench.define(bench.score("warmth", ai_query_prompt="How warm is the agent?"), bench.label())
    bench.run()
    assert judge.count.answered == 30


def test_one_question_of_several_metrics_is_asked_once(bench: Any, judge: Any) -> None:
    fields = {"extraction_mode": "ai_extract", "ai_labels": ["customer", "amount"], "ai_query_prompt": None}
    text = {"metric_type": "categorical", "valid_range_min": None, "valid_range_max": None, "aggregation": "count"}
    judge.mind.answer = _answer(
        '{"applicability": "answered", "reasoning": "r", "evidence": [], "confidence": 0.9, '
        '"value": [{"field": "customer", "value": "Ann"}, {"field": "amount", "value": 7}]}'
    )
    bench.ask(judge)
    bench.define(
        bench.score("amount", extract_path="$.amount", **fields),
        bench.score("customer", extract_path="$.customer", **fields, **text),
    )
    bench.talk(6)
    bench.run()
    assert judge.count.answered == 6
    assert bench.value("amount")["value_number"] == 7
    assert bench.value("customer")["value_text"] == "Ann"
    assert bench.value("amount")["tokens_in"] + bench.value("customer")["tokens_in"] == judge.count.tokens // 6


def _answer(content: str) -> Callable[..., Any]:
    from pipeline.sample.judge_mind import Simulated

    return lambda user, independent=False: Simulated(content, None)


def test_metrics_of_a_conversation_share_their_prefix(bench: Any, judge: Any) -> None:
    bench.ask(judge)
    bench.define(*(bench.score(f"quality_{index}") for index in range(10)))
    bench.talk(12, words=1500)
    bench.run()
    assert judge.count.answered == 120
    assert judge.count.repeated / judge.count.tokens >= 0.7
    ((cached, tokens),) = bench.query("SELECT sum(tokens_cached), sum(tokens_in) FROM judge_answers")
    assert cached / tokens >= 0.7
    keys = {request["prompt_cache_key"] for request in judge.requests}
    assert len(keys) == 12
    starts = {request["messages"][1]["content"].partition("Question:")[0] for request in judge.requests}
    assert len(starts) == 12
    formats = {str(request["response_format"]) for request in judge.requests}
    assert len(formats) == 1


def test_repeats_are_independent_answers_and_their_majority(bench: Any, judge: Any) -> None:
    bench.ask(judge)
    bench.define(bench.score(repeat=5), bench.label(repeat=3))
    bench.talk(4)
    bench.run()
    assert judge.count.answered == 4 * 8
    assert {request["temperature"] for request in judge.requests} == {1.0}
    samples = bench.query(
        "SELECT sample_index, value_number FROM metric_values WHERE metric_key = 'empathy' AND entity_id = 'c0000' "
        "ORDER BY sample_index"
    )
    assert [index for index, _ in samples] == [0, 1, 2, 3, 4, 5]
    numbers = [number for _, number in samples[1:]]
    assert samples[0][1] == pytest.approx(sum(numbers) / 5)
    assert 0 <= bench.value("empathy")["confidence"] <= 1
    bench.run()
    assert judge.count.answered == 4 * 8


def test_values_below_the_conversation_are_folded(bench: Any, judge: Any) -> None:
    scale = {"min": 0, "max": 10, "bands": [{"range_min": 0, "range_max": 10, "label": "any"}]}
    bench.ask(judge)
    bench.define(
        bench.score("per_turn", scope="turn", participant_role="agent", fold="min", scale=scale),
        bench.yes_no("per_participant", scope="participant", fold="all"),
    )
    bench.talk(3)
    bench.run()
    assert judge.count.answered == 3 * (1 + 2), "one call for all turns, one for each participant"
    turns = bench.query(
        "SELECT segment_from, value_number FROM metric_values WHERE metric_key = 'per_turn' AND entity_id = 'c0000' "
        "AND segment_from IS NOT NULL ORDER BY 1"
    )
    assert len(turns) == 2
    assert bench.value("per_turn")["value_number"] == min(value for _, value in turns)
    assert bench.value("per_turn")["evidence"]["band"] == "any"
    people = bench.query(
        "SELECT participant, value_boolean FROM metric_values WHERE metric_key = 'per_participant' "
        "AND entity_id = 'c0000' AND participant IS NOT NULL ORDER BY 1"
    )
    assert len(people) == 2
    assert bench.value("per_participant")["value_boolean"] == all(value for _, value in people)


def test_without_a_model_the_rest_runs(bench: Any) -> None:
    turns = {"extraction_mode": "static", "extract_path": "$.n", "ai_query_prompt": None}
    bench.define(bench.score(), bench.score("turns", **turns, valid_range_min=None, valid_range_max=None))
    bench.talk(5)
    report = bench.run()
    states = {outcome.key: outcome.states for outcome in report.outcomes}
    assert states == {"turns": {"missing": 5}, "empathy": {"no_model": 5}}
    assert not report.failed


def test_a_key_that_is_not_set_is_said_before_anything_is_sent(bench: Any, judge: Any) -> None:
    bench.ask(judge, key_variable="NO_SUCH_KEY")
    bench.define(bench.score())
    bench.talk(3)
    bench.run()
    assert bench.states("empathy") == {"error": 3}
    assert "NO_SUCH_KEY is not set" in bench.value("empathy")["error"]
    assert judge.count.requests == 0


def test_the_client_is_not_imported_before_it_is_needed() -> None:
    code = "import sys, pipeline.definitions, pipeline.extract.judged; assert 'openai' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True, cwd=Path(__file__).parents[2])


def test_a_model_that_is_configured_later_fills_the_gap(bench: Any, judge: Any) -> None:
    bench.define(bench.score())
    bench.talk(5)
    bench.run()
    bench.ask(judge)
    bench.run()
    assert bench.states("empathy") == {"ok": 5}


def test_the_budget_serves_the_newest_and_the_rest_later(bench: Any, judge: Any) -> None:
    bench.ask(judge, budget={"calls_per_run": 12})
    bench.define(bench.score(), bench.label())
    bench.talk(10)
    report = bench.run()
    assert judge.count.answered == 12
    states = {outcome.key: outcome.states for outcome in report.outcomes}
    assert states == {"empathy": {"ok": 6, "over_budget": 4}, "topic": {"ok": 6, "over_budget": 4}}
    bench.run()
    assert judge.count.answered == 20
    assert bench.states("empathy") == bench.states("topic") == {"ok": 10}
    assert bench.query("SELECT count(*) FROM judge_reservations") == [(0,)]


def test_a_budget_in_money_is_used_up_and_not_overdrawn(bench: Any, judge: Any) -> None:
    bench.ask(judge, usd_in=10.0, usd_out=10.0, max_output_tokens=400, budget={"usd_per_day": 0.15})
    bench.define(bench.score())
    bench.talk(40)
    bench.run()
    ((spent, count),) = bench.query("SELECT sum(cost_usd), count(*) FROM judge_answers")
    each = spent / count
    assert spent <= 0.15
    assert spent + 3 * each + 0.004 > 0.15, "what was held back and not needed is spent on others"
    assert bench.states("empathy") == {"ok": count, "over_budget": 40 - count}


def test_a_server_that_bills_more_than_was_expected_ends_the_asking(bench: Any, serve: Serve) -> None:
    """The overrun is at most what the calls in flight cost beyond what was held back for them."""
    import json

    from pipeline.sample.judge_server import Reply

    judge = serve()
    body = {"choices": [{"message": {"content": "7"}}], "usage": {"prompt_tokens": 10_000, "completion_tokens": 10}}
    judge.scripted = lambda _: Reply(200, json.dumps(body).encode())
    bench.ask(judge, usd_in=10.0, usd_out=10.0, max_output_tokens=100, max_concurrency=3, budget={"usd_per_day": 1.0})
    bench.define(bench.score())
    bench.talk(60)
    bench.run()
    ((spent, count),) = bench.query("SELECT sum(cost_usd), count(*) FROM judge_answers")
    held = 60 * 0.0095  # for what was not asked yet: 820 estimated tokens and 100 of an answer each
    assert 1.0 - held <= spent <= 1.0 + 3 * 0.1001
    assert bench.states("empathy") == {"ok": count, "over_budget": 60 - count}
    assert bench.query("SELECT count(*) FROM judge_questions") == [(0,)]
    assert bench.query("SELECT min(tokens_estimated) > 0 FROM judge_answers") == [(True,)]


def test_an_interrupt_keeps_every_finished_answer(bench: Any, serve: Serve) -> None:
    judge = serve(latency=0.05)
    bench.ask(judge, max_concurrency=4)
    bench.define(bench.score())
    bench.talk(100)

    def interrupt() -> None:
        while judge.count.answered < 20:
            time.sleep(0.01)
        os.kill(os.getpid(), signal.SIGINT)

    threading.Thread(target=interrupt, daemon=True).start()
    with pytest.raises(KeyboardInterrupt):
        bench.run()
    ((kept,),) = bench.query("SELECT count(*) FROM judge_answers")
    assert judge.count.answered - 4 <= kept < 100
    first = judge.count.answered
    bench.run()
    assert bench.states("empathy") == {"ok": 100}
    assert judge.count.answered == first + 100 - kept


def test_a_full_disk_stops_the_run_and_repeats_only_what_was_not_stored(bench: Any, serve: Serve) -> None:
    """A limit of the size of files stands in for the disk."""
    unlimited = resource.getrlimit(resource.RLIMIT_FSIZE)

    def fill_the_disk_halfway() -> float:
        if judge.count.answered == 60:
            resource.setrlimit(resource.RLIMIT_FSIZE, (1, unlimited[1]))
        return 0.0

    judge = serve(latency=fill_the_disk_halfway)
    bench.ask(judge, max_concurrency=4, write_batch=16)
    bench.define(bench.score())
    bench.talk(120)
    try:
        with pytest.raises(StoreUnavailableError):
            bench.run()
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, unlimited)
    paid = judge.count.answered
    assert paid < 120, "nothing more is asked than can be stored"
    ((stored,),) = bench.query("SELECT count(*) FROM judge_answers")
    assert paid - stored <= 4 + 16
    judge.count.answered = 61  # so that the disk stays as it is
    bench.run()
    assert bench.states("empathy") == {"ok": 120}
    assert judge.count.answered - 61 == 120 - stored


KILLED = """
import sys
from pathlib import Path
from pipeline.catalog import load_catalog
from pipeline.extract import extract
from pipeline.settings import Settings
from pipeline.store import Store
from tests_judge_conftest import WINDOW, score
from datetime import timedelta

home, url = Path(sys.argv[1]), sys.argv[2]
endpoint = {"model": "judge-1", "base_url": url, "max_concurrency": 16}
models = {"default": endpoint, "write_batch": 50}
settings = Settings(home=home, definitions=home / "none", cap=2000, threads=1, models=models)
catalog = load_catalog(settings, api_definitions=[score()])
extract(Store(settings), catalog, settings, WINDOW, keys=["empathy"], now=WINDOW.end + timedelta(minutes=5))
"""


def test_after_a_kill_nothing_that_was_stored_is_paid_for_again(bench: Any, serve: Serve, tmp_path: Path) -> None:
    """The bound: what was in flight (concurrency) and what was not yet written (write_batch)."""
    judge = serve(latency=0.002)
    bench.talk(2000, words=0)
    script = tmp_path / "killed.py"
    script.write_text(KILLED)
    (tmp_path / "tests_judge_conftest.py").write_text(Path(__file__).with_name("conftest.py").read_text())
    command = [sys.executable, str(script), str(bench.settings.home), judge.base_url]
    process = subprocess.Popen(command, env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])})
    while judge.count.answered < 700:
        assert process.poll() is None
        time.sleep(0.005)
    process.kill()
    process.wait()
    time.sleep(0.2)
    paid = judge.count.answered
    assert paid < 2000
    ((stored,),) = bench.query("SELECT count(*) FROM judge_answers")
    assert paid - stored <= 16 + 50
    subprocess.run(command, env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}, check=True)
    assert bench.states("empathy") == {"ok": 2000}
    assert judge.count.answered - 2000 == paid - stored
    assert sum(count - 1 for count in judge.count.prompts.values()) == paid - stored
