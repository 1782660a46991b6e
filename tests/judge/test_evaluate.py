"""`metric-store evaluate`: now, with everything shown and nothing kept."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from pipeline.cli.app import run as command
from pipeline.errors import ExpressionError, JudgeError, UnknownConversationError
from pipeline.extract.on_demand import evaluate_now


@pytest.fixture
def ready(bench: Any, judge: Any) -> Any:
    bench.ask(judge, usd_in=1.0)
    bench.define(bench.score(), bench.label())
    bench.talk(3)
    bench.store.publish()
    return bench


def test_nothing_is_kept(ready: Any, judge: Any) -> None:
    (found,) = evaluate_now(ready.store, ready.catalog, ready.settings, "empathy", ["c0001"], threshold="value >= 1")
    assert found.status == "ok"
    assert found.passed is True
    assert found.cost_usd > 0
    quote = found.evidence["quotes"][0]
    assert quote["verified"]
    assert quote["quote"] in found.turns[quote["turn"]]
    assert ready.query("SELECT count(*) FROM judge_answers") == [(0,)]
    assert ready.query("SELECT count(*) FROM metric_values") == [(0,)]
    ready.run()
    ready.store.publish()
    asked = judge.count.answered
    (again,) = evaluate_now(ready.store, ready.catalog, ready.settings, "empathy", ["c0001"])
    assert again.reused
    assert again.value == found.value
    assert judge.count.answered == asked


def test_another_prompt_and_another_model(ready: Any, judge: Any) -> None:
    arguments = (ready.store, ready.catalog, ready.settings, "empathy", ["c0002"])
    evaluate_now(*arguments, prompt="How kind is the agent?", model="judge-2")
    (request,) = judge.requests
    assert request["model"] == "judge-2"
    assert "How kind is the agent?" in request["messages"][1]["content"]
    assert "empathy" not in request["messages"][1]["content"]


def test_mistakes_are_one_line(ready: Any) -> None:
    arguments = (ready.store, ready.catalog, ready.settings, "empathy")
    with pytest.raises(UnknownConversationError, match="nobody"):
        evaluate_now(*arguments, ["nobody"])
    with pytest.raises(ExpressionError, match="condition"):
        evaluate_now(*arguments, ["c0001"], threshold="import os")
    ready.configure({})
    with pytest.raises(JudgeError, match="No model is configured"):
        evaluate_now(ready.store, ready.catalog, ready.settings, "empathy", ["c0001"])


def test_the_command(ready: Any, judge: Any, monkeypatch: Any, capsys: Any, tmp_path: Path) -> None:
    monkeypatch.setenv("METRIC_STORE_HOME", str(ready.settings.home))
    monkeypatch.setenv("METRIC_STORE_DEFINITIONS", str(ready.settings.definitions))
    monkeypatch.setenv("METRIC_STORE_MODELS__DEFAULT__MODEL", "judge-1")
    monkeypatch.setenv("METRIC_STORE_MODELS__DEFAULT__BASE_URL", judge.base_url)
    assert command(["evaluate", "topic", "c0000", "c0001"]) == 0
    shown = capsys.readouterr().out
    assert "c0000" in shown
    assert "Reasoning: This answer was simulated" in shown
    assert "confidence" in shown
    (tmp_path / "prompt.txt").write_text("How kind?")
    arguments = ["evaluate", "empathy", "c0000", "--prompt", str(tmp_path / "prompt.txt"), "--json"]
    assert command([*arguments, "--threshold", "value > 99"]) == 0
    (found,) = json.loads(capsys.readouterr().out)
    assert found["passed"] is False
    assert command(["evaluate", "empathy", "nobody"]) == 2
