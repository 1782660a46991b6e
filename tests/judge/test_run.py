"""Judged metrics through extraction: asked once, stored once, asked again for nothing."""

from __future__ import annotations

from typing import Any


def test_every_conversation_gets_a_value(bench: Any, judge: Any) -> None:
    bench.ask(judge)
    bench.define(bench.score(), bench.label(), bench.yes_no())
    bench.talk(30)
    report = bench.run()
    assert {outcome.key: outcome.states for outcome in report.outcomes} == dict.fromkeys(
        ("empathy", "topic", "resolved"), {"ok": 30}
    )
    assert judge.count.answered == 90
    assert max(judge.count.prompts.values()) == 1
    value = bench.value("empathy")
    assert 1 <= value["value_number"] <= 10
    assert value["evidence"]["mode"] == "json_schema"
    assert value["evidence"]["quotes"][0]["verified"]
    assert "simulated" in value["model"]
    assert value["tokens_in"] > 0
