"""What an error response says, in whatever dialect: OpenAI's object, FastAPI's places, Google's list, plain text."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

_ECHOES = frozenset({"input", "body", "request", "messages", "ctx", "url"})
"""Keys under which servers send back what they were sent: transcripts are no part of what a refusal says."""
_MAX_TEXT = 4000
_MAX_PARTS = 200
_QUOTA = re.compile(
    r"insufficient_(?:user_)?(?:quota|balance|credits?|funds)|billing_(?:hard_limit_reached|not_active)|"
    r"exceeded_current_quota(?:_error)?|quota_exhausted|credit_balance_too_low|account_deactivated|payment_required"
)
_FILTER = re.compile(
    r"content_?filter|content_policy|responsible_?ai|moderation|safety|prohibited_content|data_inspection_failed",
    re.IGNORECASE,
)
_FILTER_TEXT = re.compile(
    r"content (?:management )?(?:policy|filter)|content was (?:filtered|blocked)|prompt (?:was )?(?:flagged|blocked)|"
    r"usage polic|safety (?:system|filter|settings)",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class Refusal:
    """What an error response says.

    Attributes:
        names: its codes and types, lower case.
        parameters: what it names as refused, by a field of its own or by a place in the body.
        text: everything that it says, without what it was sent.
    """

    names: tuple[str, ...]
    parameters: tuple[str, ...]
    text: str

    @property
    def no_quota(self) -> str | None:
        """The name of a state of the account that no waiting heals."""
        return next((name for name in self.names if _QUOTA.fullmatch(name)), None)

    @property
    def filtered(self) -> bool:
        """Whether a filter refused what the conversation says."""
        return any(_FILTER.search(name) for name in self.names) or bool(_FILTER_TEXT.search(self.text))


def read_refusal(text: str) -> Refusal:
    """Read the body of an error response."""
    try:
        body = json.loads(text)
    except (ValueError, RecursionError):
        return Refusal((), (), text[:_MAX_TEXT])
    parts = list(_walk(body, "", 0))[:_MAX_PARTS]
    names = [value.casefold() for key, value in parts if key in ("code", "type", "status", "reason")]
    parameters = [value for key, value in parts if key in ("param", "loc", "field", "parameter") and value != "body"]
    return Refusal(tuple(names), tuple(parameters), " ".join(value for _, value in parts)[:_MAX_TEXT])


def _walk(body: Any, key: str, depth: int) -> Iterator[tuple[str, str]]:
    """Each text of a JSON value with the key that it stands under; JSON inside of a text is read, too."""
    if depth > 8:
        return
    if isinstance(body, dict):
        for name, value in body.items():
            if name not in _ECHOES or (name == "body" and isinstance(value, dict) and "error" in value):
                yield from _walk(value, name, depth + 1)
    elif isinstance(body, list):
        for value in body:
            yield from _walk(value, key, depth + 1)
    elif isinstance(body, str):
        if body.lstrip().startswith(("{", "[")):
            try:
                yield from _walk(json.loads(body), key, depth + 1)
            except (ValueError, RecursionError):
                pass
            else:
                return
        yield key, body
