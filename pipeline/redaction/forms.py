"""All kinds together: in one text, and over the turns of a conversation."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from pipeline.redaction.addresses import redact_addresses, redact_emails
from pipeline.redaction.numbers import CARD, IBAN, is_card, is_iban, redact_cards, redact_ibans, redact_national_ids
from pipeline.redaction.phones import PHONE, is_phone, redact_phones
from pipeline.redaction.spelled import redact_spelled

_DIGIT = re.compile(r"\d")
_TAIL = re.compile(r"(?:[A-Z]{2})?\+?\d[\d .()/-]*\W*\Z")
_HEAD = re.compile(r"\A\W*\d[\d .()/-]*")
_PIECES = 4
_LEAST_DIGITS = 2


@dataclass(frozen=True)
class Forms:
    """Which kinds are replaced."""

    emails: bool = True
    phone_numbers: bool = True
    card_numbers: bool = True
    accounts: bool = True
    addresses: bool = True


def redact_forms(forms: Forms, text: str) -> str:
    """The text with everything replaced that has the form of personal data."""
    if forms.addresses:
        text = redact_addresses(text)
    if forms.emails:
        text = redact_emails(text)
    if _DIGIT.search(text):  # most turns have none
        if forms.accounts:
            text = redact_ibans(text)
        if forms.card_numbers:
            text = redact_cards(text)
        if forms.accounts:
            text = redact_national_ids(text)
        if forms.phone_numbers:
            text = redact_phones(text)
    return redact_spelled(text) if forms.phone_numbers else text


def redact_turns(forms: Forms, turns: Sequence[tuple[int, str, str]]) -> Mapping[int, str]:
    """Each turn redacted, and what one speaker says over several turns in a row of his own, if together it is a number.

    Args:
        forms: what is replaced.
        turns: index, speaker and text, in order.

    Returns:
        Text by index.
    """
    texts = {index: text for index, _, text in turns}
    speakers: dict[str, list[int]] = {}
    for index, speaker, text in turns:
        if text:
            speakers.setdefault(speaker, []).append(index)
    for said in speakers.values():
        for at in range(len(said) - 1):
            _join(forms, texts, said[at : at + _PIECES])
    return {index: redact_forms(forms, text) for index, text in texts.items()}


def _join(forms: Forms, texts: dict[int, str], said: Sequence[int]) -> None:
    """Replace the end of a turn and the starts of those that go on with it, where together they are one number."""
    first = _TAIL.search(texts[said[0]])
    if first is None or _digits(first[0]) < _LEAST_DIGITS:
        return
    pieces: list[tuple[int, re.Match[str]]] = [(said[0], first)]
    for index in said[1:]:
        head = _HEAD.search(texts[index])
        if head is None or _digits(head[0]) < _LEAST_DIGITS:
            break
        pieces.append((index, head))
        kind = _kind(forms, [match[0] for _, match in pieces])
        if kind in (CARD, IBAN) or (kind is not None and redact_forms(forms, first[0]) == first[0]):
            for place, match in pieces:
                texts[place] = f"{texts[place][: match.start()]}{kind}{texts[place][match.end() :]}"
            return
        if head.end() < len(texts[index].rstrip(" .,;!?-")):  # the turn goes on with words
            return


def _kind(forms: Forms, pieces: Sequence[str]) -> str | None:
    whole = " ".join(piece.strip(" .,;:!?-\u2026") for piece in pieces)
    if forms.card_numbers and is_card(whole):
        return CARD
    if forms.accounts and re.match(r"[A-Z]{2}", whole) and is_iban(whole):
        return IBAN
    return PHONE if forms.phone_numbers and is_phone(whole) else None


def _digits(text: str) -> int:
    return sum(character.isdigit() for character in text)
