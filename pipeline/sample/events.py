"""From a dialogue to canonical events: instants, latencies, emotion, the call-intelligence row."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any

from pipeline.sample.dialogue import Dialogue, Tool, Turn
from pipeline.sample.summary import Observed

Event = dict[str, Any]
EMOTIONS = {"calm": ("calm", 0.15, 0.3), "pleased": ("satisfied", 0.6, 0.45)}
EMOTIONS |= {"frustrated": ("frustrated", -0.55, 0.7), "anxious": ("anxious", -0.35, 0.65)}
MODEL = "clinic-voice-1"
USD_IN, USD_CACHED, USD_OUT = 0.40, 0.10, 1.60  # for a million tokens
TOKENS_PER_WORD = 4 / 3
INSTRUCTION_TOKENS = 1_200


@dataclass
class Recorder:
    """Writes the events of one conversation, numbered in order."""

    conversation_id: str
    common: dict[str, Any]
    events: list[Event] = field(default_factory=list)

    def emit(self, event_type: str, at: datetime, domain: str = "conversation", **rest: Any) -> None:
        """Add one event; `rest` is `participant` and `data`."""
        number = len(self.events) + 1
        event = {
            "event_id": f"{self.conversation_id}-{number:03d}",
            "conversation_id": self.conversation_id,
            "event_type": event_type,
            "occurred_at": instant(at),
            "sequence": number,
            "domain": domain,
            **self.common,
            **rest,
        }
        self.events.append({key: value for key, value in event.items() if value is not None})


def instant(at: datetime) -> str:
    """RFC 3339 in UTC with milliseconds."""
    return at.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def perform(rng: Random, dialogue: Dialogue, recorder: Recorder, start: datetime) -> Observed:
    """Emit the session from its start to its last turn; returns what was observed."""
    seen = Observed(dialogue, recorder.common["channel"], start, start)
    recorder.emit("session.start", start, data={"direction": recorder.common["direction"]})
    clock = start + timedelta(milliseconds=rng.randrange(200, 900))
    if dialogue.completion_reason == "no_answer":
        clock += timedelta(seconds=rng.randrange(24, 40))
    for position, beat in enumerate(dialogue.beats):
        if isinstance(beat, Tool) and beat.name == "transfer_to_human":
            clock = _transfer(rng, beat, recorder, seen, clock)
        elif isinstance(beat, Tool):
            clock = _use(rng, beat, recorder, seen, clock)
        else:
            following = dialogue.beats[position + 1 : position + 2]
            interruptible = any(isinstance(after, Turn) and after.role == "user" for after in following)
            clock = _speak(rng, beat, recorder, seen, clock, interruptible=interruptible)
    if dialogue.completion_reason in ("caller_hangup", "abandoned"):
        clock += timedelta(milliseconds=rng.randrange(3_000, 20_000))
    seen.ended_at = clock + timedelta(milliseconds=rng.randrange(100, 600))
    return seen


def finish(recorder: Recorder, seen: Observed, row: dict[str, Any] | None) -> None:
    """Emit `session.end` and, unless it got lost, the call-intelligence row that the platform computed."""
    dialogue = seen.dialogue
    end = {
        "completion_reason": dialogue.completion_reason,
        "duration_seconds": seen.duration_seconds,
        "escalated": dialogue.escalated,
        "final_state": seen.final_state,
    }
    recorder.emit("session.end", seen.ended_at, data=end)
    if row is None:
        return
    row |= {
        "call_sid": recorder.conversation_id,
        "service_id": recorder.common["service_id"],
        "direction": recorder.common["direction"],
        "source": "real" if recorder.common["traffic"] == "production" else "simulation",
        "channel_kind": recorder.common["channel"],
        "created_at": instant(seen.started_at),
    }
    row |= {key: recorder.common[key] for key in ("run_id", "session_id") if recorder.common.get(key)}
    recorder.emit("call_intelligence.row", seen.ended_at, data=row)


def _speak(
    rng: Random, turn: Turn, recorder: Recorder, seen: Observed, clock: datetime, *, interruptible: bool
) -> datetime:
    voice = seen.channel == "voice"
    data: dict[str, Any] = {"text": turn.text, "state": turn.state}
    if turn.role == "agent":
        slow = 3.5 if rng.random() < 0.04 else 1.0
        engine = round(rng.lognormvariate(6.5, 0.28) * slow)
        data |= {"engine_ms": engine, "nav_ms": rng.randrange(20, 120), "render_ms": rng.randrange(40, 180)}
        data |= _usage(turn, seen)
        gap = engine + data["nav_ms"] + data["render_ms"]
        if voice:
            gap = data["audio_ttfb_ms"] = gap + rng.randrange(80, 260)
    elif voice and seen.turns and seen.turns[-1][1].get("interrupted"):
        gap = -rng.randrange(50, 250)  # the caller speaks over the agent
        seen.overlap_ms -= gap
    elif voice:
        gap = rng.randrange(4_000, 9_000) if rng.random() < 0.05 else rng.randrange(250, 1_600)
    else:
        gap = min(200_000, round(rng.lognormvariate(9.6 if seen.channel == "webchat" else 10.4, 0.6)))
    at = clock + timedelta(milliseconds=gap)
    length = 0
    if turn.role == "user":
        sentiment = EMOTIONS[turn.mood][1]
        label = "negative" if sentiment < 0 else "positive" if sentiment > 0.5 else "neutral"
        data |= {"sentiment": sentiment, "sentiment_label": label}
    if voice and turn.role == "user":
        data["stt_confidence"] = round(rng.uniform(0.82, 0.99), 2)
    if voice:
        length = data["duration_ms"] = round(len(turn.text.split()) * rng.uniform(290, 420)) + 150
        if turn.role == "agent" and interruptible and rng.random() < 0.07:
            length = data["duration_ms"] = round(length * rng.uniform(0.5, 0.9))
            data["interrupted"] = True
    participant = {"agent": "agent", "operator": "operator"}.get(turn.role, "caller")
    recorder.emit(f"{turn.role}.turn", at, participant=participant, data=data)
    if turn.state == "intent" and seen.dialogue.scenario.get("risk"):
        flag = {"name": "clinical_urgency", "action": "escalate_to_nurse", "severity": "high"}
        recorder.emit("safety.flag", at, "safety", data=flag)
    seen.turns.append((turn, data))
    if voice and turn.role == "user":
        _emotion(rng, turn, recorder, seen, at + timedelta(milliseconds=length))
    return at + timedelta(milliseconds=length)


def _usage(turn: Turn, seen: Observed) -> dict[str, Any]:
    """What the engine's model read and wrote for a turn; what it read for the turn before is cached."""
    words = sum(len(said.text.split()) for said, _ in seen.turns)
    read, wrote = INSTRUCTION_TOKENS + round(TOKENS_PER_WORD * words), round(TOKENS_PER_WORD * len(turn.text.split()))
    cached = next((data["tokens_in"] for said, data in reversed(seen.turns) if said.role == "agent"), 0)
    cost = (USD_IN * (read - cached) + USD_CACHED * cached + USD_OUT * wrote) / 1_000_000
    return {"tokens_in": read, "tokens_cached": cached, "tokens_out": wrote, "cost_usd": round(cost, 8), "model": MODEL}


def _transfer(rng: Random, tool: Tool, recorder: Recorder, seen: Observed, clock: datetime) -> datetime:
    """A hand-over to a person: asked for, started with a tool, and then somebody takes it or nobody does."""
    dialogue = seen.dialogue
    urgent, asked = dialogue.scenario.get("escalate"), dialogue.escalation_trigger == "caller"
    reason = "urgent" if urgent else "caller_asked" if asked else "tool_failed"
    transfer = {"destination": "nurse_line" if urgent else f"{recorder.common['service_id']}_desk", "reason": reason}
    recorder.emit("transfer.requested", clock, data=transfer)
    clock = _use(rng, tool, recorder, seen, clock)
    data = {
        "escalation_id": f"{recorder.conversation_id}-esc",
        "trigger": dialogue.escalation_trigger,
        "reason": reason,
    }
    recorder.emit("call.escalated", clock, data=data)
    recorder.emit("transfer.completed" if dialogue.operator_active else "transfer.failed", clock, data=transfer)
    return clock


def _use(rng: Random, tool: Tool, recorder: Recorder, seen: Observed, clock: datetime) -> datetime:
    took = rng.randrange(5_000, 5_400) if tool.error else round(rng.lognormvariate(6.0, 0.4))
    call = {"name": tool.name, "call_id": f"{recorder.conversation_id}-t{len(seen.tools) + 1}"}
    recorder.emit("tool.call", clock, participant="agent", data=call)
    at = clock + timedelta(milliseconds=took)
    result = {**call, "succeeded": tool.error is None, "duration_ms": took}
    if tool.error:
        result["error"] = tool.error
    if tool.output:
        result["output"] = tool.output
    recorder.emit("tool.result", at, participant="agent", data=result)
    seen.tools.append((tool, took))
    return at


def _emotion(rng: Random, turn: Turn, recorder: Recorder, seen: Observed, at: datetime) -> None:
    dominant, valence, arousal = EMOTIONS[turn.mood]
    valence = round(max(-1.0, min(1.0, rng.gauss(valence, 0.12))), 2)
    arousal = round(max(0.0, min(1.0, rng.gauss(arousal, 0.08))), 2)
    earlier = seen.emotions[-1] if seen.emotions else None
    seen.shifts += earlier is not None and earlier[0] != dominant
    change = valence - earlier[1] if earlier else 0.0
    seen.emotions.append((dominant, valence, arousal))
    data = {
        "dominant": dominant,
        "valence": valence,
        "arousal": arousal,
        "trend": "improving" if change > 0.15 else "deteriorating" if change < -0.15 else "stable",
        "barge_in_count": seen.barge_ins,
        "emotional_shifts": seen.shifts,
        "turn_count": len(seen.turns),
    }
    recorder.emit("emotion.segment", at, "emotion", participant="caller", data=data)
