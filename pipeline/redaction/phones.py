"""Telephone numbers: what looks like one, and is one in the numbering plan of some country.

`phonenumbers` (libphonenumber) is asked only about groups of digits that are no date, price or list; it takes a second
and a half to load, and is loaded when the first of them comes.
"""

from __future__ import annotations

import re
from functools import cache, lru_cache
from itertools import pairwise
from typing import Any

PHONE = "[phone number]"
_CANDIDATE = re.compile(
    r"(?<![\w.,:$\u20ac\u00a3@/+-])(?:\+ ?|00)?\(?\+?\d(?:[ \u00a0./()\u2010\u2011\u2013-]{0,3}\d){6,24}"
    r"(?!\w|[.,:]\d|\s?[%\u20ac$\u00a3])"
)
_PLAIN = re.compile(r"(?<![\w.,-])\d{7,15}(?![\w-]|[.,]\d)")
_CALLED = re.compile(
    r"\b(?:tele(?:ph|f)\w*|tel|phone|mobile|cell|call (?:me|us|back)|reach (?:me|us)|text me|whatsapp|fax|handy\w*|"
    r"rufnummer|r\u00fcckruf\w*|t\u00e9l\u00e9phone|portable|m\u00f3vil|celular|tel\u00e9fono|cellulare|telefoon\w*|telefonu|kom\u00f3rk\w*|numer)\b"
    r"[^\d.?!\[\]]{0,40}\Z",
    re.IGNORECASE,
)
_DATE = re.compile(
    r"(?:\d{4}([-./ ])\d{1,2}\1\d{1,2}|\d{1,2}([-./ ])\d{1,2}\2(?:19|20)\d{2})(?:[ T]+\d{1,2})?"
    r"|(?:19|20)\d\d ?[-\u2013/ ] ?\d{4}"
)
_THOUSANDS = re.compile(r"\d{1,3}(?:[. \u00a0]000)+|\d{1,3}(?:\.\d{3})+|\d{1,3}(?: \d{3}){1,3} ?[.,]\d{1,2}")
_NUMBERED = re.compile(r"(\d{1,2})(?:[ ,/-]+\d{1,2}){2,}")
_AMERICAN = re.compile(r"(?:\+?1[ .-]?)?(?:\(\d{3}\) ?|\d{3}[ .-])\d{3}[ .-]\d{4}")
_LOCAL = re.compile(r"[2-9]\d{2}-\d{4}")
_LIKELY = (
    *("US", "GB", "DE", "FR", "ES", "IT", "IN", "BR", "NL", "PL"),
    *("TR", "MX", "PT", "AU", "CH", "AT", "BE", "SE", "JP", "CN"),
)


def redact_phones(text: str) -> str:
    """The text with telephone numbers replaced."""
    text = _CANDIDATE.sub(lambda match: _replaced(match[0]), text)
    return _PLAIN.sub(lambda match: _in_context(match, text), text)


def is_phone(written: str) -> bool:
    """Whether digits with separators between them are a telephone number."""
    written = written.strip(" .-/\u00a0")
    digits = sum(character.isdigit() for character in written)
    if written.isdigit():  # order numbers look like that
        return False
    if not 7 <= digits <= 15:
        return False
    if written.startswith(("+", "(+")):
        return digits >= 8
    if _DATE.fullmatch(written) or _THOUSANDS.fullmatch(written):
        return False
    if _AMERICAN.fullmatch(written) or _LOCAL.fullmatch(written):
        return True
    if _NUMBERED.fullmatch(written) and not written.startswith("0"):
        return digits == 8 and not _evenly_spaced(written) and _valid(written, strict=True)
    return _valid(written, strict=not written.lstrip("(").startswith("0"))


def _evenly_spaced(written: str) -> bool:
    """Whether numbers are a row such as 10 20 30."""
    numbers = [int(number) for number in re.findall(r"\d+", written)]
    return len({after - before for before, after in pairwise(numbers)}) == 1


def _replaced(found: str) -> str:
    """A candidate may begin or end with other numbers: the longest part of it that is a telephone number goes."""
    if is_phone(found):
        return PHONE
    if _NUMBERED.fullmatch(found):
        return found
    starts = [0, *(match.end() for match in re.finditer(r"[ \u00a0/]+", found))]
    ends = [len(found), *(match.start() for match in re.finditer(r"[ \u00a0/]+", found))][:8]
    for start in starts[:8]:
        for end in sorted(ends, reverse=True):
            part = found[start:end]
            sure = part.lstrip("(").startswith(("0", "+")) or _AMERICAN.fullmatch(part)
            if sure and (start, end) != (0, len(found)) and end - start >= 9 and is_phone(part):
                return found[:start] + PHONE + found[end:]
    return found


def _in_context(match: re.Match[str], text: str) -> str:
    """A plain run of digits is a telephone number only after words that say so."""
    called = _CALLED.search(text[max(match.start() - 60, 0) : match.start()])
    return PHONE if called and _valid(match[0], strict=False) else match[0]


@lru_cache(maxsize=20_000)
def _valid(written: str, *, strict: bool) -> bool:
    """Whether some country has such a number; `strict` asks for the country's own grouping, too."""
    import phonenumbers

    digits = "".join(character for character in written if character.isdigit())
    for region, prefix, possible in _plans():
        own = digits.removeprefix(prefix) if prefix else digits
        if not possible.fullmatch(own) and not possible.fullmatch(digits):
            continue
        try:
            number = phonenumbers.parse(written, region)
        except phonenumbers.NumberParseException:
            return False
        if phonenumbers.is_valid_number(number) and (not strict or _grouped(number, written, region)):
            return True
    return digits.startswith("00") and _valid(f"+{written.lstrip('0')}", strict=False)


def _grouped(number: Any, written: str, region: str) -> bool:
    """Whether the groups are those in which the country writes the number."""
    import phonenumbers

    styles = (phonenumbers.PhoneNumberFormat.NATIONAL, phonenumbers.PhoneNumberFormat.INTERNATIONAL)
    groups = re.findall(r"\d+", written)
    for style in styles:
        usual = re.findall(r"\d+", phonenumbers.format_number(number, style))
        usual = usual[1:] if style == phonenumbers.PhoneNumberFormat.INTERNATIONAL else usual
        if groups == usual or (region in _LIKELY and groups == usual[1:] and len(usual) > 2):
            return True
    return False


@cache
def _plans() -> tuple[tuple[str, str, re.Pattern[str]], ...]:
    """Every region, its trunk prefix and what its numbers look like; those with most calls first.

    Most digits are no number in most regions, and this says so a hundred times faster than parsing.
    """
    import phonenumbers

    plans = []
    for region in (*_LIKELY, *sorted(phonenumbers.SUPPORTED_REGIONS - set(_LIKELY))):
        plan = phonenumbers.PhoneMetadata.metadata_for_region(region)
        pattern = plan.general_desc.national_number_pattern if plan and plan.general_desc else None
        if plan and pattern:
            plans.append((region, plan.national_prefix or "", re.compile(pattern)))
    return tuple(plans)
