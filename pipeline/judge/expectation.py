"""What form the value of a metric has, and reading a model's value into that form.

Strict by type: a value is the whole answer. `Yes.`, `Score: 7`, a label in quotes or in another case are read; a number
or a label somewhere in a sentence is not. Nothing is clamped and nothing is a default.
"""

from __future__ import annotations

import math
import re
import unicodedata
from dataclasses import dataclass
from typing import Any, Literal

from pipeline.catalog.models import PLAUSIBLE, Label, MetricDefinition
from pipeline.judge.numbers import number_of
from pipeline.judge.words import NO, YES, words_of

Value = float | str | bool | tuple[str, ...]
_MAX_TEXT = 2000
_CLAUSE = re.compile("[,.;:!\n\u2014]|-(?=\\s)")
_TAKEN_BACK = re.compile(
    r"\b(?:but|wait|actually|correction|sorry|scratch|rather|instead|however|although|unless|partial\w*|partly|hardly|"
    r"barely|somewhat|sort of|kind of|in part|not really|maybe|perhaps|possibly|only|almost|nearly|mostly|some extent|"
    r"entirely|fully|completely|unclear|unsure)\b"
)
_MARKS = " \t\n\"'`*.:;,!()[]\u201c\u201d\u2018\u2019\u00ab\u00bb\u3002\uff01"
_LABEL_LEAD = re.compile(
    r"(?:(?:the|my|best|final|most likely|correct) )*"
    r"(?:label|category|class|classification|topic|intent|answer|value|result)(?: is|:| :|=| =)? +"
)


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
        language: whose words for yes and no count; None is any.
    """

    kind: Literal["boolean", "number", "label", "labels", "text"]
    labels: tuple[Label, ...] = ()
    minimum: float | None = None
    maximum: float | None = None
    true_label: str | None = None
    false_label: str | None = None
    max_labels: int | None = None
    language: str | None = None

    @classmethod
    def of(cls, definition: MetricDefinition) -> Expectation:
        """What a value of this definition must be."""
        low, high = (None if abs(bound) == PLAUSIBLE else bound for bound in definition.bounds)
        if definition.metric_type == "boolean":
            true, false = definition.true_label, definition.false_label
            return cls("boolean", true_label=true, false_label=false, language=definition.language)
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
        reading = self.read(text)
        if reading.status == "wrong_type":
            return Reading("parse_error", error=reading.error)
        return reading

    def has(self, text: str) -> bool:
        """Whether a text is one of the labels, or the word for true or false."""
        words = (*(label.label for label in self.labels), self.true_label, self.false_label)
        return plain(text) in {plain(word) for word in words if word}

    def _read_number(self, found: Any) -> Reading:
        if isinstance(found, bool):
            return _wrong("a number", found)
        if isinstance(found, str):
            number = number_of(found, self.maximum)
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
        yes = words_of(YES, self.language) | ({plain(self.true_label)} if self.true_label else set())
        no = words_of(NO, self.language) | ({plain(self.false_label)} if self.false_label else set())
        whole = plain(found)
        first, *rest = (plain(clause) for clause in _CLAUSE.split(found.strip().lstrip(_MARKS)))
        explained = bool(rest) and not (yes | no) & set(rest) and not _TAKEN_BACK.search(" ".join(rest))
        for words in (whole, first) if explained else (whole,):  # `Yes, it was`, but not `Yes, but …`
            if (words in yes) != (words in no):
                return Reading("ok", words in yes)
        return _wrong("true or false", found)

    def _read_label(self, found: str) -> Reading:
        if exact := [label.label for label in self.labels if label.label == found.strip()]:
            return Reading("ok", exact[0])
        wanted = plain(found)
        for words in (wanted, _LABEL_LEAD.sub("", wanted, count=1)):
            named = [label.label for label in self.labels if words in _written(label)]
            if len(named) == 1:
                return Reading("ok", named[0])
        return Reading("unknown_category", error=f"Found {short(found)}; the labels are {self._names()}.")

    def _read_labels(self, found: Any) -> Reading:
        if isinstance(found, str):
            whole = self._read_label(found)
            if self.labels and whole.status == "ok":
                return self._within([str(whole.value)])
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

    def _names(self) -> str:
        return ", ".join(label.label for label in self.labels)


def labels_of(given: tuple[str | Label, ...]) -> tuple[Label, ...]:
    """Labels written either as text or with a description."""
    return tuple(Label(label=item) if isinstance(item, str) else item for item in given)


def _read_text(found: str) -> Reading:
    text = found.strip()
    if not text:
        return Reading("abstained", error="The model gave no value.")
    if len(text) > _MAX_TEXT:
        return Reading("out_of_range", error=f"Found a text of {len(text)} characters; at most {_MAX_TEXT} are kept.")
    return Reading("ok", text)


def _written(label: Label) -> set[str]:
    """How a label may be written: alone, or with its description as the question shows it."""
    alone = plain(label.label)
    if not label.description:
        return {alone}
    told = plain(label.description)
    return {alone, plain(f"{label.label} ({label.description})"), f"{alone}: {told}", f'{alone}" ({told}'}


def plain(text: str) -> str:
    """Lower case, composed, without quotes, marks at the ends, and with one kind of word separator."""
    return re.sub(r"[\s_-]+", " ", unicodedata.normalize("NFC", text).casefold()).strip(_MARKS)


def _wrong(wanted: str, found: Any) -> Reading:
    return Reading("wrong_type", error=f"Wanted {wanted}, found {short(found)}.")


def short(found: Any) -> str:
    """What was found, in one line of at most 80 characters."""
    text = repr(found[:100] if isinstance(found, str) else found)
    return text if len(text) <= 80 else f"{text[:77]}…"
