"""What the judge knows about one conversation."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class Turn:
    """One thing that one participant said."""

    index: int
    role: str
    text: str
    participant: str | None = None


@dataclass(frozen=True, slots=True)
class Conversation:
    """One conversation as far as a question about it can depend on it.

    Attributes:
        conversation_id: its id.
        turns: in order.
        fields: columns of the conversation by name, for `{{name}}` in a prompt.
        intelligence: its call-intelligence summary, for `{$.path}` in a prompt.
    """

    conversation_id: str
    turns: tuple[Turn, ...]
    fields: Mapping[str, Any] = field(default_factory=dict)
    intelligence: Mapping[str, Any] = field(default_factory=dict)
