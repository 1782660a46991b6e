"""Reading a chat completion, of which a server may have left out or bent any part."""

from __future__ import annotations

import json
import logging
from dataclasses import dataclass
from typing import Any

from pipeline.judge.clean import clean_text
from pipeline.judge.faults import FaultError
from pipeline.judge.parse import UnreadableError, parse_answer
from pipeline.judge.question import Form
from pipeline.judge.tokens import estimate_tokens
from pipeline.settings_models import ModelEndpoint

logger = logging.getLogger(__name__)

_MAX_RAW = 200_000
_MAX_NAME = 200
_MAX_TOKENS = 1_000_000_000
_TEXT_PARTS = (None, "text", "output_text")
_THOUGHT_FIELDS = ("reasoning_content", "reasoning", "thinking")


@dataclass(frozen=True, slots=True)
class Received:
    """What one request brought back, and what it cost.

    Attributes:
        outcome: answered, refused, empty, truncated or malformed.
        raw: the text as it came.
        mode: how structure was asked for.
        seconds: from request to answer.
        tokens_estimated: what `tokens_in` was thought to be.
    """

    outcome: str
    raw: str
    finish_reason: str | None
    returned_model: str | None
    mode: str
    tokens_in: int
    tokens_cached: int
    tokens_out: int
    tokens_reasoning: int
    cost_usd: float
    seconds: float
    tokens_estimated: int | None = None


def received(
    completion: Any,
    endpoint: ModelEndpoint,
    form: Form,
    tokens_in: int,
    mode: str,
    seconds: float,
    discount: float = 0.0,
) -> Received:
    """Read a chat completion. Whatever it holds, the result can be stored.

    Args:
        completion: JSON of a response, or of a line of a batch.
        endpoint: who was asked.
        form: of the answer that was asked for.
        tokens_in: estimate, for servers that do not count.
        mode: how structure was asked for.
        seconds: from request to answer.
        discount: share of the price that is saved.

    Raises:
        FaultError: the response is no chat completion at all.
    """
    choices = _field(completion, "choices")
    if not isinstance(choices, list):
        raise FaultError("transient", "a response that is no chat completion")
    try:
        return _read(completion, choices[0] if choices else None, endpoint, form, tokens_in, mode, seconds, discount)
    except Exception as error:  # the boundary at which one answer must not stop the others
        logger.error("An answer of %s could not be read: %s.", endpoint.base_url, type(error).__name__)
        counts = _usage(None, tokens_in, "")
        dollars = _cost(endpoint, counts) * (1 - discount)
        return Received("malformed", "", None, None, mode, **counts, cost_usd=dollars, seconds=seconds)


def _read(
    completion: Any,
    choice: Any,
    endpoint: ModelEndpoint,
    form: Form,
    tokens_in: int,
    mode: str,
    seconds: float,
    discount: float,
) -> Received:
    message = _field(choice, "message")
    finish, refusal = _name(_field(choice, "finish_reason")), _field(message, "refusal")
    raw = _text_of(message, cut_off=finish == "length") or _plain(_field(choice, "text"))
    too_long = len(raw) > _MAX_RAW
    raw = clean_text(raw[:_MAX_RAW])
    counts = _usage(_field(completion, "usage"), tokens_in, raw)
    return Received(
        outcome="malformed" if too_long else _outcome(raw, refusal, finish, form),
        raw=raw or (clean_text(refusal[:_MAX_RAW]) if isinstance(refusal, str) else ""),
        finish_reason=finish,
        returned_model=_name(_field(completion, "model")),
        mode=mode,
        **counts,
        cost_usd=_cost(endpoint, counts) * (1 - discount),
        seconds=seconds,
        tokens_estimated=tokens_in or None,
    )


def _field(of: Any, name: str) -> Any:
    return of.get(name) if isinstance(of, dict) else None


def _name(found: Any) -> str | None:
    return clean_text(found[:_MAX_NAME]) if isinstance(found, str) else None


def _plain(content: Any) -> str:
    """Text of a content: a string, an object that was parsed already, or the parts of a list that are no thoughts."""
    if isinstance(content, list):
        parts = [part for part in content if isinstance(part, str) or _field(part, "type") in _TEXT_PARTS]
        return "".join(part if isinstance(part, str) else _plain(_field(part, "text")) for part in parts)
    if isinstance(content, dict):
        return _dumped(content)
    return content if isinstance(content, str) else ""


def _text_of(message: Any, *, cut_off: bool) -> str:
    """Where a server puts an answer: the content, the arguments of a tool call, or reasoning that is an object."""
    if (content := _plain(_field(message, "content"))).strip():
        return content
    calls = _field(message, "tool_calls")
    functions = [_field(call, "function") for call in calls] if isinstance(calls, list) else []
    functions.append(_field(message, "function_call"))
    arguments = [_plain(_field(function, "arguments")) for function in functions]
    if found := "\n".join(text for text in arguments if text.strip()):
        return found
    for name in _THOUGHT_FIELDS:
        thought = _plain(_field(message, name)).strip()
        if not cut_off and thought.startswith("{") and thought.endswith("}"):
            return thought
    return ""


def _dumped(content: dict[str, Any]) -> str:
    try:
        return json.dumps(content)
    except (ValueError, RecursionError):
        return ""


def _outcome(raw: str, refusal: Any, finish: Any, form: Form) -> str:
    if refusal or finish == "content_filter":
        return "refused"
    if not raw.strip():
        return "truncated" if finish == "length" else "empty"
    try:
        parse_answer(raw, form, cut_off=finish == "length")
    except UnreadableError:
        return "truncated" if finish == "length" else "malformed"
    return "answered"


def _usage(usage: Any, estimated_in: int, raw: str) -> dict[str, int]:
    """Tokens as billed; estimated where a server does not count, or counts what cannot be."""

    def count(of: Any, name: str) -> int | None:
        found = _field(of, name)
        if isinstance(found, bool) or not isinstance(found, int | float) or not 0 <= found <= _MAX_TOKENS:
            return None
        return int(found)

    tokens_in, tokens_out = count(usage, "prompt_tokens"), count(usage, "completion_tokens")
    tokens_in = estimated_in if tokens_in is None else tokens_in
    return {
        "tokens_in": tokens_in,
        "tokens_cached": min(count(_field(usage, "prompt_tokens_details"), "cached_tokens") or 0, tokens_in),
        "tokens_out": estimate_tokens(raw) if tokens_out is None else tokens_out,
        "tokens_reasoning": count(_field(usage, "completion_tokens_details"), "reasoning_tokens") or 0,
    }


def _cost(endpoint: ModelEndpoint, counts: dict[str, int]) -> float:
    fresh = counts["tokens_in"] - counts["tokens_cached"]
    dollars = fresh * endpoint.usd_in + counts["tokens_cached"] * endpoint.cached_price
    return (dollars + counts["tokens_out"] * endpoint.usd_out) / 1_000_000
