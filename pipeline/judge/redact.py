r"""Redaction of personal data before text leaves the machine. Nothing remembers what stood there.

Emails, telephone numbers and card numbers are found by form; names and the like by value: whatever stands in the
configured fields of a conversation is replaced wherever it is said. A card number is 13 to 19 digits that pass the Luhn
check (ISO/IEC 7812-1). A telephone number is 7 to 15 digits (E.164) that start with `+` or are grouped by blanks,
dots, hyphens or parentheses; a plain run of digits is left alone because order and account numbers look like that.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from functools import partial
from typing import Any

from pipeline.judge.conversation import Conversation
from pipeline.judge.paths import find
from pipeline.settings_models import Redaction

_EMAIL = re.compile(r"[\w.+-]{1,64}@[\w-]{1,63}(?:\.[\w-]{1,63}){1,8}")
_CARD = re.compile(r"(?<!\d)\d(?:[ -]?\d){12,18}(?!\d)")
_PHONE = re.compile(
    r"(?<![\w.])(?:\+\d[\d ().-]{5,22}\d|\(?\d{1,4}\)?(?:[ .-]\(?\d{2,4}\)?){2,5}|\d{3}[.-]\d{4})(?![\w])"
)
_DATE = re.compile(r"(?:\d{4}[-.]\d{1,2}[-.]\d{1,2}|\d{1,2}[-.]\d{1,2}[-.]\d{4})(?: \d{1,2})?")  # and its hour
_DIGIT = re.compile(r"\d")
_MIN_NAME = 2

Redactor = Callable[[str], str]


def redactor(rules: Redaction, conversation: Conversation) -> Redactor:
    """A function that redacts any text of this conversation."""
    names = _names(rules.fields, conversation)
    return partial(_redact, rules, names)


def redact_data(redact: Redactor, data: Any) -> Any:
    """The same JSON value with every string in it redacted."""
    if isinstance(data, str):
        return redact(data)
    if isinstance(data, dict):
        return {key: redact_data(redact, value) for key, value in data.items()}
    if isinstance(data, list):
        return [redact_data(redact, value) for value in data]
    return data


def _redact(rules: Redaction, names: re.Pattern[str] | None, text: str) -> str:
    if rules.emails and "@" in text:
        text = _EMAIL.sub("[email]", text)
    if _DIGIT.search(text):  # most turns have none, and to look for one costs a sixth
        if rules.card_numbers:
            text = _CARD.sub(lambda match: "[card number]" if _luhn(match[0]) else match[0], text)
        if rules.phone_numbers:
            text = _PHONE.sub(lambda match: "[phone number]" if _telephone(match[0]) else match[0], text)
    return names.sub("[name]", text) if names else text


def _luhn(text: str) -> bool:
    digits = [int(character) for character in reversed(text) if character.isdigit()]
    doubled = (sum(divmod(2 * digit, 10)) for digit in digits[1::2])
    return (sum(digits[::2]) + sum(doubled)) % 10 == 0


def _telephone(text: str) -> bool:
    return 7 <= sum(character.isdigit() for character in text) <= 15 and not _DATE.fullmatch(text)


def _names(fields: Iterable[str], conversation: Conversation) -> re.Pattern[str] | None:
    found = {value for field in fields for value in _values(field, conversation)}
    words = found | {word for value in found for word in value.split()}
    kept = sorted((word for word in words if len(word) >= _MIN_NAME), key=len, reverse=True)
    if not kept:
        return None
    written = "|".join(re.escape(word).replace("'", "['\u2019]") for word in kept)
    return re.compile(rf"(?<!\w)(?:{written})(?!\w)", re.IGNORECASE)


def _values(field: str, conversation: Conversation) -> list[str]:
    found = find(field, dict(conversation.intelligence)) or conversation.fields.get(field)
    candidates = found if isinstance(found, list) else [found]
    return [value.strip() for value in candidates if isinstance(value, str) and value.strip()]
