"""A conversation in the shapes of the published contract: translation, and nothing else.

Who may not read transcripts gets no turns, and nothing that comes of them. Who may read some metrics only gets the
words and their times, but nothing that a metric would give: no states, tools, latencies, feelings or summaries.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any, Literal, get_args

from pipeline.aggregate.queries import Row
from pipeline.api.models.calls import (
    CallDetail,
    CallIntelligence,
    CallSummary,
    CallTurn,
    CompletionReason,
    Direction,
    Escalation,
    HumanSegment,
    KeyMoment,
    MomentType,
    Participant,
    StateTransition,
    ToolCall,
)
from pipeline.api.timeline import ROLES, number_in, place_before, seconds_from, state_changes, text_in, timeline_of

SOURCES = {"production": "real", "simulation": "simulated"}


def summary_of(row: Row) -> CallSummary:
    """One call of a list."""
    return CallSummary.model_validate(
        {
            **_common(row),
            "entity_id": row["conversation_id"],
            "duration_seconds": row["duration_seconds"],
            "escalation_status": _escalation(row),
            "started_at": row["started_at"],
            "turns": row["turn_count"],
        }
    )


def detail_of(row: Row, *, transcripts: bool, all_metrics: bool) -> CallDetail:
    """One call with its turns.

    Args:
        row: of `read_call`, what the caller may not see being None.
        transcripts: whether the caller may read what was said.
        all_metrics: whether the caller may read every metric.
    """
    turns = [turn_of(turn, row, all_metrics=all_metrics) for turn in row["turns"]] if transcripts else None
    if turns and all_metrics:
        _place(turns, row)
    summary = row["intelligence"] if transcripts and all_metrics else {}
    escalation = _escalation(row)
    return CallDetail.model_validate(
        {
            **_common(row),
            "id": row["conversation_id"],
            "workspace_id": row["workspace_id"],
            "call_start_time": row["started_at"],
            "call_end_time": row["ended_at"],
            "call_duration_seconds": row["duration_seconds"],
            "escalation": None if escalation is None else Escalation(status=escalation),
            "turns": turns,
            "human_segments": _others(row) if transcripts else None,
            "participants": _participants(row) if transcripts else None,
            "states_visited": _states(row) if transcripts and all_metrics else None,
            "timeline": timeline_of(row) if transcripts and all_metrics else None,
            "conversation_summary": _object(summary, "conversation_summary"),
            "emotional_summary": _object(summary, "emotion_summary"),
            "safety_summary": _object(summary, "safety_summary"),
        }
    )


def intelligence_of(row: Row, *, shown: bool) -> CallIntelligence:
    """The summary of one call; its objects are None for whoever may not read all that a summary says."""
    summary = row["intelligence"] if shown else {}
    objects = {name: _object(summary, name) for name in CallIntelligence.model_fields if name.endswith("_summary")}
    return CallIntelligence.model_validate(
        {
            **_common(row),
            **objects,
            "call_id": row["conversation_id"],
            "created_at": row["settled_at"],
            "duration_seconds": row["duration_seconds"],
            "quality_breakdown": _object(summary, "quality_breakdown"),
            "key_moments": _moments(summary.get("key_moments")) if shown else None,
        }
    )


def turn_of(turn: dict[str, Any], row: Row, *, all_metrics: bool) -> CallTurn:
    """What somebody said; what the turn's data measure only for who may read all metrics."""
    said = turn["data"] if all_metrics else {}
    role, text = turn["role"], turn["text"]
    begin, end = _ms(row["started_at"], turn["started_at"]), _ms(row["started_at"], turn["ended_at"])
    agent, user = role == "agent", role == "user"
    interrupted = said.get("interrupted")
    return CallTurn(
        id=turn["event_id"],
        timestamp=turn["started_at"],
        speaker_role=ROLES.get(role, role),
        speaker_id=turn["participant"],
        agent_transcript=text if agent else None,
        user_transcript=text if user else None,
        agent_speech_start_ms=begin if agent else None,
        agent_speech_end_ms=end if agent else None,
        user_speech_start_ms=begin if user else None,
        user_speech_end_ms=end if user else None,
        interrupted=interrupted if isinstance(interrupted, bool) else None,
        state=text_in(said, "state"),
        state_transitions=[],
        tool_calls=[],
        emotion_label=text_in(said, "emotion_label"),
        emotion_valence=number_in(said, "emotion_valence"),
        audio_ttfb_ms=number_in(said, "audio_ttfb_ms"),
        engine_ms=number_in(said, "engine_ms"),
        nav_ms=number_in(said, "nav_ms"),
        render_ms=number_in(said, "render_ms"),
        stt_confidence=number_in(said, "stt_confidence"),
    )


def _common(row: Row) -> dict[str, Any]:
    quality = row["quality_score"]
    return {
        "call_sid": row["session_id"],
        "completion_reason": _one_of(CompletionReason, row["completion_reason"]),
        "direction": _one_of(Direction, row["direction"]),
        "final_state": row["final_state"],
        "quality_score": None if quality is None else quality / 100,
        "run_id": row["run_id"],
        "service_id": row["service_id"],
        "source": SOURCES[row["traffic"]],
        "status": row["status"],
    }


def _escalation(row: Row) -> Literal["requested", "none"] | None:
    escalated = row["escalated"]
    return None if escalated is None else "requested" if escalated else "none"


def _one_of(known: Any, value: str | None) -> str | None:
    """The value if the contract has it."""
    return value if value in get_args(known) else None


def _ms(start: datetime | None, instant: datetime | None) -> float | None:
    seconds = seconds_from(start, instant)
    return None if seconds is None else seconds * 1000


def _place(turns: list[CallTurn], row: Row) -> None:
    """Put each tool call to the turn before it, and each change of state to the turn that begins the new one."""
    begun = [turn["started_at"] for turn in row["turns"] if turn["started_at"] is not None]  # the first, in order
    for tool in row["tools"]:
        turns[place_before(begun, tool["started_at"])].tool_calls.append(tool_of(tool))
    for place, before, after in state_changes(row["turns"]):
        step = {"from_state": before, "to_state": after, "previous_state": before, "next_state": after}
        turns[place].state_transitions.append(StateTransition.model_validate(step))


def tool_of(tool: Row) -> ToolCall:
    """A tool call with its result."""
    return ToolCall(
        tool_name=tool["tool_name"],
        call_id=tool["call_id"],
        duration_ms=tool["duration_ms"],
        error_message=tool["error_message"],
        input=tool["input"] if isinstance(tool["input"], dict) else None,
        output=tool["output"],
        succeeded=tool["succeeded"],
    )


def _others(row: Row) -> list[HumanSegment]:
    """What others than the agent and the caller said; a turn of the contract has no place for their words."""
    return [
        HumanSegment(speaker_role=turn["role"] or "unknown", timestamp=turn["started_at"], transcript=turn["text"])
        for turn in row["turns"]
        if turn["role"] not in ("agent", "user") and turn["text"] is not None
    ]


def _participants(row: Row) -> list[Participant]:
    """Who took part: callers, agents and operators whose turns have an instant."""
    found: dict[tuple[str, str], list[datetime]] = {}
    for turn in row["turns"]:
        if turn["started_at"] is not None and turn["role"] in ROLES:
            instants = [instant for instant in (turn["started_at"], turn["ended_at"]) if instant is not None]
            found.setdefault((turn["participant"] or turn["role"], ROLES[turn["role"]]), []).extend(instants)
    return [
        Participant.model_validate({"participant_id": name, "role": role, "joined_at": min(at), "left_at": max(at)})
        for (name, role), at in found.items()
    ]


def _states(row: Row) -> list[str]:
    """States of the agent in the order of its first visits."""
    named = (text_in(turn["data"], "state") for turn in row["turns"])
    return list(dict.fromkeys(state for state in named if state))


def _object(summary: Row, name: str) -> dict[str, Any] | None:
    found = summary.get(name)
    return found if isinstance(found, dict) else None


def _moments(listed: Any) -> list[KeyMoment]:
    """The moments that the contract has a word for; a source may have provided others."""
    moments = [moment for moment in listed if isinstance(moment, dict)] if isinstance(listed, list) else []
    return [
        KeyMoment(
            type=moment["type"],
            severity=moment["severity"] if moment.get("severity") in ("info", "warning", "error") else "warning",
            turn=moment["turn"] if isinstance(moment.get("turn"), int) else None,
            description=str(moment.get("description") or moment["type"]),
        )
        for moment in moments
        if moment.get("type") in get_args(MomentType)
    ]
