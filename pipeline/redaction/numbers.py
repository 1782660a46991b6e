"""Numbers with a form of their own: cards, IBAN, national ids. A check digit decides where there is one."""

from __future__ import annotations

import re

CARD, IBAN, NATIONAL = "[card number]", "[IBAN]", "[national id]"
_CARD = re.compile(r"(?<!\d)\d(?:[ .\u00a0\u2010\u2011\u2013-]{0,2}\d){12,18}(?!\d)")
_IBAN = re.compile(r"(?<![A-Z0-9])[A-Z]{2}[ -]?\d{2}(?:[ -]?[A-Z0-9]){11,30}(?![A-Z0-9])", re.IGNORECASE)
_IBAN_LENGTHS = range(15, 35)
_DNI = "TRWAGMYFPDXBNJZSQVHLCKE"


def redact_ibans(text: str) -> str:
    """The text with IBANs replaced."""
    return _IBAN.sub(_iban, text)


def redact_national_ids(text: str) -> str:
    """The text with national ids replaced; do it after cards, whose groups look like some of them."""
    for pattern, check in _NATIONAL:
        text = pattern.sub(lambda match, check=check: NATIONAL if check(match[0]) else match[0], text)  # type: ignore[misc]
    return text


def redact_cards(text: str) -> str:
    """The text with card numbers replaced."""
    return _CARD.sub(lambda match: CARD if luhn(match[0]) else match[0], text)


def is_card(text: str) -> bool:
    """Whether a text is a card number, in groups or without."""
    return bool(_CARD.fullmatch(text)) and luhn(text)


def luhn(text: str) -> bool:
    """Whether the digits of a text pass the Luhn check; zeros alone do not."""
    digits = [int(character) for character in reversed(text) if character.isdigit()]
    doubled = (sum(divmod(2 * digit, 10)) for digit in digits[1::2])
    return any(digits) and (sum(digits[::2]) + sum(doubled)) % 10 == 0


def is_iban(text: str) -> bool:
    """Whether the check digits of an IBAN are right (ISO 7064, mod 97-10)."""
    plain = re.sub(r"[ -]", "", text).upper()
    if len(plain) not in _IBAN_LENGTHS:
        return False
    return int("".join(str(int(character, 36)) for character in plain[4:] + plain[:4])) % 97 == 1


def _iban(match: re.Match[str]) -> str:
    """The words after an IBAN look like a part of it: the longest start whose check digits are right goes."""
    found = match[0]
    ends = [len(found), *(gap.start() for gap in reversed(list(re.finditer(r"[ -]", found))))]
    for end in ends:
        if is_iban(found[:end]):
            return IBAN + found[end:]
    return found


def _digits(text: str) -> list[int]:
    return [int(character) for character in text if character.isdigit()]


def _cpf(text: str) -> bool:
    digits = _digits(text)
    for length in (9, 10):
        total = sum(digit * weight for digit, weight in zip(digits, range(length + 1, 1, -1), strict=False))
        if digits[length] != total * 10 % 11 % 10:
            return False
    return len(set(digits)) > 1


def _nir(text: str) -> bool:
    digits = re.sub(r"\D", "", text)
    return len(digits) == 15 and 97 - int(digits[:13]) % 97 == int(digits[13:])


def _dni(text: str) -> bool:
    plain = re.sub(r"[ .-]", "", text).upper().translate(str.maketrans("XYZ", "012"))
    return plain[:-1].isdigit() and _DNI[int(plain[:-1]) % 23] == plain[-1] if text[0].isdigit() else _nie(text)


def _nie(text: str) -> bool:
    plain = re.sub(r"[ .-]", "", text).upper()
    number = plain[0].translate(str.maketrans("XYZ", "012")) + plain[1:-1]
    return number.isdigit() and _DNI[int(number) % 23] == plain[-1]


_VERHOEFF = (
    "0123456789", "1234067895", "2340178956", "3401289567", "4012395678",
    "5987604321", "6598710432", "7659821043", "8765932104", "9876543210",
)  # fmt: skip
_PERMUTED = (
    "0123456789",
    "1576283094",
    "5803796142",
    "8916043527",
    "9453126870",
    "4286573901",
    "2793806415",
    "7046913258",
)


def _aadhaar(text: str) -> bool:
    check = 0
    for place, digit in enumerate(reversed(_digits(text))):
        check = int(_VERHOEFF[check][int(_PERMUTED[place % 8][digit])])
    return check == 0


_NATIONAL = (
    (re.compile(r"(?<![\w-])(?!000|666|9)\d{3}-(?!00)\d{2}-(?!0000)\d{4}(?![\w-])"), lambda _: True),  # United States
    (
        re.compile(r"(?<!\w)(?!BG|GB|KN|NK|NT|TN|ZZ)[A-CEGHJ-PR-TW-Z][A-CEGHJ-NPR-TW-Z](?: ?\d{2}){3} ?[A-D](?!\w)"),
        lambda _: True,
    ),  # United Kingdom
    (
        re.compile(r"(?<!\w)[A-Z]{6}\d{2}[ABCDEHLMPRST]\d{2}[A-Z]\d{3}[A-Z](?!\w)", re.IGNORECASE),
        lambda _: True,
    ),  # Italy
    (re.compile(r"(?<!\w)[12] ?\d{2} ?(?:0[1-9]|1[0-2]) ?\d[\dAB] ?\d{3} ?\d{3} ?\d{2}(?!\w)"), _nir),  # France
    (re.compile(r"(?<!\w)(?:\d{8}|\d{2}\.\d{3}\.\d{3}|[XYZ]-?\d{7})[ -]?[A-Z](?!\w)", re.IGNORECASE), _dni),  # Spain
    (re.compile(r"(?<![\w.])\d{3}\.\d{3}\.\d{3}-\d{2}(?!\w)"), _cpf),  # Brazil
    (re.compile(r"(?<![\w-])(?<!\d )[2-9]\d{3}[ -]\d{4}[ -]\d{4}(?![\w -]*\d)"), _aadhaar),  # India
    (re.compile(r"(?<!\w)[A-Z]{3}[ABCFGHJLPT][A-Z]\d{4}[A-Z](?!\w)"), lambda _: True),  # India, PAN
)
