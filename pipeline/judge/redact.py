"""Redaction of personal data before text leaves the machine. Nothing remembers what stood there.

What has a form of its own (telephone numbers, cards, addresses, …) is found by `pipeline.redaction`; names and the like
by value: whatever stands in the configured fields of a conversation is replaced wherever it is said, in the possessive
and with the endings of other cases, too. A function of the user's own may go over every text last: `hook`.
"""

from __future__ import annotations

import importlib
import re
from collections.abc import Callable, Iterable, Sequence
from functools import cache
from typing import Any

from pipeline.errors import JudgeError
from pipeline.judge.conversation import Conversation
from pipeline.judge.paths import find
from pipeline.redaction import Forms, redact_forms, redact_turns
from pipeline.settings_models import Redaction

_MIN_NAME = 2
_INFLECTED_FROM = 4
_POSSESSIVE = "(?:['\u2019]?s|['\u2019])?"
_ENDINGS = "(?:owi|em|ie|iem|om|ov\u00e9|ovi|y|i|e|\u0119|\u0105|u|a|n|en|in|ia|lla|lle|ta)?"


class Redactor:
    """Redacts any text of one conversation.

    Args:
        rules: what is replaced.
        names: what stands in the fields of the conversation that hold names.
    """

    def __init__(self, rules: Redaction, names: re.Pattern[str] | None) -> None:
        self._forms = Forms(
            rules.emails, rules.phone_numbers, rules.card_numbers, rules.accounts, rules.network_addresses
        )
        self._names = names
        self._hook = _hook(rules.hook) if rules.hook else None

    def __call__(self, text: str) -> str:
        """The text without personal data."""
        return self._named(redact_forms(self._forms, text))

    def turns(self, turns: Sequence[tuple[int, str, str]]) -> dict[int, str]:
        """Turns (index, speaker, text) redacted, with what goes over several of them; text by index."""
        return {index: self._named(text) for index, text in redact_turns(self._forms, turns).items()}

    def _named(self, text: str) -> str:
        text = self._names.sub("[name]", text) if self._names else text
        return self._hook(text) if self._hook else text


def redactor(rules: Redaction, conversation: Conversation) -> Redactor:
    """What redacts any text of this conversation."""
    return Redactor(rules, _names(rules.fields, conversation))


@cache
def _hook(named: str) -> Callable[[str], str]:
    """A function of the user's own, `module:function`, that gets each text last.

    Raises:
        JudgeError: it cannot be imported.
    """
    module, _, function = named.partition(":")
    try:
        found: Callable[[str], str] = getattr(importlib.import_module(module), function)
    except (ImportError, AttributeError) as error:
        raise JudgeError(f"models.redaction.hook {named!r} cannot be imported: {error}.") from None
    return found


def redact_data(redact: Redactor, data: Any) -> Any:
    """The same JSON value with every string in it redacted."""
    if isinstance(data, str):
        return redact(data)
    if isinstance(data, dict):
        return {key: redact_data(redact, value) for key, value in data.items()}
    if isinstance(data, list):
        return [redact_data(redact, value) for value in data]
    return data


def _names(fields: Iterable[str], conversation: Conversation) -> re.Pattern[str] | None:
    found = {value for field in fields for value in _values(field, conversation)}
    words = found | {word for value in found for word in value.split()}
    kept = sorted((word for word in words if len(word) >= _MIN_NAME), key=len, reverse=True)
    if not kept:
        return None
    written = "|".join(_written(word) for word in kept)
    inflected = "|".join(_inflected(word) for word in kept if len(word) >= _INFLECTED_FROM and word.isalpha())
    plain = rf"(?<!\w)(?i:{written}){_POSSESSIVE}(?!\w)"
    return re.compile(rf"{plain}|(?<!\w)(?:{inflected})(?!\w)" if inflected else plain)


def _written(word: str) -> str:
    return re.escape(word).replace("'", "['\u2019]")


def _inflected(word: str) -> str:
    """A name in another case: `Annie` and `Annę` of Anna, `Markowi` of Mark; only capitalised."""
    stem = word[:-1] if word[-1].casefold() in "aeoiy" else word
    first, rest = re.escape(stem[0].upper()), re.escape(stem[1:])
    last = re.escape(word[len(stem) :])
    return f"{first}(?i:{rest})(?:{last})?{_ENDINGS}{_POSSESSIVE}"


def _values(field: str, conversation: Conversation) -> list[str]:
    found = find(field, dict(conversation.intelligence)) or conversation.fields.get(field)
    candidates = found if isinstance(found, list) else [found]
    return [value.strip() for value in candidates if isinstance(value, str) and value.strip()]
