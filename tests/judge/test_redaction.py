"""How much personal data is found, measured on a labelled set, and what is left alone."""

# ruff: noqa: E501
from __future__ import annotations

import re
from collections import Counter
from random import Random
from typing import Any

import phonenumbers
import pytest

from pipeline.judge.conversation import Conversation, Turn
from pipeline.judge.redact import redactor
from pipeline.redaction import Forms, redact_forms, redact_turns
from pipeline.settings_models import Redaction

FORMS = Forms()
CARRIERS = {
    "en": [
        "You can reach me, it is {}, thanks a lot.",
        "Sure: {}.",
        "I wrote it down as {} for you",
        "{}",
        "So {} then?",
    ],
    "de": ["Das ist {} bitte, vielen Dank.", "Ja, {}.", "Ich habe {} notiert", "{}"],
    "fr": ["Alors c'est {} merci.", "Oui, {}.", "J'ai not\u00e9 {} pour vous", "{}"],
    "es": ["Es el {} gracias.", "S\u00ed, {}.", "Tengo {} apuntado", "{}"],
    "it": ["Allora \u00e8 {} grazie.", "S\u00ec, {}.", "Ho scritto {} qui", "{}"],
    "pt": ["\u00c9 o {} obrigado.", "Sim, {}.", "Anotei {} aqui", "{}"],
}
"""Sentences in six languages that a number is said in."""
REGIONS = ["US", "GB", "DE", "FR", "ES", "IT", "PT", "BR", "IN", "NL", "PL", "TR", "AU", "CH", "AT", "MX", "JP", "SE"]
NOTHING_PERSONAL = [
    "10 20 30 40 50", "1.234.567,89", "1,234,567.89", "2026-03-02 10:30", "02.03.2026", "12/05/2023 14:30", "3.5.2024",
    "order 98010021", "invoice 2023-1045", "version 12.4.1", "1 200 000", "2 000 000,00 EUR", "$1,250.00", "10:30-11:45",
    "3 5 7 9 11 13 15", "room 1204", "from 2019-2024", "item 12345678901", "99.95 %", "7 out of 10", "25 30 35 40",
    "chapter 3.14.15", "24/7", "1990 2000 2010", "A4 297x210", "100 200 300", "12 x 500 g", "paragraph 12.3.4", "4.5 stars",
]  # fmt: skip
DOTS = {"en": ("dot", "at"), "de": ("punkt", "\u00e4t"), "fr": ("point", "arobase"), "es": ("punto", "arroba"),
        "it": ("punto", "chiocciola"), "pt": ("ponto", "arroba")}  # fmt: skip
DIGITS = {
    "en": "zero one two three four five six seven eight nine",
    "de": "null eins zwei drei vier f\u00fcnf sechs sieben acht neun",
    "fr": "z\u00e9ro un deux trois quatre cinq six sept huit neuf",
    "es": "cero uno dos tres cuatro cinco seis siete ocho nueve",
    "it": "zero uno due tre quattro cinque sei sette otto nove",
    "pt": "zero um dois tr\u00eas quatro cinco seis sete oito nove",
}


def phone(rng: Random, form: str) -> str:
    """An example number of some country as people write it."""
    region = rng.choice(REGIONS)
    kind = rng.choice([phonenumbers.PhoneNumberType.MOBILE, phonenumbers.PhoneNumberType.FIXED_LINE])
    number = phonenumbers.example_number_for_type(region, kind)
    national = phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.NATIONAL)
    abroad = phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.INTERNATIONAL)
    if form == "national":
        return national if re.search(r"\D", national) else abroad
    if form == "abroad":
        return abroad
    if form == "e164":
        return phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)
    if form == "hyphens":
        return abroad.replace(" ", "-")
    if form == "dots":
        return re.sub(r"[ -]", ".", abroad)
    if form == "double zero":
        return "00" + abroad[1:]
    if form == "trunk zero":
        return re.sub(r"^(\+\d+) ", r"\1 (0)", abroad)
    assert form == "slash"
    return re.sub(r"^(\+\d+ \d+) ", r"\1/", abroad)


def luhn(digits: str) -> str:
    total = sum(sum(divmod(int(d) * (2 - at % 2), 10)) for at, d in enumerate(reversed(digits)))
    return digits + str(-total % 10)


def card(rng: Random, form: str) -> str:
    start = rng.choice(["4", "51", "37", "6011"])
    digits = luhn(start + "".join(rng.choice("0123456789") for _ in range((14 if start == "37" else 15) - len(start))))
    mark = {"blanks": " ", "plain": "", "dots": ".", "hyphens": "-"}[form]
    return mark.join(digits[at : at + 4] for at in range(0, len(digits), 4))


def iban(rng: Random, form: str) -> str:
    country, length = rng.choice([("DE", 18), ("FR", 23), ("ES", 20), ("NL", 14), ("PT", 21), ("AT", 16)])
    body = ("ABNA" if country == "NL" else "") + "".join(rng.choice("0123456789") for _ in range(length))
    body = body[:length]
    rest = int("".join(str(int(c, 36)) for c in body + country + "00")) % 97
    whole = f"{country}{98 - rest:02}{body}"
    if form == "plain":
        return whole
    grouped = " ".join(whole[at : at + 4] for at in range(0, len(whole), 4))
    return grouped.lower() if form == "small" else grouped


def email(rng: Random, form: str, language: str) -> str:
    first, last = rng.choice(["john", "maria", "lena", "paulo"]), rng.choice(["doe", "huber", "rossi", "silva"])
    host, tld = rng.choice(["example", "mail", "gmx"]), rng.choice(["com", "de", "org", "fr", "es"])
    dot, at = DOTS[language]
    if form == "written":
        return f"{first}.{last}@{host}.{tld}"
    if form == "plus":
        return f"{first}+{last}@{host}.co.uk"
    if form == "bracket":
        return f"{first}.{last} (at) {host}.{tld}"
    return f"{first} {dot} {last} {at} {host} {dot} {tld}"


def address(rng: Random, form: str) -> str:
    if form == "v4":
        return ".".join(str(rng.randint(1, 254)) for _ in range(4))
    if form == "v6":
        return ":".join(f"{rng.randint(0, 65535):x}" for _ in range(8))
    if form == "v6 short":
        return f"2001:db8::{rng.randint(1, 65535):x}:{rng.randint(1, 65535):x}"
    return f"https://{rng.choice(['bob', 'ann'])}:pw{rng.randint(1, 99)}@example.org/a"


def spelled(rng: Random, form: str, language: str) -> str:
    words = [DIGITS[language].split()[rng.randint(0, 9)] for _ in range(rng.randint(8, 11))]
    return (", " if form == "commas" else " ").join(words)


KINDS: dict[str, tuple[str, list[str], list[str]]] = {
    "phone": (
        "[phone number]",
        ["national", "abroad", "e164", "hyphens", "double zero"],
        ["dots", "trunk zero", "slash"],
    ),
    "card": ("[card number]", ["blanks", "plain", "hyphens"], ["dots"]),
    "iban": ("[IBAN]", ["blanks", "plain"], ["small"]),
    "email": ("[email]", ["written", "spoken"], ["plus", "bracket"]),
    "address": ("[ip address]", ["v4", "v6"], ["v6 short", "url"]),
    "spelled": ("[number]", ["blanks"], ["commas"]),
}
"""For each kind what it becomes, the forms that were looked at while this was written, and those that were not."""


def make(rng: Random, kind: str, form: str, language: str) -> str:
    if kind in ("email", "spelled"):
        return {"email": email, "spelled": spelled}[kind](rng, form, language)
    return {"phone": phone, "card": card, "iban": iban, "address": address}[kind](rng, form)


def measured(seen: bool) -> dict[str, tuple[int, int, list[str]]]:
    """Spans and how many of them are gone whole, by kind."""
    rng = Random(20260302 if seen else 7)
    found: dict[str, tuple[int, int, list[str]]] = {}
    for kind, (_, known, unknown) in KINDS.items():
        spans = hits = 0
        missed = []
        for form in known if seen else unknown:
            for language in CARRIERS:
                for _ in range(6):
                    span = make(rng, kind, form, language)
                    text = rng.choice(CARRIERS[language]).format(span)
                    left = redact_forms(FORMS, text)
                    spans += 1
                    leaked = _leaks(span, left)
                    hits += not leaked
                    missed += [f"{text!r} -> {left!r}"] if leaked else []
        found[kind] = (spans, hits, missed)
    return found


def _leaks(span: str, left: str) -> bool:
    """Whether the span, or four letters or digits of it in a row, are still there."""
    return span in left or any(
        re.search(rf"(?<!\w){re.escape(part)}(?!\w)", left) for part in re.findall(r"\w{4,}", span)
    )


@pytest.mark.parametrize("seen", [True, False], ids=["known forms", "unseen forms"])
def test_what_has_a_form_is_found(seen: bool) -> None:
    found = measured(seen)
    for kind, (spans, hits, missed) in found.items():
        assert hits / spans >= 0.98, (kind, missed[:5])
    assert sum(spans for spans, _, _ in found.values()) >= (400 if seen else 200)


def test_little_else_is_taken_for_it() -> None:
    """Precision: of all that is replaced in texts with and without personal data, the share that was personal."""
    rng = Random(3)
    wrong = []
    for said in NOTHING_PERSONAL:
        for language, carriers in CARRIERS.items():
            text = carriers[rng.randrange(len(carriers))].format(said)
            if (left := redact_forms(FORMS, text)) != text:
                wrong.append((language, text, left))
    replaced = sum(hits for seen in (True, False) for _, hits, _ in measured(seen).values())
    precision = replaced / (replaced + len(wrong))
    assert precision >= 0.95, wrong[:10]
    assert len({text for _, text, _ in wrong}) <= 6, wrong


def test_what_is_said_over_several_turns_is_found() -> None:
    turns = [
        (0, "user", "my card is 4111 1111"), (1, "agent", "okay"), (2, "user", "1111 1111"), (3, "agent", "And a number?"),
        (4, "user", "0151"), (5, "user", "23456789"), (6, "user", "the code is 12 34"), (7, "user", "56 of them"),
    ]  # fmt: skip
    assert redact_turns(FORMS, turns) == {
        0: "my card is [card number]", 1: "okay", 2: "[card number]", 3: "And a number?",
        4: "[phone number]", 5: "[phone number]", 6: "the code is 12 34", 7: "56 of them",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("said", "sent"),
    [
        ("Maria's bag", "[name] bag"),
        ("Marias Tasche", "[name] Tasche"),
        ("dla Marii i Mari\u0105", "dla [name] i [name]"),
        ("Marian talo", "[name] talo"),
        ("the marina", "the marina"),
        ("O\u2019Neil\u2019s", "[name]"),
        ("the market", "the market"),
    ],
)
def test_names_are_found_in_the_possessive_and_in_other_cases(said: str, sent: str) -> None:
    talk = Conversation("c", (Turn(0, "user", said),), intelligence={"names": ["Maria", "O'Neil", "Mark"]})
    assert redactor(Redaction(fields=("names",)), talk)(said) == sent


def test_a_function_of_the_users_own_goes_over_every_text(monkeypatch: pytest.MonkeyPatch, tmp_path: Any) -> None:
    (tmp_path / "own_redaction.py").write_text("def hide(text):\n    return text.replace('Lakeside', '[place]')\n")
    monkeypatch.syspath_prepend(tmp_path)
    talk = Conversation("c", (Turn(0, "user", "I live in Lakeside"),))
    assert redactor(Redaction(hook="own_redaction:hide"), talk)("in Lakeside") == "in [place]"


def test_each_kind_can_be_switched_off() -> None:
    said = "a@b.com 4111 1111 1111 1111, 0151 23456789, DE89 3704 0044 0532 0130 00, 10.0.0.1"
    talk = Conversation("c", (Turn(0, "user", said),))
    off = Redaction(emails=False, phone_numbers=False, card_numbers=False, accounts=False, network_addresses=False)
    assert redactor(off, talk)(said) == said
    kinds = Counter(re.findall(r"\[[^\]]+\]", redactor(Redaction(), talk)(said)))
    assert kinds == Counter(["[email]", "[card number]", "[phone number]", "[IBAN]", "[ip address]"])
