"""A conversation as the judge sees it: redacted, one line for each turn, cut when it does not fit.

Rule for a conversation that is longer than the model's context: whole turns are left out of the middle, so that
a first quarter and a last three quarters of what fits remain (openings say what a conversation is about, endings how it
went). A line says how many turns are missing, and so does the value.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from pipeline.judge.conversation import Conversation
from pipeline.judge.redact import Redactor
from pipeline.judge.tokens import estimate_tokens

_HEAD_SHARE = 0.25
_MARKER_TOKENS = 24


@dataclass(frozen=True)
class Transcript:
    """What is sent.

    Attributes:
        text: one line for each turn, `[index] role: text`; a turn cannot contain a line break.
        turns: redacted text of the turns that are sent, by index.
        roles: their roles.
        left_out: how many turns were left out.
    """

    text: str
    turns: Mapping[int, str]
    roles: Mapping[int, str]
    left_out: int = 0


def transcribe(conversation: Conversation, redact: Redactor, budget_tokens: int) -> Transcript:
    """Write the conversation down in at most about `budget_tokens`."""
    said = {turn.index: " ".join(turn.text.split()) for turn in conversation.turns}
    speakers = {turn.index: turn.participant or turn.role for turn in conversation.turns}
    texts = redact.turns([(index, speakers[index], text) for index, text in said.items() if text])
    roles = {turn.index: turn.role for turn in conversation.turns if turn.index in texts}
    words = {role: _word(role) for role in set(roles.values())}
    lines = {index: f"[{index}] {words[roles[index]]}: {text}" for index, text in texts.items()}
    whole = "\n".join(lines.values())
    if estimate_tokens(whole) + len(lines) <= budget_tokens:  # no less than the sum over lines, which rounds each up
        return Transcript(whole, texts, roles)
    kept_first, kept_last = _fit(list(lines.items()), budget_tokens)
    kept = {*kept_first, *kept_last}
    left_out = len(lines) - len(kept)
    marker = [f"[… {left_out} turns are left out here …]"] if left_out else []
    return Transcript(
        text="\n".join([*(lines[index] for index in kept_first), *marker, *(lines[index] for index in kept_last)]),
        turns={index: text for index, text in texts.items() if index in kept},
        roles={index: role for index, role in roles.items() if index in kept},
        left_out=left_out,
    )


def _fit(lines: list[tuple[int, str]], budget: int) -> tuple[list[int], list[int]]:
    """Indexes kept at the start and at the end."""
    costs = [estimate_tokens(line) for _, line in lines]
    if sum(costs) <= budget:
        return [index for index, _ in lines], []
    budget = max(budget - _MARKER_TOKENS, 0)
    first: list[int] = []
    spent = 0
    for (index, _), cost in zip(lines, costs, strict=True):
        if spent + cost > budget * _HEAD_SHARE:
            break
        first.append(index)
        spent += cost
    last: list[int] = []
    for (index, _), cost in zip(reversed(lines), reversed(costs), strict=True):
        if spent + cost > budget:
            break
        last.append(index)
        spent += cost
    return first, last[::-1]


def _word(role: str) -> str:
    """A role comes from the input: it may not bring a line break or a colon."""
    return re.sub(r"[^\w-]", "_", role)[:32] or "unknown"
