"""What a definition asks about a conversation, in words, and how the answer is read back into values."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from pipeline.catalog.models import MetricDefinition
from pipeline.judge.conversation import Conversation
from pipeline.judge.expectation import Expectation, labels_of
from pipeline.judge.placeholders import describe_labels, fill
from pipeline.judge.redact import Redactor

Form = Literal["single", "fields", "turns"]


@dataclass(frozen=True, slots=True)
class Question:
    """One question in words.

    Attributes:
        text: the last part of the prompt.
        form: whether the answer holds one value, named fields, or a value for each turn.
        participant: whom it is about, when it is about one of them.
        turns: indexes of the turns that are judged one by one.
    """

    text: str
    form: Form
    participant: str | None = None
    turns: tuple[int, ...] = ()


def questions(
    definition: MetricDefinition, conversation: Conversation, roles: Mapping[int, str], redact: Redactor
) -> list[Question]:
    """The questions of one definition about one conversation; none when nobody it asks about took part.

    Args:
        definition: a judged one.
        conversation: what is asked about.
        roles: role by index, of the turns that are sent.
        redact: applied to everything that comes from the conversation.

    Raises:
        MissingPlaceholderError: the prompt names something that this conversation does not have.
    """
    asked = _asked(definition, conversation, redact)
    if definition.extraction_mode == "ai_extract":
        return [Question(_compose(asked, _describe_fields(definition)), "fields")]
    form = describe_form(definition)
    if definition.scope == "turn":
        turns = tuple(index for index, role in roles.items() if definition.participant_role in (None, role))
        which = f"Answer for each of these turns alone: {', '.join(map(str, turns))}.\n"
        listed = f'In "value" put a list of {{"field": turn number as text, "value": …}}, one for each turn. {form}'
        return [Question(_compose(which + asked, listed), "turns", turns=turns)] if turns else []
    if definition.scope == "participant":
        return [
            Question(_compose(f"Answer about {_shown(role, name, redact)} only.\n{asked}", form), "single", name)
            for role, name in _participants(definition, conversation)
        ]
    return [Question(_compose(asked, form), "single")]


def describe_form(definition: MetricDefinition) -> str:
    """The line that says what `value` must be."""
    expected = Expectation.of(definition)
    if expected.kind == "boolean":
        meaning = [
            f"{word} means {label}"
            for word, label in (("true", expected.true_label), ("false", expected.false_label))
            if label
        ]
        return f"Value: true or false.{' ' if meaning else ''}{'; '.join(meaning)}"
    if expected.kind == "number":
        low, high = expected.minimum, expected.maximum
        limits = [f"from {low:g}"] if low is not None else []
        limits += [f"to {high:g}"] if high is not None else []
        bands = [
            f"\n{band.range_min:g} to {band.range_max:g}: {band.label}"
            + (f" ({band.description})" * bool(band.description))
            for band in (definition.scale.bands if definition.scale else ())
        ]
        return f"Value: a number{' ' if limits else ''}{' '.join(limits)}.{''.join(bands)}"
    if expected.kind == "text":
        return "Value: a short text."
    if not expected.labels:
        return "Value: a list of short texts."
    shown = describe_labels(definition)
    if expected.kind == "label":
        return f"Value: exactly one of these labels: {shown}"
    most = f"at most {expected.max_labels}" if expected.max_labels else "all that fit"
    return f"Value: a list of these labels, {most}: {shown}"


def fields_of(definition: MetricDefinition) -> dict[str, str]:
    """Names of the fields that `ai_extract` looks for, dotted where they are nested, and what each is."""
    fields = {label.label: label.description or "" for label in labels_of(definition.ai_labels or ())}
    if definition.ai_schema is not None:
        fields |= dict(_leaves(definition.ai_schema, ""))
    return fields


def _leaves(schema: Mapping[str, Any], at: str) -> Iterator[tuple[str, str]]:
    properties = schema.get("properties", schema if not at and "type" not in schema else {})
    for name, part in properties.items():
        path = f"{at}.{name}" if at else name
        part = part if isinstance(part, Mapping) else {"type": str(part)}
        if isinstance(part.get("properties"), Mapping):
            yield from _leaves(part, path)
        else:
            options = f"one of {', '.join(map(str, part['enum']))}" if isinstance(part.get("enum"), list) else ""
            told = [str(part.get("type", "")), options, str(part.get("description", ""))]
            yield path, ", ".join(text for text in told if text)


def _describe_fields(definition: MetricDefinition) -> str:
    lines = [f"- {name}{f': {what}' if what else ''}" for name, what in fields_of(definition).items()]
    return (
        'Value: a list of {"field": name, "value": …}, one for each of these fields, '
        "with null where the conversation does not say it:\n" + "\n".join(lines)
    )


def _asked(definition: MetricDefinition, conversation: Conversation, redact: Redactor) -> str:
    written = [definition.ai_query_prompt, definition.prompt]
    prompt = "\n\n".join(text.strip() for text in written if text and text.strip())
    if not prompt:
        prompt = {
            "ai_classify": "Which label describes the conversation best?",
            "ai_extract": "Extract these fields from the conversation.",
        }.get(definition.extraction_mode, "")
    return fill(prompt, definition, conversation, redact)


def _compose(asked: str, form: str) -> str:
    return f"Question: {asked.strip()}\n\n{form}"


def _participants(definition: MetricDefinition, conversation: Conversation) -> list[tuple[str, str]]:
    seen = {
        (turn.role, turn.participant or turn.role): None
        for turn in conversation.turns
        if turn.text.strip() and definition.participant_role in (None, turn.role)
    }
    return list(seen)


def _shown(role: str, name: str, redact: Redactor) -> str:
    who, called = " ".join(role.split()), " ".join(redact(name).split())
    return f"the {who}" if name == role else f"the {who} ({called})"
