"""Reading what a model wrote: JSON as asked, JSON in a fence or in a sentence, or a plain answer such as `7`."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import orjson

from pipeline.catalog.models import MetricDefinition
from pipeline.judge.expectation import Expectation, Reading
from pipeline.judge.paths import find
from pipeline.judge.question import Form, Question, fields_of

_THOUGHTS = re.compile(r"\A\s*<think(?:ing)?>.*?</think(?:ing)?>", re.DOTALL)
_FENCE = re.compile(r"```(?:json)?\s*\n?(.*?)```", re.DOTALL)
_KEYS = frozenset({"value", "applicability", "reasoning", "evidence", "confidence"})


@dataclass(frozen=True, slots=True)
class Answer:
    """What one raw answer says, before its value is read into the metric's type.

    Attributes:
        found: the content of `value`, or the whole text of a plain answer.
        plain: whether it was a plain answer.
        applicability: answered, not_applicable or cannot_tell.
    """

    found: Any
    plain: bool = False
    applicability: str = "answered"
    reasoning: str | None = None
    evidence: tuple[Any, ...] = ()
    confidence: float | None = None


def parse_answer(raw: str, form: Form) -> Answer | None:
    """Read a raw answer; None when it is malformed: JSON was begun and cannot be read."""
    text = _THOUGHTS.sub("", raw).strip()
    if text.startswith("<think"):  # it never came to an answer
        return None
    for body in _candidates(text):
        if not isinstance(body, dict):
            return Answer(body)
        if form != "single" or _KEYS & body.keys():
            return _structured(body, form)
    if form != "single" or "{" in text or "```" in text:
        return None
    return Answer(text, plain=True)


def read_single(answer: Answer, expected: Expectation) -> Reading:
    """The one value of an answer."""
    if (early := _early(answer)) is not None:
        return early
    return expected.read_text(answer.found) if answer.plain else expected.read(answer.found)


def read_field(answer: Answer, definition: MetricDefinition) -> Reading:
    """The value of the field that the definition's `extract_path` names, or of the only one, or all of them as JSON."""
    if (early := _early(answer)) is not None:
        return early
    fields = _pairs(answer.found)
    if fields is None:
        return Reading("wrong_type", error="Wanted a list of fields.")
    names = list(fields_of(definition))
    path = definition.extract_path or (names[0] if len(names) == 1 else None)
    if path is None:
        return Expectation.of(definition).read(orjson.dumps(_nested(fields), default=str).decode())
    found = _field(fields, path)
    if found is None:
        return Reading("missing", error=f"The conversation does not say {path}.")
    return Expectation.of(definition).read(found)


def read_turns(answer: Answer, question: Question, expected: Expectation) -> dict[int, Reading]:
    """A reading for each turn that was asked about; one that the model left out is `missing`."""
    if (early := _early(answer)) is not None:
        return dict.fromkeys(question.turns, early)
    pairs = _pairs(answer.found)
    if pairs is None:
        return dict.fromkeys(question.turns, Reading("wrong_type", error="Wanted a list with a value for each turn."))
    given = {int(digits[0]): value for name, value in pairs.items() if (digits := re.search(r"\d+", name))}
    absent = Reading("missing", error="The model left this turn out.")
    return {turn: expected.read(given[turn]) if turn in given else absent for turn in question.turns}


_DECODER = json.JSONDecoder()  # reads NaN, Infinity and numbers of any size, which `expectation` then refuses by name


def _candidates(text: str) -> Iterator[Any]:
    """JSON values that the text holds: all of it, a code fence, or the first object that begins in it."""
    for part in (text, *(match[1].strip() for match in _FENCE.finditer(text))):
        try:
            yield _DECODER.decode(part)
        except (ValueError, RecursionError):
            continue
    with suppress(ValueError, RecursionError):
        yield _DECODER.raw_decode(text, text.index("{"))[0]


def _structured(body: dict[str, Any], form: Form) -> Answer:
    if form != "single" and not _KEYS & body.keys():
        return Answer(body)
    confidence = body.get("confidence")
    usable = isinstance(confidence, int | float) and not isinstance(confidence, bool) and 0 <= confidence <= 1
    evidence = body.get("evidence")
    reasoning = body.get("reasoning")
    return Answer(
        found=body.get("value"),
        applicability=str(body.get("applicability") or "answered").strip().lower().replace(" ", "_"),
        reasoning=reasoning.strip()[:4000] or None if isinstance(reasoning, str) else None,
        evidence=tuple(evidence) if isinstance(evidence, list) else (),
        confidence=float(confidence) if usable and confidence is not None else None,
    )


def _early(answer: Answer) -> Reading | None:
    """The state of an answer that says there is no value."""
    if answer.applicability == "not_applicable":
        return Reading("not_applicable")
    if answer.applicability == "cannot_tell":
        return Reading("abstained", error="The model cannot tell.")
    return None


def _pairs(found: Any) -> dict[str, Any] | None:
    """Fields by name, from the list that was asked for or from an object."""
    if isinstance(found, str):
        try:
            found = json.loads(found)
        except ValueError:
            return None
    if isinstance(found, dict):
        return {str(name): value for name, value in found.items()}
    if isinstance(found, list) and all(isinstance(item, dict) for item in found):
        return {str(item.get("field", item.get("name", ""))): item.get("value") for item in found}
    return None


def _field(fields: Mapping[str, Any], path: str) -> Any:
    name = path.removeprefix("$").removeprefix(".")
    if name in fields:
        return fields[name]
    return find(path, _nested(fields))


def _nested(fields: Mapping[str, Any]) -> dict[str, Any]:
    """`{"a.b": 1}` as `{"a": {"b": 1}}`."""
    nested: dict[str, Any] = {}
    for name, value in fields.items():
        *parents, leaf = name.split(".")
        at = nested
        for parent in parents:
            at = at.setdefault(parent, {})
            if not isinstance(at, dict):
                break
        else:
            at[leaf] = value
    return nested
