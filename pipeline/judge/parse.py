"""Reading what a model wrote: JSON as asked, JSON in a fence or between words, or a plain answer such as `7`.

What is not plainly an answer is unreadable, and the question is asked once more: nothing is guessed.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import orjson

from pipeline.catalog.models import MetricDefinition
from pipeline.judge.clean import clean_json
from pipeline.judge.expectation import Expectation, Reading, plain
from pipeline.judge.expectation import short as _short
from pipeline.judge.paths import find
from pipeline.judge.question import Form, Question, fields_of
from pipeline.judge.thoughts import final_words
from pipeline.judge.words import APPLICABILITY

_FENCE = re.compile(r"```(?:json[c5]?)?[ \t]*\n?(.*?)```", re.DOTALL | re.IGNORECASE)
_KEYS = frozenset({"value", "applicability", "reasoning", "evidence", "confidence"})
_WHOLE_ANSWER = frozenset({"value", "applicability"})
_CORRECTION = re.compile(
    r"[\d{}\[\]]|\b(?:wait|actually|correct\w*|instead|sorry|rather|scratch|mistake\w*|wrong|revis\w*|should|chang\w*|"
    r"however|updat\w*|hmm|but|no|not|example|template|like this|such as)\b",
    re.IGNORECASE,
)
_MAX_NESTED = 3
_UNUSABLE = ("parse_error", "wrong_type", "unknown_category", "out_of_range")


class UnreadableError(Exception):
    """An answer that cannot be read; the message says in one line what is wrong with it, to models and to people."""


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


def parse_answer(raw: str, form: Form, *, cut_off: bool = False) -> Answer:
    """Read a raw answer.

    The answer is what stands after the model's thoughts: one JSON object, alone, in a fence or between words that take
    nothing back, or else a plain text. Where there are several objects that differ, none is chosen.

    Args:
        raw: as it came.
        form: of the answer that was asked for.
        cut_off: whether the server says that it ended at a limit; then only a complete JSON object counts.

    Raises:
        UnreadableError: there is no answer, or more than one.
    """
    body = _decoded(raw)
    text = raw.strip()
    if not isinstance(body, dict | list):
        final = final_words(raw)
        if final is None:
            raise UnreadableError("it never came to one final answer after its reasoning")
        if not final:
            raise UnreadableError("it is empty")
        text = final
        body = _found_in(final)
    body = _unwrapped(body)
    if isinstance(body, dict):
        if _KEYS & body.keys():
            return _structured(body)
        if form != "single":
            return Answer(body)
        raise UnreadableError('the JSON object has no "value"')
    if cut_off:
        raise UnreadableError("it was cut off at the output limit, max_output_tokens of the endpoint")
    if body is not _NOTHING:
        return Answer(body)
    if form != "single" or "{" in text or "```" in text:
        raise UnreadableError("it holds no complete JSON object")
    return Answer(text, plain=True)


def read_answer(outcome: str, raw: str, form: Form) -> Answer:
    """Read an answer that was stored.

    Args:
        outcome: how it came, as `judge_answers.outcome` says; not `refused`.
        raw: as it came.
        form: of the answer that was asked for.

    Raises:
        UnreadableError: there is no answer in it.
    """
    if outcome == "empty":
        raise UnreadableError("it is empty")
    return parse_answer(raw, form, cut_off=outcome == "truncated")


def readings(definition: MetricDefinition, question: Question, answer: Answer) -> list[Reading]:
    """The values of one metric in an answer: one, or one for each turn that was asked about."""
    if question.form == "fields":
        return [read_field(answer, definition)]
    expected = Expectation.of(definition)
    if question.form == "turns":
        return list(read_turns(answer, question, expected).values())
    return [read_single(answer, expected)]


def objection(definition: MetricDefinition, question: Question, outcome: str, raw: str) -> str | None:
    """What a model is told when an answer cannot be used for a metric; None when it can.

    A value of the wrong type, an unknown label and a number out of range are worth asking once more. That a turn or a
    field is left out is an answer.
    """
    if outcome == "refused":
        return None
    try:
        found = readings(definition, question, read_answer(outcome, raw, question.form))
    except UnreadableError as unreadable:
        return f"{unreadable}."
    return next((reading.error for reading in found if reading.status in _UNUSABLE), None)


def read_single(answer: Answer, expected: Expectation) -> Reading:
    """The one value of an answer."""
    if (early := _early(answer, expected)) is not None:
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
    given = {int(found[1]): value for name, value in pairs.items() if (found := _TURN.fullmatch(name))}
    absent = Reading("missing", error="The model left this turn out.")
    return {turn: expected.read(given[turn]) if turn in given else absent for turn in question.turns}


_TURN = re.compile(r"\s*(?:turn\s*)?\[?([0-9]{1,9})\]?\s*", re.IGNORECASE)
_MAX_OBJECTS = 50


def _one_of_each(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key, value in pairs:
        name = key.strip().casefold() if key.strip().casefold() in _KEYS else key
        if name in found and found[name] != value:
            raise ValueError("two values for one key")
        found[name] = value
    return found


_DECODER = json.JSONDecoder(object_pairs_hook=_one_of_each)  # takes NaN, which `expectation` refuses by name


_NOTHING = object()


def _decoded(text: str) -> Any:
    """The JSON value that a whole text is, clean, or `_NOTHING`."""
    try:
        return clean_json(_DECODER.decode(text.strip()))
    except (ValueError, RecursionError):
        return _NOTHING


def _found_in(text: str) -> Any:
    """The one JSON value that a text holds: all of it, one fence, or one object among words; or `_NOTHING`.

    Raises:
        UnreadableError: it holds several, or words that may take the object back.
    """
    if (whole := _decoded(text)) is not _NOTHING:
        return whole
    parts = [match[1].strip() for match in _FENCE.finditer(text)]
    around = _FENCE.sub(" ", text) if parts else text
    found = [value for part in parts if (value := _decoded(part)) is not _NOTHING]
    fenced = bool(found)
    if not found:
        found, around = _objects_in(text)
    if not found:
        return _NOTHING
    if any(value != found[0] for value in found[1:]):
        raise UnreadableError("it holds more than one JSON object")
    if _CORRECTION.search(around) or (not fenced and not _complete(found[0])):
        raise UnreadableError("words around the JSON object leave open whether it is the answer")
    return found[0]


def _complete(value: Any) -> bool:
    return isinstance(value, dict) and value.keys() >= _WHOLE_ANSWER


def _objects_in(text: str) -> tuple[list[Any], str]:
    """Every JSON object that begins in a text, outside of one another, and the words around them."""
    found: list[Any] = []
    around: list[str] = []
    at = 0
    for _ in range(_MAX_OBJECTS):
        start = text.find("{", at)
        if start < 0:
            break
        around.append(text[at:start])
        try:
            value, at = _DECODER.raw_decode(text, start)
            found.append(clean_json(value))
        except (ValueError, RecursionError):
            around.append("{")
            at = start + 1
    return found, " ".join([*around, text[at:]])


def _unwrapped(body: Any) -> Any:
    """`[{…}]` and `{"answer": {…}}` as the object that was asked for."""
    for _ in range(_MAX_NESTED):
        inner = body
        if isinstance(body, list) and len(body) == 1 and isinstance(body[0], dict):
            inner = body[0]
        elif isinstance(body, dict) and len(body) == 1 and not _KEYS & body.keys():
            inner = next(iter(body.values()))
        if inner is body or not isinstance(inner, dict) or not _KEYS & _keys_below(inner):
            return body
        body = inner
    return body


def _keys_below(body: dict[str, Any]) -> set[str]:
    """Keys of an object, or of the only object in it."""
    only = next(iter(body.values())) if len(body) == 1 else None
    return {*body, *(only if isinstance(only, dict) else ())}


def _structured(body: dict[str, Any]) -> Answer:
    if "value" not in body and body.get("applicability") in (None, "answered"):
        raise UnreadableError('the JSON object has no "value"')
    told = body.get("applicability")
    applicability = "answered" if told is None else _applicability(told)
    if applicability is None:
        raise UnreadableError(
            f'"applicability" is {_short(told)}, not one of "answered", "not_applicable" and "cannot_tell"'
        )
    confidence = body.get("confidence")
    usable = isinstance(confidence, int | float) and not isinstance(confidence, bool) and 0 <= confidence <= 1
    evidence = body.get("evidence")
    reasoning = body.get("reasoning")
    return Answer(
        found=body.get("value"),
        applicability=applicability,
        reasoning=reasoning.strip()[:4000] or None if isinstance(reasoning, str) else None,
        evidence=tuple(evidence) if isinstance(evidence, list) else (),
        confidence=float(confidence) if usable and confidence is not None else None,
    )


def _applicability(told: Any) -> str | None:
    """What a word for applicability means; None when it is none."""
    return APPLICABILITY.get(plain(told)) if isinstance(told, str) else None


def _early(answer: Answer, expected: Expectation | None = None) -> Reading | None:
    """The state of an answer that says there is no value, in `applicability` or in place of the value."""
    told: str | None = answer.applicability
    if told == "answered" and isinstance(answer.found, str) and expected is not None and expected.kind != "text":
        told = None if expected.has(answer.found) else _applicability(answer.found)
    if told == "not_applicable":
        return Reading("not_applicable")
    if told == "cannot_tell":
        return Reading("abstained", error="The model cannot tell.")
    return None


def _pairs(found: Any) -> dict[str, Any] | None:
    """Fields by name, from the list that was asked for or from an object."""
    if isinstance(found, str):
        found = _decoded(found)
    if isinstance(found, dict):
        return {str(name): value for name, value in found.items()}
    if not isinstance(found, list) or not all(isinstance(item, dict) for item in found):
        return None
    pairs: dict[str, Any] = {}
    for item in found:
        name, value = str(item.get("field", item.get("name", item.get("turn", "")))), item.get("value")
        if name in pairs and pairs[name] != value:
            return None  # two values for one name
        pairs[name] = value
    return pairs


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
