"""How the sample judge answers: from the truth labels of the sample, wrong at a known rate, and plainly simulated.

It sees only the prompt, as a model does. It finds the conversation by the fingerprint of the transcript and the label
by words of the question; what it finds neither for it answers at random, the same each time.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from random import Random
from typing import Any

import orjson

from pipeline.sample.truth import ConversationTruth, fingerprint

NOTICE = "simulated by the sample judge, not by a model"
MODEL = "sample-judge"

_BLOCK = re.compile(r"<conversation (\w+)>\n(.*?)\n</conversation \1>\n\nQuestion: (.*)\Z", re.DOTALL)
_LINE = re.compile(r"^\[(\d+)\] ([\w-]+): (.*)$", re.MULTILINE)
_QUOTED = re.compile(r'"([^"]+)"')
_FIELD = re.compile(r"^- ([\w.]+)", re.MULTILINE)
_RANGE = re.compile(r"from (-?[\d.]+) to (-?[\d.]+)")
_WORDS: Mapping[str, str] = {
    "frustrated": r"frustrat",
    "sentiment": r"sentiment|mood|\bpositive\b",
    "empathy": r"empath",
    "protocol_followed": r"protocol|procedure",
    "disclosed": r"disclos|recorded for|may be recorded",
    "verified": r"verif|identity",
    "escalated": r"escalat|handed over|transfer",
    "resolved": r"resol|what they came for|goal|accomplish",
    "topic": r"topic|reason|categor|about",
    "intent": r"intent",
}
_NONE = object()


@dataclass(frozen=True)
class Simulated:
    """One answer: the content of the message and the value in it."""

    content: str
    value: Any


class Mind:
    """Answers questions about sample conversations.

    Args:
        truths: the labels; nothing is recognised without them.
        error_rate: share of questions that get another answer than the truth.
        seed: of everything that is random.
    """

    def __init__(self, truths: Sequence[ConversationTruth] = (), error_rate: float = 0.0, seed: int = 0) -> None:
        self._truths = {truth.fingerprint: truth for truth in truths}
        self._error_rate = error_rate
        self._seed = seed
        self._asked = 0

    def answer(self, user: str, *, independent: bool = False) -> Simulated:
        """Answer a prompt of the judge, or any other text.

        Args:
            user: the user message.
            independent: whether the same prompt may get another answer each time, as at temperature 1.
        """
        found = _BLOCK.search(user)
        lines, question = (found[2], found[3]) if found else ("", user)
        self._asked += independent
        noise = hashlib.sha256(f"{self._seed}:{self._asked if independent else 0}:{user}".encode()).digest()
        rng = Random(int.from_bytes(noise))  # noqa: S311 - a simulation
        turns = [(int(index), role, text) for index, role, text in _LINE.findall(lines)]
        truth = self._truths.get(fingerprint((role, text) for _, role, text in turns))
        known = _known(truth, question) if truth else _NONE
        applicability = "answered"
        if known is None and not _is_list(question):
            applicability, value = "not_applicable", None
        else:
            value = _value(question, truth, known, rng, wrong=rng.random() < self._error_rate)
        quoted = rng.choice(turns) if turns else None
        content = {
            "applicability": applicability,
            "reasoning": f"This answer was {NOTICE}.",
            "evidence": [{"turn": quoted[0], "quote": quoted[2][:80]}] if quoted else [],
            "value": value,
            "confidence": round(0.7 + 0.3 * rng.random(), 2),
        }
        return Simulated(orjson.dumps(content).decode(), value)


def _known(truth: ConversationTruth, question: str) -> Any:
    for part in (question.split("\nValue:")[0], question):  # the words of the question, then the labels
        for name, words in _WORDS.items():
            if re.search(words, part, re.IGNORECASE):
                return getattr(truth, name)
    return _NONE


def _is_list(question: str) -> bool:
    return "a list of {" in question


def _value(question: str, truth: ConversationTruth | None, known: Any, rng: Random, *, wrong: bool) -> Any:
    form = question.rpartition("Value: ")[2]
    if 'list of {"field": name' in form:
        facts = truth.facts if truth else {}
        return [{"field": name, "value": facts.get(name.rpartition(".")[2])} for name in _FIELD.findall(form)]
    if 'list of {"field": turn' in question:
        listed = re.search(r"each of these turns alone: ([\d, ]+)", question)
        indexes = re.findall(r"\d+", listed[1]) if listed else []
        return [{"field": index, "value": _scalar(form, _NONE, rng, wrong=False)} for index in indexes]
    return _scalar(form, known, rng, wrong=wrong)


def _scalar(form: str, known: Any, rng: Random, *, wrong: bool) -> Any:
    if form.startswith("true or false"):
        value = known if isinstance(known, bool) else rng.random() < 0.5
        return value != wrong
    if form.startswith("a number"):
        span = _RANGE.search(form)
        low, high = (float(span[1]), float(span[2])) if span else (0.0, 10.0)
        if isinstance(known, int | float) and not isinstance(known, bool):
            off = rng.choice([-2, -1, 1, 2]) if wrong else 0
            return min(max(known + off, low), high)
        return rng.randint(int(low), int(high))
    labels = _QUOTED.findall(form)
    if labels:
        right = known if known in labels else rng.choice(labels)
        chosen = rng.choice([label for label in labels if label != right] or labels) if wrong else right
        return [chosen] if form.startswith("a list") else chosen
    return str(known) if isinstance(known, str) else "simulated"
