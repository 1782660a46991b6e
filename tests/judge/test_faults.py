"""What servers do to their clients. Every conversation ends in one state; what can heal heals; nothing is lost."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest

from pipeline.sample.judge_faults import Fault
from pipeline.sample.judge_server import SampleJudge

Serve = Callable[..., SampleJudge]
QUARTER = 0.25


def each(*names: Any, times: int | None = 1) -> list[Fault]:
    """Faults that strike different prompts, an equal share each."""
    return [Fault(name, 1 / len(names), at / len(names), times=times) for at, name in enumerate(names)]


TRANSPORT = ("rate_limited", "rate_limited_retry_after", "server_error", "unavailable", "reset", "not_json")
CONTENT = ("malformed", "truncated", "no_choices", "empty", "reasoned_away")


@pytest.mark.parametrize("names", [TRANSPORT, CONTENT], ids=["transport", "content"])
def test_transient_faults_heal_within_the_run(bench: Any, serve: Serve, names: tuple[Any, ...]) -> None:
    judge = serve(faults=each(*names))
    bench.ask(judge)
    bench.define(bench.score())
    bench.talk(60)
    bench.run()
    assert bench.states("empathy") == {"ok": 60}
    assert set(judge.faults.struck) == set(names)
    assert bench.query("SELECT count(*) FROM judge_answers") == [(judge.count.answered,)]


def test_forty_conversations_of_which_some_meet_a_429_are_forty_values(bench: Any, serve: Serve) -> None:
    judge = serve(faults=[Fault("rate_limited", 0.25, times=2)])
    bench.ask(judge)
    bench.define(bench.score())
    bench.talk(40)
    bench.run()
    assert bench.states("empathy") == {"ok": 40}
    assert judge.count.answered == 40
    assert judge.faults.struck["rate_limited"] >= 10


@pytest.mark.parametrize("name", ["no_json_object", "no_max_completion_tokens"])
def test_what_a_server_refuses_is_left_out(bench: Any, serve: Serve, name: Any) -> None:
    judge = serve(faults=[Fault(name, times=None)])
    bench.ask(judge)
    bench.define(bench.score())
    bench.talk(10)
    bench.run()
    assert bench.states("empathy") == {"ok": 10}
    assert judge.count.answered == 10
    mode = "text" if name == "no_json_object" else "json_schema"
    assert bench.value("empathy")["evidence"]["mode"] == mode


@pytest.mark.parametrize("name", ["hang", "trickle"])
def test_slow_answers_are_asked_again(bench: Any, serve: Serve, name: Any) -> None:
    judge = serve(faults=[Fault(name, QUARTER)])
    bench.ask(judge, timeout_seconds=0.5)
    bench.define(bench.score())
    bench.talk(20)
    bench.run()
    assert bench.states("empathy") == {"ok": 20}
    assert judge.faults.struck[name] > 0


def test_a_bad_answer_is_a_state_and_is_not_paid_for_every_hour(bench: Any, serve: Serve) -> None:
    states = {
        "malformed": "parse_error",
        "truncated": "parse_error",
        "empty": "parse_error",
        "no_choices": "parse_error",
        "refusal": "abstained",
        "filtered": "abstained",
        "wrong_type": "wrong_type",
        "huge": "out_of_range",
    }
    judge = serve(faults=each(*states, times=None))
    bench.ask(judge)
    bench.define(bench.score())
    bench.talk(60)
    bench.run()
    expected: Counter[str] = Counter()
    for name, state in states.items():
        paid = 1 if state == "abstained" else 2
        assert judge.faults.struck[name] > 0
        expected[state] += judge.faults.struck[name] // paid
    assert bench.states("empathy") == expected
    assert expected.total() == 60
    answered = judge.count.answered
    bench.run()
    assert judge.count.answered == answered
    assert bench.query("SELECT count(*), count(raw) FROM judge_answers") == [(answered, answered)]


def test_an_unknown_label_is_no_category(bench: Any, serve: Serve) -> None:
    judge = serve(faults=[Fault("unknown_label", times=None)])
    bench.ask(judge)
    bench.define(bench.label(), bench.yes_no())
    bench.talk(5)
    bench.run()
    assert bench.states("topic") == {"unknown_category": 5}
    assert bench.states("resolved") == {"wrong_type": 5}
    assert "no such label" in bench.value("topic")["error"]


@pytest.mark.parametrize("name", ["key_revoked", "no_quota", "unknown_model", "gone"])
def test_an_endpoint_that_fails_halfway_is_given_up_and_the_next_run_heals(
    bench: Any, serve: Serve, name: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("JUDGE_KEY", "sk-very-secret-value-0123456789")
    broken = serve(faults=[Fault(name, times=None, after=20)], latency=0.01)
    bench.ask(broken, key_variable="JUDGE_KEY", retry_seconds=1, max_concurrency=4)
    bench.define(bench.score())
    bench.talk(40)
    bench.run()
    states = bench.states("empathy")
    assert states.keys() == {"ok", "error"}
    assert states.total() == 40
    assert states["ok"] >= 20 - 4, "what was in flight when the server went is lost with it"
    assert broken.count.requests <= 20 + 8, "the rest is not even sent"
    errors = bench.query("SELECT DISTINCT error, attempts FROM metric_values WHERE status = 'error'")
    assert {attempts for _, attempts in errors} == {0}, "the endpoint's fault does not use up a value's tries"
    assert all("sk-" not in error for error, _ in errors)
    whole = serve()
    bench.ask(whole, key_variable="JUDGE_KEY")
    bench.run()
    assert bench.states("empathy") == {"ok": 40}
    assert whole.count.answered == states["error"]


def test_a_server_that_is_not_there_is_said_to_be_unreachable(bench: Any, serve: Serve) -> None:
    judge = serve()
    judge.stop()
    bench.ask(judge, retry_seconds=0)
    bench.define(bench.score())
    bench.talk(2)
    bench.run()
    assert bench.states("empathy") == {"error": 2}
    assert "the connection failed" in bench.value("empathy")["error"]


def test_a_server_on_this_machine_is_not_looked_for_behind_a_proxy(
    bench: Any, serve: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    gone = serve()
    gone.stop()
    for name in ("HTTP_PROXY", "http_proxy"):
        monkeypatch.setenv(name, gone.base_url.removesuffix("/v1"))
    for name in ("NO_PROXY", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
    bench.ask(serve(), retry_seconds=0)
    bench.define(bench.score())
    bench.talk(2)
    bench.run()
    assert bench.states("empathy") == {"ok": 2}


def test_a_question_that_always_fails_fails_alone(bench: Any, serve: Serve) -> None:
    judge = serve(faults=[Fault("server_error", share=0.1, times=None)], latency=0.005)
    bench.ask(judge, retry_seconds=2, max_concurrency=2)
    bench.define(bench.score())
    bench.talk(40)
    bench.run()
    states = bench.states("empathy")
    assert states.total() == 40
    assert 0 < states["error"] < 12
    assert states["ok"] == 40 - states["error"]


def test_capabilities_are_learned_once_and_remembered(bench: Any, serve: Serve) -> None:
    faults = [Fault("no_temperature", times=None), Fault("no_json_schema", times=None)]
    judge = serve(faults=faults)
    bench.ask(judge, max_concurrency=1)
    bench.define(bench.score())
    bench.talk(5)
    bench.run()
    assert judge.faults.struck == {"no_temperature": 1, "no_json_schema": 1}
    assert bench.value("empathy")["evidence"]["mode"] == "json_object"
    bench.talk(5, first=5)
    bench.run()
    assert judge.faults.struck == {"no_temperature": 1, "no_json_schema": 1}
    assert bench.states("empathy") == {"ok": 10}


def test_a_limit_is_found_without_losing_anything(bench: Any, serve: Serve) -> None:
    judge = serve(capacity=6, latency=0.02)
    bench.ask(judge, max_concurrency=64)
    bench.define(bench.score(), bench.label(), bench.yes_no())
    bench.talk(60)
    bench.run()
    assert bench.states("empathy") == bench.states("topic") == bench.states("resolved") == {"ok": 60}
    assert judge.count.answered == 180


def test_the_rate_limit_of_the_settings_is_kept(bench: Any, serve: Serve) -> None:
    judge = serve()
    bench.ask(judge, requests_per_minute=600)
    bench.define(bench.score())
    bench.talk(80)
    report = bench.run()
    assert bench.states("empathy") == {"ok": 80}
    assert report.seconds >= (80 - 60) / 10, "60 at once, then 10 a second"


def test_the_token_limit_of_the_settings_is_kept(bench: Any, serve: Serve) -> None:
    """A tenth of a minute's tokens is sent at once, the rest as they come back."""
    judge = serve()
    bench.ask(judge, tokens_per_minute=1_200_000, max_output_tokens=4096)
    bench.define(bench.score())
    bench.talk(40)
    report = bench.run()
    assert bench.states("empathy") == {"ok": 40}
    assert judge.count.answered == 40
    assert report.seconds >= (40 * 4096 - 120_000) / 20_000, "120,000 at once, then 20,000 a second"
