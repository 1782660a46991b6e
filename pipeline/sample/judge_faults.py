"""Faults of the sample judge: what real servers do to their clients, switched on for tests."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

FaultName = Literal[
    "rate_limited",  # 429
    "rate_limited_retry_after",  # 429 with Retry-After
    "no_quota",  # 429 that no waiting heals
    "server_error",  # 500
    "unavailable",  # 503
    "reset",  # the connection is cut instead of an answer
    "hang",  # no answer, ever
    "trickle",  # an answer of one byte at a time
    "not_json",  # a proxy's HTML with status 200
    "malformed",  # content that is half a JSON object
    "truncated",  # finish_reason length
    "reasoned_away",  # the output limit went into reasoning
    "refusal",  # message.refusal
    "filtered",  # finish_reason content_filter
    "no_choices",
    "empty",
    "wrong_type",
    "unknown_label",
    "huge",  # 9.2e124
    "no_json_schema",  # 400 for response_format json_schema
    "no_json_object",  # 400 for any response_format
    "no_temperature",  # 400 for temperature
    "no_max_completion_tokens",  # 400 for max_completion_tokens
    "key_revoked",  # 401
    "unknown_model",  # 404
    "gone",  # the server stops: every connection is cut and none is accepted
]


@dataclass(frozen=True)
class Fault:
    """When a fault strikes.

    Attributes:
        name: what happens.
        share: of distinct prompts, chosen by hash: those whose place in [0, 1) is in [start, start + share).
        start: where the share begins, so that faults can strike different prompts.
        times: how often a chosen prompt meets it; None is always.
        after: completions that are served before it begins.
        until: completions after which it ends.
    """

    name: FaultName
    share: float = 1.0
    start: float = 0.0
    times: int | None = 1
    after: int = 0
    until: int | None = None


class FaultPlan:
    """Which fault strikes a request."""

    def __init__(self, faults: Sequence[Fault] = ()) -> None:
        self.faults = tuple(faults)
        self.struck: Counter[str] = Counter()
        self._met: Counter[tuple[int, str]] = Counter()

    def strikes(self, body: dict[str, Any], prompt: str, served: int) -> FaultName | None:
        """The first fault that this request meets.

        Args:
            body: of the request.
            prompt: digest of its messages.
            served: completions that were asked for before.
        """
        for index, fault in enumerate(self.faults):
            if served < fault.after or (fault.until is not None and served >= fault.until):
                continue
            if not fault.start <= _place(prompt) < fault.start + fault.share:
                continue
            if not _applies(fault.name, body):
                continue
            if fault.times is not None and self._met[index, prompt] >= fault.times:
                continue
            self._met[index, prompt] += 1
            self.struck[fault.name] += 1
            return fault.name
        return None


def _applies(name: FaultName, body: dict[str, Any]) -> bool:
    """Whether a request has what this fault refuses."""
    match name:
        case "no_json_schema":
            return (body.get("response_format") or {}).get("type") == "json_schema"
        case "no_json_object":
            return "response_format" in body
        case "no_temperature":
            return "temperature" in body
        case "no_max_completion_tokens":
            return "max_completion_tokens" in body
        case _:
            return True


def _place(text: str) -> float:
    """A number in [0, 1) that is the same for the same text."""
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:6]) / 2**48
