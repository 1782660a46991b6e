"""Derived fields of the summary and facts of turns: one small conversation for each rule, all ingested at once."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

Found = Callable[[str], tuple[dict[str, Any], list[dict[str, Any]]]]


def at(second: float | None, kind: str, sequence: int | None = None, **data: Any) -> dict[str, Any]:
    """One event, so many seconds after ten o'clock; `sequence` orders events of one instant."""
    instant = None if second is None else f"2026-01-05T10:{int(second // 60):02d}:{second % 60:09.6f}Z"
    return {"event_type": kind, "occurred_at": instant, "sequence": sequence, "data": data}


def voice(*events: dict[str, Any], **fields: Any) -> list[dict[str, Any]]:
    """A call that begins at ten o'clock."""
    return [{"channel": "voice", **fields, **event} for event in (at(0, "session.start"), *events)]


def text(*events: dict[str, Any]) -> list[dict[str, Any]]:
    """A chat."""
    return [{"channel": "text", **event} for event in events]


def row(**data: Any) -> dict[str, Any]:
    """A provided summary."""
    return at(59, "call_intelligence.row", **data)


TALK = [at(1, "user.turn", text="Hello there", duration_ms=1000), at(3, "agent.turn", text="Hi!", duration_ms=2000)]
TOOL = [at(1, "tool.call", 1, name="find"), at(1, "tool.result", 2, name="find", succeeded=True)]
PARTS = {"agent.turn": "I cannot find that booking", "again": "I CANNOT find that booking!"}
CALLS: dict[str, list[dict[str, Any]]] = {
    "plain": voice(*TALK, at(10, "session.end")),
    "no duration": voice(at(1, "user.turn", text="Hello"), at(3, "agent.turn", text="Hi"), at(4, "session.end")),
    "one unknown duration": voice(*TALK, at(8, "user.turn", text="So?")),
    "one unknown instant": voice(*TALK, at(None, "user.turn", text="So?", duration_ms=300)),
    "absurd duration": voice(at(1, "user.turn", duration_ms=-5), at(2, "user.turn", duration_ms="90")),
    "speech only": voice(at(1, "agent.speech", duration_ms=500), at(1.5, "agent.speech", duration_ms=500)),
    "last word after the last event": voice(at(5, "agent.turn", duration_ms=4000)),
    "long pause": voice(at(1, "user.turn", duration_ms=1000), at(9, "agent.turn", duration_ms=500)),
    "system": voice(at(0, "system.turn", text="Be kind."), *TALK),
    "chat": text(at(0, "user.turn", 1, text="a"), at(4, "agent.turn", 2, text="b"), at(4, "agent.turn", 3, text="c"),
                 at(9, "user.turn", 4, text="d"), at(9, "agent.turn", 5, text="e")),
    "overlapping answer": voice(at(1, "user.turn", duration_ms=2000), at(2.9, "agent.turn", duration_ms=900)),
    "given response": voice(at(1, "user.turn", text="x"), at(2, "agent.turn", text="y", response_ms=640)),
    "barge-in": voice(at(1, "agent.turn", duration_ms=3000), at(3, "user.turn", duration_ms=2500)),
    "failed barge-in": voice(at(1, "agent.turn", duration_ms=9000), at(3, "user.turn", duration_ms=2500)),
    "back-channel": voice(at(1, "agent.turn", duration_ms=9000), at(3, "user.turn", duration_ms=400)),
    "change of speakers": voice(at(1, "agent.turn", duration_ms=3000), at(3.9, "user.turn", duration_ms=2500)),
    "begin together": voice(at(1, "agent.turn", duration_ms=3000), at(1.1, "user.turn", duration_ms=4500)),
    "agent cuts in": voice(at(1, "user.turn", duration_ms=3000), at(2, "agent.turn", duration_ms=4000)),
    "flagged": voice(at(1, "agent.turn", duration_ms=3000, interrupted=True), at(3.9, "user.turn", duration_ms=900)),
    "flagged false": voice(
        at(1, "agent.turn", duration_ms=3000, interrupted=False), at(2, "user.turn", duration_ms=2500)
    ),
    "states": text(*(at(i, k, i, text=f"{i}", state=s) for i, (k, s) in enumerate([
        ("agent.turn", "a"), ("user.turn", "a"), ("agent.turn", "a"), ("agent.turn", "a"), ("agent.turn", "b"),
        ("user.turn", "b"), ("agent.turn", "a")]))),
    "repetition": text(at(0, "agent.turn", 1, text=PARTS["agent.turn"]), at(1, "agent.turn", 2, text=PARTS["again"]),
                       at(2, "agent.turn", 3, text="Okay."), at(3, "agent.turn", 4, text="Wait."),
                       at(4, "agent.turn", 5, text="okay"), at(5, "agent.turn", 6, text=PARTS["agent.turn"])),
    "spikes": text(*(at(i, "agent.turn", i, text="x", audio_ttfb_ms=m) for i, m in enumerate([9, 14, 3000, 2999, 8]))),
    "tools": text(*TOOL, at(2, "tool.call", name="book", call_id="7"), at(2.5, "tool.result", call_id="7", error="a"),
                  at(3, "tool.call", name="find"), at(4, "tool.result", name="find", error=False, duration_ms=20)),
    "tools, outcome unknown": text(at(1, "tool.call", name="find"), at(1, "tool.result", name="find", result=[])),
    "provided tools": text(*TOOL, row(tool_summary={"total_calls": 8, "failed": 2})),
    "wrong types": text(*TOOL, *TALK, at(9, "session.end"), row(
        tool_summary={"total_calls": "many", "failed": [1]}, conversation_summary="short", quality_score="good",
        latency_summary={"silence_ratio": True}, operator_summary={"escalated": "no"}, duration_seconds=None,
        provenance={"x": 1}, emotion_summary=[], risk_summary={"composite_score": {}})),
    "odd names": text(row(**{"a.b": 1, "a": {"b": 2, "c/~": 3}, "conversation_summary": {"turn_count": 2}}), *TALK),
    "summary only": [row(quality_score=80, tool_summary={"failed": 2})],
    "completion": text(at(1, "session.end", completion_reason="completed", reason="no"), at(0, "user.turn", text="a")),
    "reason": text(at(1, "session.end", reason="voicemail")),
    "transferred": text(at(1, "transfer.requested", reason="billing"), at(2, "transfer.completed")),
    "warm transfer": text(at(1, "transfer.completed"), at(5, "operator.turn", text="Hi")),
    "transfer failed": text(at(1, "call.escalated", trigger="caller"), at(2, "transfer.failed"), at(3, "session.end")),
    "nobody heard": voice(at(1, "agent.turn", text="Hello?"), at(9, "session.end"), direction="inbound"),
    "ended": text(at(0, "user.turn", text="Hi"), at(1, "agent.turn", text="Hi"), at(2, "session.end")),
    "emotion": voice(*(at(i, "emotion.segment", dominant=d, valence=v, arousal=0.5) for i, (d, v) in enumerate([
        ("calm", 0.4), ("angry", -0.6), ("angry", 7), ("calm", None)])), at(9, "user.turn", emotion_label="glad")),
    "emotion of turns": text(at(1, "user.turn", emotion_label="glad", sentiment_label="positive"),
                             at(2, "user.turn", emotion_valence=-0.2, sentiment=-0.5),
                             at(3, "agent.turn", sentiment_label="mixed")),
    "risk": text(at(1, "risk.signal", name="x", raw_score=0.9),
                 at(2, "risk.signal", name="x", raw_score=0.4, weight=0.5),
                 at(3, "risk.signal", name="y", raw_score=0.1), at(4, "safety.flag", name="r", action="stop"),
                 at(5, "safety.flag", action="stop", severity="critical")),
    "usage": text(at(1, "agent.turn", text="x", tokens_in=10, tokens_out=3, cost_usd=0.5, model="m1"),
                  at(2, "user.turn", text="y", cost_usd=4, tokens_in=999), at(3, "model.call", model="m2", tokens_in=5,
                  duration_ms=300), row(cost_usd=77)),
}  # fmt: skip


@pytest.fixture(scope="module")
def found(new_pipe: Any, tmp_path_factory: pytest.TempPathFactory) -> Found:
    pipe = new_pipe(tmp_path_factory.mktemp("derived"))
    pipe.write(
        "a.ndjson",
        *(
            {"event_id": f"{key}/{number:02d}", "conversation_id": key, **event}
            for key, events in CALLS.items()
            for number, event in enumerate(events)
        ),
    )
    assert not pipe.ingest().rejected_count
    rows = {
        key: (json.loads(summary), [json.loads(turn["data"]) for turn in turns])
        for key, summary, turns in pipe.rows("SELECT conversation_id, intelligence, turns FROM conversations")
    }
    return lambda key: rows[key]


ABSENT = object()


@pytest.mark.parametrize(
    ("key", "path", "value"),
    [
        ("plain", "conversation_summary.agent_talk_seconds", 2.0),
        ("plain", "conversation_summary.user_words_per_minute", 120.0),
        ("plain", "conversation_summary.talk_to_listen_ratio", 2.0),
        ("plain", "conversation_summary.barge_in_count", 0),
        ("plain", "latency_summary.p95_response_ms", 1000.0),
        ("plain", "latency_summary.agent_time_to_first_word_ms", 3000.0),
        ("plain", "latency_summary.silence_ratio", 0.7),
        ("plain", "latency_summary.longest_pause_seconds", 1.0),
        ("no duration", "conversation_summary.talk_seconds", ABSENT),
        ("no duration", "conversation_summary.barge_in_count", ABSENT),
        ("no duration", "latency_summary.response_count", ABSENT),
        ("no duration", "conversation_summary.word_count", 2),
        ("one unknown duration", "conversation_summary.agent_talk_seconds", ABSENT),
        ("one unknown duration", "conversation_summary.max_agent_turn_seconds", 2.0),
        ("one unknown duration", "conversation_summary.max_user_turn_seconds", ABSENT),
        ("one unknown instant", "latency_summary.silence_seconds", ABSENT),
        ("one unknown instant", "conversation_summary.turn_count", 3),
        ("absurd duration", "conversation_summary.talk_seconds", ABSENT),
        ("speech only", "conversation_summary.agent_talk_seconds", 1.0),
        ("speech only", "conversation_summary.agent_run_count", 1),
        ("speech only", "conversation_summary.word_count", ABSENT),
        ("last word after the last event", "duration_seconds", 9.0),
        ("system", "conversation_summary.turn_count", 2),
        ("system", "conversation_summary.word_count", 3),
        ("chat", "latency_summary.response_count", 2),
        ("chat", "latency_summary.max_response_ms", 4000.0),
        ("chat", "latency_summary.max_user_response_ms", 5000.0),
        ("chat", "conversation_summary.talk_seconds", ABSENT),
        ("chat", "latency_summary.silence_ratio", ABSENT),
        ("overlapping answer", "latency_summary.response_count", 0),
        ("overlapping answer", "latency_summary.avg_response_ms", ABSENT),
        ("given response", "latency_summary.avg_response_ms", 640.0),
        ("barge-in", "conversation_summary.barge_in_count", 1),
        ("barge-in", "conversation_summary.failed_barge_in_ratio", 0.0),
        ("barge-in", "conversation_summary.max_agent_stop_ms", 1000.0),
        ("barge-in", "conversation_summary.barge_in_overlap_seconds", 1.0),
        ("barge-in", "conversation_summary.first_interruption_seconds", 3.0),
        ("barge-in", "conversation_summary.avg_pre_interruption_seconds", 2.0),
        ("failed barge-in", "conversation_summary.failed_barge_in_count", 1),
        ("failed barge-in", "conversation_summary.max_agent_stop_ms", ABSENT),
        ("back-channel", "conversation_summary.interruption_count", 0),
        ("back-channel", "conversation_summary.user_backchannel_count", 1),
        ("change of speakers", "conversation_summary.interruption_count", 0),
        ("change of speakers", "conversation_summary.overtalk_seconds", 0.1),
        ("begin together", "conversation_summary.interruption_count", 0),
        ("agent cuts in", "conversation_summary.agent_interruption_count", 1),
        ("agent cuts in", "conversation_summary.avg_user_stop_ms", 2000.0),
        ("flagged", "conversation_summary.barge_in_count", 1),
        ("flagged false", "conversation_summary.barge_in_count", 0),
        ("states", "conversation_summary.states_visited_count", 3),
        ("states", "conversation_summary.unique_states", 2),
        ("states", "conversation_summary.state_revisit_count", 1),
        ("states", "conversation_summary.state_repeat_count", 1),
        ("states", "conversation_summary.loop_count", 2),
        ("states", "final_state", "a"),
        ("repetition", "conversation_summary.repeated_agent_turn_count", 2),
        ("repetition", "conversation_summary.repetition_ratio", 2 / 6),
        ("repetition", "conversation_summary.utterance_loop_count", 1),
        ("repetition", "conversation_summary.loop_count", ABSENT),
        ("spikes", "latency_summary.latency_spike_count", 1),
        ("long pause", "latency_summary.latency_spike_count", 0),
        ("long pause", "latency_summary.longest_pause_seconds", 7.0),
        ("long pause", "latency_summary.long_pause_count", 1),
        ("tools", "tool_summary.total_calls", 3),
        ("tools", "tool_summary.failed", 1),
        ("tools", "tool_summary.max_duration_ms", 500.0),
        ("tools", "tool_summary.sequence", ["find", "book", "find"]),
        ("tools, outcome unknown", "tool_summary.failed", ABSENT),
        ("tools, outcome unknown", "tool_summary.failure_rate", ABSENT),
        ("tools, outcome unknown", "tool_summary.avg_duration_ms", ABSENT),
        ("provided tools", "tool_summary.failure_rate", 0.25),
        ("provided tools", "provenance.tool_summary.failed", "provided"),
        ("provided tools", "provenance.tool_summary.failure_rate", "derived"),
        ("wrong types", "tool_summary.total_calls", "many"),
        ("wrong types", "tool_summary.failure_rate", ABSENT),
        ("wrong types", "conversation_summary", "short"),
        ("wrong types", "quality_breakdown", ABSENT),
        ("wrong types", "provenance.x", ABSENT),
        ("odd names", "provenance.a", "provided"),
        ("summary only", "conversation_summary", ABSENT),
        ("summary only", "tool_summary", {"failed": 2}),
        ("summary only", "provenance.conversation_summary", "unknown"),
        ("completion", "completion_reason", "completed"),
        ("reason", "completion_reason", "voicemail"),
        ("transferred", "completion_reason", "transferred"),
        ("transferred", "operator_summary.transfer_outcome", "completed"),
        ("transferred", "operator_summary.escalation_reason", "billing"),
        ("warm transfer", "completion_reason", "warm_transfer_completed"),
        ("warm transfer", "operator_summary.operator_wait_seconds", 4.0),
        ("transfer failed", "operator_summary.operator_active", False),
        ("transfer failed", "operator_summary.escalation_trigger", "caller"),
        ("transfer failed", "completion_reason", "escalated"),
        ("nobody heard", "completion_reason", "no_inbound_audio"),
        ("ended", "completion_reason", ABSENT),
        ("ended", "provenance.completion_reason", "unknown"),
        ("ended", "operator_summary.escalated", False),
        ("ended", "operator_summary.operator_active", ABSENT),
        ("emotion", "emotion_summary.dominant_emotion", "calm"),
        ("emotion", "emotion_summary.average_valence", -0.1),
        ("emotion", "emotion_summary.peak_negative_valence", -0.6),
        ("emotion", "emotion_summary.emotional_shifts", 2),
        ("emotion of turns", "emotion_summary.dominant_emotion", "glad"),
        ("emotion of turns", "emotion_summary.average_user_sentiment", 0.25),
        ("emotion of turns", "emotion_summary.average_agent_sentiment", 0.0),
        ("emotion of turns", "emotion_summary.negative_user_turn_ratio", 0.5),
        ("risk", "risk_summary.composite_score", 0.3),
        ("risk", "risk_summary.level", "medium"),
        ("risk", "safety_summary", {"match_count": 2, "actions": ["stop"]}),
        ("usage", "usage_summary.tokens_in", 15),
        ("usage", "usage_summary.cost_usd", 0.5),
        ("usage", "usage_summary.user_cost_usd", 4.0),
        ("usage", "usage_summary.models", ["m1", "m2"]),
        ("usage", "usage_summary.avg_model_call_ms", 300.0),
        ("plain", "safety_summary", ABSENT),
        ("plain", "usage_summary", ABSENT),
    ],
)
def test_a_field_is_what_the_page_defines(found: Found, key: str, path: str, value: object) -> None:
    node: Any = found(key)[0]
    for name in [path.removeprefix("provenance.")] if path.startswith("provenance.") else path.split("."):
        node = node["provenance"] if path.startswith("provenance.") else node
        node = node.get(name, ABSENT) if isinstance(node, dict) else ABSENT
    if isinstance(value, float):
        assert node == pytest.approx(value)
    else:
        assert node == value if value is not ABSENT else node is ABSENT


def test_the_score_is_what_its_components_leave(found: Found) -> None:
    summary, _ = found("wrong types")
    assert summary["quality_score"] == "good"
    summary, _ = found("plain")
    parts = {part["name"]: part for part in summary["quality_breakdown"]["components"]}
    assert {name: part["penalty"] for name, part in parts.items()} == {
        "latency": 0, "silence": 20, "barge_ins": 0, "loops": 0, "escalation": 0, "tool_failures": 0,
    }  # fmt: skip
    assert parts["silence"] | {"value": 0.7} == {
        "name": "silence", "value": 0.7, "threshold": 0.3, "penalty": 20, "severity": "critical",
    }  # fmt: skip
    assert summary["quality_score"] == summary["quality_breakdown"]["score"] == 80


def test_moments_come_in_order_of_time_without_words_of_the_transcript(found: Found) -> None:
    moments = [moment for key in CALLS for moment in found(key)[0].get("key_moments", [])]
    assert {moment["type"] for moment in moments} == {
        "silence", "barge_in", "loop", "tool_failure", "escalation", "safety_flag", "elevated_risk",
        "latency_spike",
    }  # fmt: skip
    assert not any("booking" in moment["description"] for moment in moments)
    summary, _ = found("risk")
    assert [(moment["type"], moment["severity"], moment["at_seconds"]) for moment in summary["key_moments"]] == [
        ("elevated_risk", "warning", 2.0),
        ("safety_flag", "warning", 3.0),
        ("safety_flag", "error", 4.0),
    ]


def test_facts_of_turns_are_named_and_never_replace_what_was_given(found: Found) -> None:
    _, turns = found("plain")
    assert turns[1] == {
        "text": "Hi!", "duration_ms": 2000, "word_count": 1, "words_per_minute": 30.0, "response_ms": 1000.0,
        "pause_before_ms": 1000.0, "overlap_ms": 0.0, "interrupts": False, "repeats": False,
        "derived_fields": ["word_count", "words_per_minute", "response_ms", "pause_before_ms", "overlap_ms",
                           "interrupts", "repeats"],
    }  # fmt: skip
    _, turns = found("given response")
    assert turns[1]["response_ms"] == 640
    assert "response_ms" not in turns[1]["derived_fields"]
    _, turns = found("barge-in")
    assert [(turn["interrupts"], turn["overlap_ms"]) for turn in turns] == [(False, 1000.0), (True, 1000.0)]
    _, turns = found("system")
    assert turns[0] == {"text": "Be kind."}
