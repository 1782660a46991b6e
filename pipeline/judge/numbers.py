"""Reading a number that is the whole answer. What could mean two numbers is none."""

from __future__ import annotations

import re

_WHOLE = re.compile(
    r"(?:(?!minus |negative )(?P<lead>[A-Za-z' ]{1,40}?)(?:\s*[:=]\s*|\s+))?"
    r"(?P<minus>minus |negative )?"
    r"(?P<number>[-+]?(?:\d+(?:\.\d+)?|\.\d+|\d{1,3}(?:,\d{3})+\.\d+|\d{1,3}(?:,\d{3}){2,})(?:[eE][-+]?\d{1,3})?)"
    r"(?:\s*(?:/|out of|of)\s*(?P<scale>\d+(?:\.\d+)?)(?: points?)?|\s?(?P<percent>%|percent|per cent))?"
    r"\s*\.?"
)
_LEADS = re.compile(
    r"(?:(?:the|my|a|this|final|overall|total) )*(?:score|rating|value|answer|result|number|count|grade|output|number)"
    r"(?: is| would be| of)?|i(?:'d| would|'ll| will)? (?:give|rate|score)(?: it| this)?(?: a| an| at)?|it is|it's",
    re.IGNORECASE,
)
_MARKS = " \t\r\n*`\"'_\u201c\u201d"
NOT_FINITE = {"nan", "inf", "-inf", "+inf", "infinity", "-infinity", "+infinity"}


def number_of(text: str, maximum: float | None) -> float | None:
    """The number that a text is, or None.

    `7`, `-7`, `minus 7`, `7.`, `Score: 7` and `1,234,567` are numbers. `7/10` and `7 out of 10` are 7 when 10 is the
    greatest number allowed. `80%` is 80 where the greatest number is 100, and 0.8 where it is 1. `1.5k`, `>9`,
    `7 or 8`, `1,234` (a comma of thousands here, of decimals there) and a number in a sentence are none.
    """
    plain = text.strip(_MARKS).replace("\u2212", "-").replace("\u2019", "'")
    if plain.casefold() in NOT_FINITE:
        return float(plain)
    found = _WHOLE.fullmatch(plain)
    if found is None or len(plain) > 100:
        return None
    lead = (found["lead"] or "").strip()
    if lead and not _LEADS.fullmatch(lead):
        return None
    number = float(found["number"].replace(",", ""))
    if found["minus"]:
        if number < 0 or "+" in found["number"]:
            return None
        number = -number
    if found["scale"] is not None and float(found["scale"]) != maximum:
        return None
    if found["percent"]:
        return number if maximum == 100 else number / 100 if maximum == 1 else None
    return number
