"""The call-intelligence row: seven summaries computed from what was observed, as a voice platform would."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from datetime import datetime
from itertools import pairwise
from random import Random
from statistics import fmean
from typing import Any

from pipeline.sample.dialogue import Dialogue, Tool, Turn


@dataclass
class Observed:
    """One conversation as it was performed: every turn with its event data, every tool with its milliseconds."""

    dialogue: Dialogue
    channel: str
    started_at: datetime
    ended_at: datetime
    turns: list[tuple[Turn, dict[str, Any]]] = field(default_factory=list)
    tools: list[tuple[Tool, int]] = field(default_factory=list)
    emotions: list[tuple[str, float, float]] = field(default_factory=list)
    shifts: int = 0
    overlap_ms: int = 0  # both speak

    @property
    def barge_ins(self) -> int:
        """Agent turns that the caller cut off."""
        return sum(bool(data.get("interrupted")) for _, data in self.turns)

    @property
    def duration_seconds(self) -> float:
        """From the start to the end of the session."""
        return round((self.ended_at - self.started_at).total_seconds(), 3)

    @property
    def final_state(self) -> str:
        """State of the last turn."""
        return self.turns[-1][0].state if self.turns else ""


def summarise(rng: Random, seen: Observed) -> dict[str, Any]:
    """The row's fields; a summary that the channel cannot have is left out."""
    latencies = _latency(seen)
    tools = _tools(seen)
    conversation = _conversation(seen)
    row: dict[str, Any] = {
        "duration_seconds": seen.duration_seconds,
        "completion_reason": seen.dialogue.completion_reason,
        "final_state": seen.final_state,
        "conversation_summary": conversation,
        "latency_summary": latencies,
        "tool_summary": tools,
        "risk_summary": _risk(rng, seen),
        "safety_summary": _safety(seen),
        "operator_summary": {
            "escalated": seen.dialogue.escalated,
            "operator_active": seen.dialogue.operator_active,  # null: nobody was asked
        },
    }
    if any(turn.role == "user" for turn, _ in seen.turns):  # there is nothing to score in a voicemail
        row["quality_score"] = _quality(seen, latencies, tools, conversation)
    if seen.emotions:
        row["emotion_summary"] = _emotion(seen)
    return row


def _conversation(seen: Observed) -> dict[str, Any]:
    """Counted as definitions/call-intelligence.md says; a state that was left is never entered again."""
    states = [turn.state for turn, _ in seen.turns if turn.role == "agent"]
    said = [turn for turn, _ in seen.turns if turn.role in ("agent", "user")]
    agent = [place for place, turn in enumerate(said) if turn.role == "agent"]
    summary = {"turn_count": len(seen.turns)}
    if states:
        summary |= {
            "states_visited_count": len(states) - sum(state == earlier for earlier, state in pairwise(states)),
            "unique_states": len(set(states)),
            "loop_count": sum(
                said[a].state == said[b].state for a, b in pairwise(agent) if b - a > 1
            ),  # the user spoke
        }
    if states and seen.channel == "voice":
        summary["barge_in_count"] = seen.barge_ins
    return summary


def _latency(seen: Observed) -> dict[str, Any]:
    agent = [data for turn, data in seen.turns if turn.role == "agent"]
    summary: dict[str, Any] = {"turn_count": len(agent)}
    for name in ("audio_ttfb_ms", "engine_ms"):
        if values := [data[name] for data in agent if name in data]:
            summary[f"avg_{name}"] = round(fmean(values), 1)
            summary[f"p50_{name}"] = _percentile(values, 0.5)
            summary[f"p95_{name}"] = _percentile(values, 0.95)
    for name in ("nav_ms", "render_ms"):
        if agent:
            summary[f"avg_{name}"] = round(fmean(data[name] for data in agent), 1)
    if seen.channel == "voice" and seen.turns:
        speech = (sum(data["duration_ms"] for _, data in seen.turns) - seen.overlap_ms) / 1000
        summary["silence_ratio"] = round(max(0.0, 1 - speech / seen.duration_seconds), 3)
    return summary


def _emotion(seen: Observed) -> dict[str, Any]:
    return {
        "dominant_emotion": Counter(dominant for dominant, _, _ in seen.emotions).most_common(1)[0][0],
        "average_valence": round(fmean(valence for _, valence, _ in seen.emotions), 3),
        "average_arousal": round(fmean(arousal for _, _, arousal in seen.emotions), 3),
        "peak_negative_valence": min(0.0, *(valence for _, valence, _ in seen.emotions)),
        "barge_in_count": seen.barge_ins,
    }


def _tools(seen: Observed) -> dict[str, Any]:
    failed = sum(tool.error is not None for tool, _ in seen.tools)
    by_tool = []
    for name in sorted({tool.name for tool, _ in seen.tools}):
        uses = [(tool, took) for tool, took in seen.tools if tool.name == name]
        bad = sum(tool.error is not None for tool, _ in uses)
        by_tool.append(
            {
                "name": name,
                "calls": len(uses),
                "succeeded": len(uses) - bad,
                "failed": bad,
                "avg_duration_ms": round(fmean(took for _, took in uses), 1),
            }
        )
    total = len(seen.tools)
    summary = {"total_calls": total, "succeeded": total - failed, "failed": failed, "by_tool": by_tool}
    return summary | ({"failure_rate": failed / total} if total else {})


def _risk(rng: Random, seen: Observed) -> dict[str, Any]:
    raw = {
        "clinical_urgency": float(seen.dialogue.scenario.get("risk", 0.0)),
        "caller_frustration": rng.uniform(0.5, 0.9) if seen.dialogue.frustrated else rng.uniform(0.02, 0.2),
        "unresolved": 0.0 if seen.dialogue.resolved is not False else 0.8,
    }
    weights = {"clinical_urgency": 0.75, "caller_frustration": 0.35, "unresolved": 0.2}
    signals = [
        {
            "name": name,
            "raw_score": round(score, 3),
            "weight": weights[name],
            "weighted_score": round(score * weights[name], 3),
        }
        for name, score in raw.items()
    ]
    score = min(1.0, round(sum(float(str(signal["weighted_score"])) for signal in signals), 3))
    level = "low" if score < 0.25 else "medium" if score < 0.5 else "high" if score < 0.8 else "critical"
    return {"level": level, "composite_score": score, "signals": signals}


def _safety(seen: Observed) -> dict[str, Any]:
    urgent = bool(seen.dialogue.scenario.get("risk"))
    return {"match_count": int(urgent), "actions": ["escalate_to_nurse"] if urgent else []}


def _quality(seen: Observed, latencies: dict[str, Any], tools: dict[str, Any], conversation: dict[str, Any]) -> float:
    """100 less a penalty for each thing that a caller notices."""
    slow: float = max(0.0, latencies.get("p95_audio_ttfb_ms", latencies.get("p95_engine_ms", 0.0)) - 1200) / 150
    penalty: float = min(18.0, slow)
    penalty += max(0.0, latencies.get("silence_ratio", 0.0) - 0.3) * 60
    penalty += 3 * seen.barge_ins + 4 * conversation.get("loop_count", 0) + 9 * tools["failed"]
    penalty += 14 * seen.dialogue.escalated + 10 * seen.dialogue.frustrated
    return round(max(0.0, 100 - penalty), 1)


def _percentile(values: list[float], q: float) -> float:
    """With linear interpolation between the two nearest."""
    ordered = sorted(values)
    place = (len(ordered) - 1) * q
    low = int(place)
    high = min(low + 1, len(ordered) - 1)
    return round(ordered[low] + (ordered[high] - ordered[low]) * (place - low), 1)
