"""Digits in words: `double five, one two three four five` is seven digits of somebody's number."""

from __future__ import annotations

import re

NUMBER = "[number]"
LEAST = 7
"""Digits in a row from which words are replaced."""
_WORDS = {
    "en": "zero oh one two three four five six seven eight nine",
    "de": "null eins zwei zwo drei vier f\u00fcnf sechs sieben acht neun",
    "fr": "z\u00e9ro un deux trois quatre cinq six sept huit neuf",
    "es": "cero uno dos tres cuatro cinco seis siete ocho nueve",
    "it": "zero uno due tre quattro cinque sei sette otto nove",
    "pt": "zero um dois tr\u00eas quatro cinco seis meia sete oito nove",
    "nl": "nul een twee drie vier vijf zes zeven acht negen",
    "pl": "zero jeden dwa trzy cztery pi\u0119\u0107 sze\u015b\u0107 siedem osiem dziewi\u0119\u0107",
}
_SOME = "|".join(sorted({word for words in _WORDS.values() for word in words.split()}, key=len, reverse=True))
_ALL = frozenset(word for words in _WORDS.values() for word in words.split())
_LETTERS = re.compile(r"[^\W\d]+")
_LEAST_WORDS = 3
_TIMES = {"double": 2, "triple": 3, "doppel": 2, "doble": 2, "duplo": 2, "dubbel": 2}
_RUN = re.compile(
    rf"(?<!\w)(?:(?:{'|'.join(_TIMES)})\s+)?(?:{_SOME}|\d{{1,4}})"
    rf"(?:[\s,.\u2026-]+(?:(?:and|und|et|y|e|en|i|uh|um|then)\s+)?(?:(?:{'|'.join(_TIMES)})\s+)?(?:{_SOME}|\d{{1,4}})){{3,40}}(?!\w)",
    re.IGNORECASE,
)
_WORD = re.compile(rf"(?<!\w)(?:{_SOME})(?!\w)", re.IGNORECASE)


def redact_spelled(text: str) -> str:
    """The text with runs of at least seven digits in words replaced; figures among them count, too."""
    if sum(word in _ALL for word in _LETTERS.findall(text.casefold())) < _LEAST_WORDS:
        return text
    return _RUN.sub(lambda match: NUMBER if _is_number(match[0]) else match[0], text)


def _is_number(run: str) -> bool:
    if len(_WORD.findall(run)) < _LEAST_WORDS:  # figures alone are no spelled number
        return False
    extra = sum(_TIMES[word.casefold()] - 1 for word in re.findall(r"[^\W\d]+", run) if word.casefold() in _TIMES)
    return len(_WORD.findall(run)) + sum(character.isdigit() for character in run) + extra >= LEAST
