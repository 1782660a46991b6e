"""Calls, as the published contract shapes them. What the store does not keep is null: see `NOT_KEPT`."""

from __future__ import annotations

from types import NoneType
from typing import Any, Literal

from pydantic import AwareDatetime, BaseModel, Field

Direction = Literal["inbound", "outbound", "playground", "simulated", "test"]
Status = Literal[
    "initiated", "ringing", "in-progress", "completed", "busy", "no-answer", "canceled", "failed", "unknown"
]
Source = Literal["real", "simulated", "playground", "scribe"]
CompletionReason = Literal[
    "completed", "abandoned", "escalated", "transferred", "timeout", "error", "voicemail", "no_answer",
    "caller_hangup", "forwarded", "terminal_state", "warm_transfer_completed", "no_inbound_audio", "cancelled",
]  # fmt: skip
Lane = Literal["agent", "caller", "operator", "system", "tool"]
MomentType = Literal[
    "latency_spike", "silence", "barge_in", "loop", "tool_failure", "escalation", "safety_flag", "high_risk",
    "elevated_risk",
]  # fmt: skip


class CallSummary(BaseModel):
    """One call of a list."""

    entity_id: str = Field(description="The id of the conversation.")
    call_sid: str | None = Field(description="The id of its session.")
    caller_id: None = None
    completion_reason: CompletionReason | None
    direction: Direction | None
    duration_seconds: float | None
    escalation_status: Literal["none", "requested", "connected", "handback", "completed"] | None = Field(
        description="`requested` where it was escalated; how that went on is not kept."
    )
    final_state: str | None
    fork_turn_index: None = None
    has_recording: None = None
    parent_session_id: None = None
    phone_number: None = None
    quality_score: float | None = Field(description="0 to 1, a hundredth of that of a conversation.")
    run_id: str | None
    service_id: str | None
    source: Source
    started_at: AwareDatetime | None
    status: Status | None = Field(description="From how it ended; `unknown` where nothing says so.")
    turns: int | None


class CallListResponse(BaseModel):
    """Calls, newest first."""

    items: list[CallSummary]
    total: int = Field(description="How many pass the filters.")
    has_more: bool
    continuation_token: int | None = Field(description="Send it for the next page.")


class ToolCall(BaseModel):
    """What a tool was asked for, and how it went."""

    tool_name: str
    call_id: str | None
    duration_ms: float | None
    endpoint_name: None = None
    error_message: str | None
    input: dict[str, Any] | None
    integration_name: None = None
    output: str | None
    protocol: None = None
    succeeded: bool | None


class StateTransition(BaseModel):
    """The agent went from one state to another."""

    from_state: str
    to_state: str
    previous_state: str
    next_state: str
    annotation: None = None
    type: None = None


class CallTurn(BaseModel):
    """What somebody said, in milliseconds from the start of the call."""

    id: str | None
    timestamp: AwareDatetime | None
    speaker_role: str | None
    speaker_id: str | None
    agent_transcript: str | None
    user_transcript: str | None
    agent_speech_start_ms: float | None
    agent_speech_end_ms: float | None
    user_speech_start_ms: float | None
    user_speech_end_ms: float | None
    interrupted: bool | None
    state: str | None
    state_transitions: list[StateTransition]
    tool_calls: list[ToolCall]
    emotion_label: str | None
    emotion_valence: float | None
    audio_ttfb_ms: float | None
    engine_ms: float | None
    nav_ms: float | None
    render_ms: float | None
    stt_confidence: float | None


class Participant(BaseModel):
    """Who took part, from their first turn to their last."""

    participant_id: str
    role: Literal["caller", "agent", "operator"]
    joined_at: AwareDatetime
    left_at: AwareDatetime | None
    display_name: None = None
    phone_number: None = None


class HumanSegment(BaseModel):
    """What was said by somebody who is neither the agent nor the caller."""

    speaker_role: str
    timestamp: AwareDatetime | None
    transcript: str


class KeyMoment(BaseModel):
    """What a reader of the call would want to be shown."""

    type: MomentType
    severity: Literal["info", "warning", "error"]
    turn: int | None = None
    description: str


class Escalation(BaseModel):
    """Whether a person was asked to take over."""

    status: Literal["none", "requested"]


class Segment(BaseModel):
    """A stretch of the call, in seconds from its start."""

    type: Literal["agent_speech", "barge_in", "caller_speech", "silence", "state_transition", "tool_call"]
    lane: Literal["agent", "caller", "events", "operator", "system", "tool"]
    lane_id: str
    track: Lane
    start: float
    end: float
    label: str
    turn_index: int
    order: int
    duration_ms: float
    from_state: str | None = None
    to_state: str | None = None
    state: str | None = None
    tool_name: str | None = None
    call_id: str | None = None
    succeeded: bool | None = None
    audio_ttfb_ms: float | None = None
    stt_confidence: float | None = None
    valence: float | None = None
    emotion: str | None = None


class LaneDefinition(BaseModel):
    """One line of a drawn timeline."""

    id: str
    track: Lane
    label: str
    order: int


class TurnTimeline(BaseModel):
    """Where a turn lies, in seconds from the start."""

    turn_index: int
    seek_to: float
    active_start: float
    active_end: float


class Timebase(BaseModel):
    """What 0 means, and where the timeline ends."""

    origin: Literal["call_start"] = "call_start"
    unit: Literal["seconds"] = "seconds"
    start: float = 0.0
    end: float


class PlaybackTimeline(BaseModel):
    """When who spoke, and what happened between. Turns without an instant are in no segment."""

    duration_seconds: float | None
    turns: list[TurnTimeline] | None = Field(description="Null, as all that comes of turns, for keys without them.")
    segments: list[Segment] | None
    lanes: list[LaneDefinition] | None
    timebase: Timebase | None
    total_agent_speech_seconds: float | None
    total_user_speech_seconds: float | None
    total_silence_seconds: float | None
    avg_perceived_latency_ms: float | None = Field(description="The agent's response time.")
    avg_processing_gap_ms: None = None
    max_processing_gap_ms: None = None


class CallDetail(BaseModel):
    """One call with what was said in it."""

    id: str = Field(description="The id of the conversation.")
    workspace_id: str
    call_sid: str | None
    call_start_time: AwareDatetime | None
    call_end_time: AwareDatetime | None
    call_duration_seconds: float | None
    status: Status | None
    completion_reason: CompletionReason | None
    direction: Direction | None
    source: Source
    service_id: str | None
    run_id: str | None
    final_state: str | None
    quality_score: float | None
    escalation: Escalation | None
    turns: list[CallTurn] | None = Field(description="Null when the key may not read transcripts.")
    human_segments: list[HumanSegment] | None = Field(description="What operators said; they have turns, too.")
    participants: list[Participant] | None
    states_visited: list[str] | None
    timeline: PlaybackTimeline | None
    conversation_summary: dict[str, Any] | None
    emotional_summary: dict[str, Any] | None
    safety_summary: dict[str, Any] | None
    caller_id: None = None
    phone_number: None = None
    has_recording: None = None
    recording_path: None = None
    media_start_time: None = None
    fork_turn_index: None = None
    parent_session_id: None = None
    forwarding: None = None
    config: None = None
    error: None = None
    audit: None = None
    barge_in_events: None = None
    call_analysis: None = None
    conference_sid: None = None
    per_turn_accuracy: None = None
    safety: None = None
    score: None = None
    score_rationale: None = None
    transcript_accuracy: None = None
    triggered_behaviors: None = None
    twilio_recording_duration: None = None
    twilio_recording_sid: None = None
    verified_transcript: None = None
    verified_words: None = None


class CallIntelligence(BaseModel):
    """The summary of one call. Its objects are as stored: the contract's fields, and more."""

    call_id: str = Field(description="The id of the conversation.")
    call_sid: str | None
    created_at: AwareDatetime | None = Field(description="When the call had settled.")
    direction: Direction | None
    duration_seconds: float | None
    completion_reason: CompletionReason | None
    final_state: str | None
    quality_score: float | None
    quality_breakdown: dict[str, Any] | None
    key_moments: list[KeyMoment] | None
    emotion_summary: dict[str, Any] | None
    risk_summary: dict[str, Any] | None
    latency_summary: dict[str, Any] | None
    conversation_summary: dict[str, Any] | None
    tool_summary: dict[str, Any] | None
    safety_summary: dict[str, Any] | None
    operator_summary: dict[str, Any] | None


NOT_KEPT = sorted(
    {
        name
        for model in (CallSummary, CallDetail, CallTurn, ToolCall, StateTransition, Participant, PlaybackTimeline)
        for name, field in model.model_fields.items()
        if field.annotation is NoneType
    }
)
"""Fields of the contract that are always null here."""
