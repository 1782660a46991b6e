"""What form the value of a metric has, and reading a model's value into that form.

Strict by type, with the few tolerant forms that models really produce: a number in a sentence, Yes and No, a label with
quotes or in another case. Nothing is clamped and nothing is a default.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from typing import Any, Literal

from pipeline.catalog.models import PLAUSIBLE, Label, MetricDefinition

Value = float | str | bool | tuple[str, ...]
_NUMBER = re.compile(r"(?<![\w.,])[-+]?(?:\d{1,3}(?:,\d{3})+|\d+)?(?:\.\d+|(?<=\d))(?:[eE][-+]?\d+)?(?![\d,]*\d|\.\d)")
_OUT_OF = re.compile(r"\s*(?:/|out of|of)\s*([\d.]+)\b", re.IGNORECASE)
_YES = frozenset({"true", "yes", "y"})
_NO = frozenset({"false", "no", "n"})
_MAX_TEXT = 2000
_CLAUSE = re.compile("[,.;:!\n\u2014-]")
_BUT = re.compile(r"^(?:but|and|or) ")
_MARKS = " \t\n\"'`*.:;,!()[]\u201c\u201d\u2018\u2019\u00ab\u00bb"
_NOT = re.compile(r"\b(?:not|no|never|neither|nor)\b|n['\u2019]t\b", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Reading:
    """One value, or the state that says why there is none and what was found."""

    status: str
    value: Value | None = None
    error: str | None = None


@dataclass(frozen=True, slots=True)
class Expectation:
    """Type, range and labels of one value.

    Attributes:
        kind: boolean, number, label (one of), labels (some of), or text.
        labels: the allowed labels; empty for text and number.
        minimum: least number, included.
        maximum: greatest number, included.
        true_label: another word for true.
        false_label: another word for false.
        max_labels: how many labels at most.
    """

    kind: Literal["boolean", "number", "label", "labels", "text"]
    labels: tuple[Label, ...] = ()
    minimum: float | None = None
    maximum: float | None = None
    true_label: str | None = None
    false_label: str | None = None
    max_labels: int | None = None

    @classmethod
    def of(cls, definition: MetricDefinition) -> Expectation:
        """What a value of this definition must be."""
        low, high = (None if abs(bound) == PLAUSIBLE else bound for bound in definition.bounds)
        if definition.metric_type == "boolean":
            return cls("boolean", true_label=definition.true_label, false_label=definition.false_label)
        if definition.metric_type == "numerical":
            return cls("number", minimum=low, maximum=high)
        given = definition.ai_labels if definition.extraction_mode == "ai_classify" else None
        labels = labels_of(given or definition.categories or ())
        if definition.multi_label:
            return cls("labels", labels=labels, max_labels=definition.max_labels)
        return cls("label", labels=labels) if labels else cls("text")

    def read(self, found: Any) -> Reading:
        """A value out of JSON."""
        if found is None:
            return Reading("abstained", error="The model gave no value.")
        if self.kind == "labels":
            return self._read_labels(found)
        if isinstance(found, list) and len(found) == 1:
            found = found[0]
        if self.kind == "number":
            return self._read_number(found)
        if self.kind == "boolean":
            return self._read_boolean(found)
        if not isinstance(found, str | int | float) or (self.kind == "label" and isinstance(found, float)):
            return _wrong(f"a {self.kind}", found)
        return self._read_label(str(found)) if self.kind == "label" else _read_text(str(found))

    def read_text(self, text: str) -> Reading:
        """A value out of a plain answer such as `7`, `Yes.` or `The label is billing`."""
        if self.kind == "labels":
            named = [] if _NOT.search(text) else self._mentioned(text)
            return self._within(named) if named else self._read_labels(re.split(r"[,;\n]", text))
        reading = self.read(text)
        if reading.status == "wrong_type":
            return Reading("parse_error", error=reading.error)
        return reading

    def _read_number(self, found: Any) -> Reading:
        if isinstance(found, bool):
            return _wrong("a number", found)
        if isinstance(found, str):
            number = _number_in(found, self.maximum)
            if number is None:
                return _wrong("one number", found)
        elif isinstance(found, int | float):
            try:
                number = float(found)
            except OverflowError:
                number = math.inf
        else:
            return _wrong("a number", found)
        if math.isnan(number):
            return _wrong("a number", found)
        low = -PLAUSIBLE if self.minimum is None else self.minimum
        high = PLAUSIBLE if self.maximum is None else self.maximum
        if not low <= number <= high:
            return Reading("out_of_range", error=f"Found {number:g}, outside {low:g} to {high:g}.")
        # An integer that a double cannot hold (beyond 2^53) stays one.
        return Reading("ok", found if isinstance(found, int) and found != number else number)

    def _read_boolean(self, found: Any) -> Reading:
        if isinstance(found, bool):
            return Reading("ok", found)
        if not isinstance(found, str):
            return _wrong("true or false", found)
        yes = _YES | ({_plain(self.true_label)} if self.true_label else set())
        no = _NO | ({_plain(self.false_label)} if self.false_label else set())
        clauses = [_BUT.sub("", _plain(clause)) for clause in _CLAUSE.split(found.strip().lstrip(_MARKS))]
        if not (yes & set(clauses) and no & set(clauses)):  # `No, but yes` is neither
            for words in (_plain(found), clauses[0]):
                if (words in yes) != (words in no):
                    return Reading("ok", words in yes)
        return _wrong("true or false", found)

    def _read_label(self, found: str) -> Reading:
        wanted = _plain(found)
        for label in self.labels:
            if _plain(label.label) == wanted:
                return Reading("ok", label.label)
        named = self._mentioned(found)
        if len(named) == 1 and not _NOT.search(found):
            return Reading("ok", named[0])
        return Reading("unknown_category", error=f"Found {_short(found)}; the labels are {self._names()}.")

    def _read_labels(self, found: Any) -> Reading:
        if isinstance(found, str):
            found = [part for part in re.split(r"[,;\n]", found) if part.strip()]
        if not isinstance(found, list) or not all(isinstance(item, str) for item in found):
            return _wrong("a list of labels", found)
        if not self.labels:
            return self._within([item.strip() for item in found])
        readings = [self._read_label(item) for item in found]
        for reading in readings:
            if reading.status != "ok":
                return reading
        return self._within([str(reading.value) for reading in readings])

    def _within(self, labels: list[str]) -> Reading:
        unique = tuple(dict.fromkeys(labels))
        if self.max_labels is not None and len(unique) > self.max_labels:
            return Reading("out_of_range", error=f"Found {len(unique)} labels; at most {self.max_labels} are allowed.")
        return Reading("ok", unique)

    def _mentioned(self, text: str) -> list[str]:
        """The labels that occur as whole words in a sentence; a label inside a longer one does not count."""
        rest, named = f" {_plain(text)} ", []
        for label in sorted(self.labels, key=lambda label: len(label.label), reverse=True):
            word = re.compile(rf"(?<!\w){re.escape(_plain(label.label))}(?!\w)")
            if word.search(rest):
                named.append(label.label)
                rest = word.sub(" ", rest)
        return [label.label for label in self.labels if label.label in named]

    def _names(self) -> str:
        return ", ".join(label.label for label in self.labels)


def labels_of(given: tuple[str | Label, ...]) -> tuple[Label, ...]:
    """Labels written either as text or with a description."""
    return tuple(Label(label=item) if isinstance(item, str) else item for item in given)


def _number_in(text: str, maximum: float | None) -> float | None:
    """The one number in a text. `7/10` and `7 out of 10` are 7 when 10 is the greatest number allowed."""
    plain = text.strip().strip("*`\"'").replace("\u2212", "-")
    if plain.casefold() in ("nan", "inf", "-inf", "infinity", "-infinity"):
        return float(plain)
    matches = list(_NUMBER.finditer(plain))
    if not matches:
        return None
    first = matches[0]
    scale = _OUT_OF.match(plain, first.end())
    if scale and maximum is not None and scale[1].rstrip(".") and float(scale[1].rstrip(".")) == maximum:
        matches = [first, *(match for match in matches[1:] if match.start() >= scale.end())]
    numbers = {float(match[0].replace(",", "")) for match in matches}
    return numbers.pop() if len(numbers) == 1 else None


def _read_text(found: str) -> Reading:
    text = found.strip()
    if not text:
        return Reading("abstained", error="The model gave no value.")
    if len(text) > _MAX_TEXT:
        return Reading("out_of_range", error=f"Found a text of {len(text)} characters; at most {_MAX_TEXT} are kept.")
    return Reading("ok", text)


def _plain(text: str) -> str:
    """Lower case, without quotes, marks at the ends, and with one kind of word separator."""
    return re.sub(r"[\s_-]+", " ", text.casefold()).strip(_MARKS)


def _wrong(wanted: str, found: Any) -> Reading:
    return Reading("wrong_type", error=f"Wanted {wanted}, found {_short(found)}.")


def _short(found: Any) -> str:
    text = repr(found)
    return text if len(text) <= 80 else f"{text[:77]}…"
