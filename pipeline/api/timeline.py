"""The playback timeline of one call: who spoke when, what was silent, which tools ran, where the state changed."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator
from datetime import datetime
from typing import Any

from pipeline.aggregate.queries import Row
from pipeline.api.models.calls import LaneDefinition, PlaybackTimeline, Segment, Timebase, TurnTimeline

_LANES = (("agent", "Agent"), ("caller", "Caller"), ("operator", "Operator"), ("tool", "Tools"), ("system", "Events"))
ROLES = {"agent": "agent", "user": "caller", "operator": "operator"}
"""The contract's word for who speaks, which is the name of their lane, too."""
_LEAST_SILENCE = 0.001  # seconds; less is how instants are rounded


def timeline_of(row: Row) -> PlaybackTimeline:
    """The timeline of a call of `read_call`, in seconds from its start.

    Totals of speech and silence are those of the summary, which knows whether every turn has its times.
    """
    start = row["started_at"]
    spoken, spans = [], []
    for turn in row["turns"]:
        begin, end = (seconds_from(start, turn[name]) for name in ("started_at", "ended_at"))
        if begin is not None:
            spoken.append(turn)
            spans.append((begin, begin if end is None else end))
    segments = [_speech(turn, span) for turn, span in zip(spoken, spans, strict=True) if turn["role"] in ROLES]
    begun = [turn["started_at"] for turn in spoken]
    for tool in row["tools"]:
        if (begin := seconds_from(start, tool["started_at"])) is not None:
            turn = spoken[place_before(begun, tool["started_at"])]["index"] if spoken else 0
            segments.append(_tool(tool, begin, turn))
    segments += _changes(spoken, spans)
    segments += _interruptions(spoken, spans)
    timed = all(turn["ended_at"] is not None for turn in spoken if turn["role"] in ROLES)
    segments += _silences(spoken, spans) if timed else []
    segments.sort(key=lambda segment: (segment.start, segment.end))
    for order, segment in enumerate(segments):
        segment.order = order
    used = {segment.lane_id for segment in segments}
    lanes = [lane for lane in _LANES if lane[0] in used]
    length = row["duration_seconds"]
    talk, latency = (row["intelligence"].get(name) or {} for name in ("conversation_summary", "latency_summary"))
    return PlaybackTimeline(
        duration_seconds=length,
        turns=[
            TurnTimeline(turn_index=turn["index"], seek_to=span[0], active_start=span[0], active_end=span[1])
            for turn, span in zip(spoken, spans, strict=True)
        ],
        segments=segments,
        lanes=[
            LaneDefinition.model_validate({"id": name, "track": name, "label": label, "order": order})
            for order, (name, label) in enumerate(lanes)
        ],
        timebase=None if length is None else Timebase(end=length),
        total_agent_speech_seconds=number_in(talk, "agent_talk_seconds"),
        total_user_speech_seconds=number_in(talk, "user_talk_seconds"),
        total_silence_seconds=number_in(latency, "silence_seconds"),
        avg_perceived_latency_ms=number_in(latency, "avg_response_ms"),
    )


def _speech(turn: dict[str, Any], span: tuple[float, float]) -> Segment:
    lane, said = ROLES[turn["role"]], turn["data"]
    return _segment(
        "agent_speech" if lane == "agent" else "caller_speech",  # the contract has no word for an operator's
        lane,
        span,
        turn["participant"] or lane,
        turn["index"],
        state=text_in(said, "state"),
        audio_ttfb_ms=number_in(said, "audio_ttfb_ms"),
        stt_confidence=number_in(said, "stt_confidence"),
        emotion=text_in(said, "emotion_label"),
        valence=number_in(said, "emotion_valence"),
    )


def _tool(tool: Row, begin: float, turn: int) -> Segment:
    return _segment(
        "tool_call",
        "tool",
        (begin, begin + (tool["duration_ms"] or 0) / 1000),
        tool["tool_name"],
        turn,
        tool_name=tool["tool_name"],
        call_id=tool["call_id"],
        succeeded=tool["succeeded"],
    )


def _changes(spoken: list[dict[str, Any]], spans: list[tuple[float, float]]) -> list[Segment]:
    """Moments at which the agent was in another state than before."""
    found = []
    for place, before, after in state_changes(spoken):
        at, index = spans[place][0], spoken[place]["index"]
        step = {"from_state": before, "to_state": after}
        found.append(_segment("state_transition", "system", (at, at), f"{before} → {after}", index, **step))
    return found


def _interruptions(spoken: list[dict[str, Any]], spans: list[tuple[float, float]]) -> list[Segment]:
    """Turns of the user that are said to cut in."""
    return [
        _segment("barge_in", "system", (begin, begin), "The user cut in.", turn["index"])
        for turn, (begin, _) in zip(spoken, spans, strict=True)
        if turn["role"] == "user" and turn["data"].get("interrupts") is True
    ]


def _silences(spoken: list[dict[str, Any]], spans: list[tuple[float, float]]) -> list[Segment]:
    """Stretches between speech and speech in which nobody speaks, after the turn that ended last."""
    found = []
    until, last = None, 0
    for (begin, end), turn in sorted(zip(spans, (turn["index"] for turn in spoken), strict=True)):
        if until is not None and begin - until > _LEAST_SILENCE:
            found.append(_segment("silence", "system", (until, begin), "Silence", last))
        if until is None or end >= until:
            until, last = end, turn
    return found


def _segment(kind: str, lane: str, span: tuple[float, float], label: str, turn: int, **more: Any) -> Segment:
    shown = "events" if lane == "system" else lane
    return Segment.model_validate(
        {
            "type": kind, "lane": shown, "lane_id": lane, "track": lane, "start": span[0], "end": span[1],
            "label": label, "turn_index": turn, "order": 0, "duration_ms": (span[1] - span[0]) * 1000, **more,
        }
    )  # fmt: skip


def seconds_from(start: datetime | None, instant: datetime | None) -> float | None:
    """How long after the start it was; None where either is unknown."""
    return None if start is None or instant is None else (instant - start).total_seconds()


def place_before(begun: list[datetime], instant: datetime | None) -> int:
    """The place of the last turn that had begun; 0 where none had, or nobody knows.

    Args:
        begun: when each turn began, in order.
        instant: of what belongs to a turn.
    """
    return 0 if instant is None else max(bisect_right(begun, instant) - 1, 0)


def state_changes(turns: list[dict[str, Any]]) -> Iterator[tuple[int, str, str]]:
    """Each change of the agent's state: the place of the turn that says the new one, the state before, the new one."""
    known = None
    for place, turn in enumerate(turns):
        state = text_in(turn["data"], "state")
        if known and state and state != known:
            yield place, known, state
        known = state or known


def number_in(said: dict[str, Any], name: str) -> float | None:
    """A number of somebody's JSON, if it is one."""
    value = said.get(name)
    return (
        float(value) if isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < 1e300 else None
    )


def text_in(said: dict[str, Any], name: str) -> str | None:
    """A text of somebody's JSON, if it is one."""
    value = said.get(name)
    return value if isinstance(value, str) else None
