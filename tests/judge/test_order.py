"""In which order questions go out, and what waits for what."""

from __future__ import annotations

from collections.abc import Callable
from itertools import count
from typing import Any

import pytest

from pipeline.judge import engine
from pipeline.sample.judge_faults import Fault
from pipeline.sample.judge_server import SampleJudge

Serve = Callable[..., SampleJudge]


def test_a_conversation_that_was_begun_is_finished_first(bench: Any, serve: Serve) -> None:
    """Its other questions, and those that are tried again, overtake what has never been asked."""
    judge = serve(faults=[Fault("server_error", 0.2)], latency=0.01)
    judge.keep_requests = True
    bench.ask(judge, max_concurrency=4)
    bench.define(bench.score(), bench.label(), bench.yes_no())
    bench.talk(150)
    bench.run()
    assert bench.states("empathy") == bench.states("topic") == bench.states("resolved") == {"ok": 150}
    asked = [request["prompt_cache_key"] for request in judge.requests]
    assert len(asked) > 450
    spans = sorted(len(asked) - 1 - asked[::-1].index(key) - asked.index(key) for key in set(asked))
    # If what is new went first, 300 requests would lie between the first and the last of a conversation.
    assert spans[75] < 150, f"{spans[75]}: a few conversations are under way at once, not all 150"


def test_a_slow_answer_holds_up_its_own_conversation_only(
    bench: Any, serve: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engine, "_HAND_OVER_SECONDS", 0.05)
    numbers = count()
    judge = serve(latency=lambda: 2.0 if next(numbers) == 3 else 0.0)
    bench.ask(judge, max_concurrency=8)
    bench.define(bench.score())
    bench.talk(40)
    done: list[int] = []
    bench.run(on_judged=lambda counters: done.append(counters.done))
    assert 39 in done, "the others were handed over while one was waited for"
    assert done[-1] == 40
    assert bench.states("empathy") == {"ok": 40}
