"""Placeholders in a user's prompt.

| written | becomes |
|---|---|
| `{data}` | the words "the conversation above": the conversation stands before every question |
| `{labels}` | the definition's labels with their descriptions |
| `{$.path}` | what stands there in the conversation's call-intelligence summary |
| `{{name}}` | a column of the conversation (`channel`, `started_at`, …) or a dotted name in its summary |
| `{{transcript}}` | the same as `{data}` |

What stands in the conversation is written on one line, whatever it says: it cannot write a line of the question.
`{$.path|text}` and `{{name|text}}` give a text for what is missing. Without one a missing value leaves the question
unasked: the value is `missing` and nothing is paid. Any other brace stands for itself, so a prompt may show JSON.
"""

from __future__ import annotations

import json
import re
from typing import Any

from pipeline.catalog.models import MetricDefinition
from pipeline.judge.clean import clean_text
from pipeline.judge.conversation import Conversation
from pipeline.judge.expectation import labels_of
from pipeline.judge.paths import find
from pipeline.judge.redact import Redactor, redact_data

CONVERSATION = "the conversation above"
_PLACEHOLDER = re.compile(
    r"\{(?P<word>data|labels)\}"
    r"|\{(?P<path>\$[^{}|]*)(?:\|(?P<path_default>[^{}]*))?\}"
    r"|\{\{\s*(?P<name>[A-Za-z_][\w.]*)\s*(?:\|(?P<name_default>[^{}]*))?\}\}"
)


class MissingPlaceholderError(Exception):
    """A prompt names something that this conversation does not have."""


def fill(prompt: str, definition: MetricDefinition, conversation: Conversation, redact: Redactor) -> str:
    """The prompt with every placeholder replaced.

    Raises:
        MissingPlaceholderError: something is absent or null and has no text given for that case.
    """

    def replace(match: re.Match[str]) -> str:
        if match["word"] == "labels":
            return describe_labels(definition)
        if match["word"] == "data" or match["name"] == "transcript":
            return CONVERSATION
        default = match["path_default"] if match["path"] else match["name_default"]
        path, name = match["path"], match["name"]
        found = find(path, dict(conversation.intelligence)) if path else _named(name, conversation)
        if found is None:
            if default is None:
                raise MissingPlaceholderError(f"{match[0]} is not in this conversation.")
            return default
        return _shown(redact_data(redact, found))

    return _PLACEHOLDER.sub(replace, prompt)


def describe_labels(definition: MetricDefinition) -> str:
    """Labels as they are shown to the model."""
    labels = labels_of(definition.ai_labels or definition.categories or ())
    return ", ".join(f'"{label.label}"' + (f" ({label.description})" if label.description else "") for label in labels)


def _shown(found: Any) -> str:
    text = found if isinstance(found, str) else json.dumps(found, default=str, ensure_ascii=False)
    # Nothing recorded can end the block that it stands in, or begin a line of the question.
    return " ".join(clean_text(text).split()).replace("</", "< /")


def _named(name: str, conversation: Conversation) -> Any:
    if name in conversation.fields:
        return conversation.fields[name]
    found: Any = conversation.intelligence
    for part in name.split("."):
        if not isinstance(found, dict) or part not in found:
            return None
        found = found[part]
    return found
