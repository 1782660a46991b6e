"""Conversations, and one with everything that is known about it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from pydantic import AwareDatetime, BaseModel, Field

from pipeline.aggregate.queries import Row
from pipeline.api.models.values import SingleValue
from pipeline.reports.conversations import metrics_map
from pipeline.reports.values import single_value


class Conversation(BaseModel):
    """A call, chat, form session or simulation run."""

    conversation_id: str
    started_at: AwareDatetime | None
    ended_at: AwareDatetime | None
    settled_at: AwareDatetime | None
    channel: str | None
    direction: str | None
    service_id: str | None
    tags: list[str] | None
    source: str
    run_id: str | None
    session_id: str | None
    completion_reason: str | None
    final_state: str | None
    duration_seconds: float | None
    quality_score: float | None
    escalated: bool | None
    turn_count: int | None = Field(description="Null, as the other columns that are metrics, for keys without them.")
    agent_turn_count: int | None
    user_turn_count: int | None
    tool_call_count: int | None
    tool_failure_count: int | None


class ConversationsResponse(BaseModel):
    """Conversations, newest first or in the order of a random sample."""

    conversations: list[Conversation]
    total: int = Field(description="How many pass the filters.")
    seed: str | None = Field(description="Of the sample; send it again for the same one.")


class Turn(BaseModel):
    """What somebody said."""

    index: int
    role: str | None
    participant: str | None
    text: str | None
    started_at: AwareDatetime | None
    ended_at: AwareDatetime | None


class ConversationDetail(Conversation):
    """One conversation with its turns and all its values."""

    turns: list[Turn] | None = Field(description="Null when the key may not read transcripts.")
    intelligence: dict[str, Any] | None = Field(description="The call-intelligence summary; null like `turns`.")
    metrics: dict[str, float | str | bool | list[str] | None] = Field(description="Value or list of values by metric.")
    values: list[SingleValue] = Field(description="Every value with its state, also those that have none.")

    @classmethod
    def of(
        cls,
        row: Row,
        values: Sequence[Row],
        *,
        transcripts: bool = True,
        summary: bool = True,
        hidden: Iterable[str] = (),
    ) -> ConversationDetail:
        """One conversation and its values, as they are stored.

        Args:
            row: of `read_conversation`.
            values: of `conversation_values`.
            transcripts: whether turns, reasoning and evidence are shown.
            summary: whether the call-intelligence summary is.
            hidden: columns that stay empty.
        """
        emptied = dict.fromkeys(hidden)
        emptied |= {} if transcripts else {"turns": None}
        emptied |= {} if transcripts and summary else {"intelligence": None}
        single = [single_value(value, transcripts=transcripts) for value in values]
        shown = {"source": row["traffic"], "metrics": metrics_map(values), "values": single}
        return cls.model_validate({**row, **emptied, **shown})
