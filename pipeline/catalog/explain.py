"""What pydantic found wrong, as problems with the file's line and what to write instead."""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from pipeline.catalog.catalog import Problem
from pipeline.catalog.reading import Document, Place, dotted

_ADVICE = {
    "string_type": "write a text, in quotes if YAML takes it for a number or a boolean",
    "finite_number": "write a finite number",
    "bool_type": "write true or false",
    "bool_parsing": "write true or false",
    "tuple_type": "write a list",
    "list_type": "write a list",
    "model_type": "write a mapping of fields",
    "dict_type": "write a mapping",
}


def explain(
    error: ValidationError, model: type[BaseModel], data: Any, document: Document, place: Place = ()
) -> list[Problem]:
    """Problems for everything that a model refused, one for each place.

    Args:
        error: what pydantic raised.
        model: the model that refused; its field names are offered for a misspelt one.
        data: what it refused.
        document: the file that holds the data.
        place: where in the file the data stands.
    """
    found: dict[Place, ErrorDetails] = {}
    for detail in error.errors(include_url=False):
        at = _place(detail, data)
        # Of the branches of a union for a number that is not finite, the one for numbers says what is wrong with it.
        if at not in found or detail["type"] == "finite_number":
            found[at] = detail
    # Every branch of a union complains; the one that got deepest is the one that was meant.
    # A list whose items were refused is said to be too short, too.
    meant = {
        at: detail
        for at, detail in found.items()
        if not ((_is_branch(detail, at) or detail["type"] == "too_short") and _has_deeper(at, found))
    }
    return [
        Problem(
            document.file, document.line((*place, *at)), dotted((*place, *at)), _found(detail), _advice(detail, model)
        )
        for at, detail in meant.items()
    ]


def shorten(value: object, width: int = 60) -> str:
    """A value as it is quoted in a message."""
    if isinstance(value, str) and len(value) > width:
        return f"{len(value):,} characters beginning {value[:30]!r}"
    text = repr(value)
    return text if len(text) <= width else text[: width - 1] + "…"


def _place(detail: ErrorDetails, data: Any) -> Place:
    """Where the error is in the data, without the steps that pydantic adds for the branches of a union."""
    at: list[str | int] = []
    steps = detail["loc"]
    for number, step in enumerate(steps, 1):
        if _holds(data, step):
            data = data[step]
            at.append(step)
        elif detail["type"] == "missing" and number == len(steps):
            at.append(step)
    return tuple(at)


def _holds(data: Any, step: str | int) -> bool:
    if isinstance(data, Mapping):
        return step in data
    return isinstance(step, int) and isinstance(data, Sequence) and not isinstance(data, str) and step < len(data)


def _is_branch(detail: ErrorDetails, at: Place) -> bool:
    return bool(detail["loc"]) and (not at or detail["loc"][-1] != at[-1])


def _has_deeper(at: Place, found: Mapping[Place, ErrorDetails]) -> bool:
    return any(len(other) > len(at) and other[: len(at)] == at for other in found)


def _found(detail: ErrorDetails) -> str:
    match detail["type"]:
        case "missing":
            return "nothing"
        case "extra_forbidden":
            return f"the unknown field {detail['loc'][-1]}"
        case _:
            return shorten(detail["input"])


def _advice(detail: ErrorDetails, model: type[BaseModel]) -> str:
    kind, message = detail["type"], detail["msg"]
    context = detail.get("ctx", {})
    match kind:
        case "missing":
            return "add it, it is required"
        case "extra_forbidden":
            name = str(detail["loc"][-1])
            near = difflib.get_close_matches(name, _field_names(model), n=1)
            return f"did you mean {near[0]}?" if near else "remove it"
        case "literal_error" | "enum":
            near = difflib.get_close_matches(
                str(detail["input"]), str(context["expected"]).replace("'", "").split(", "), 1
            )
            hint = f"did you mean {near[0]}? It is " if near else "write "
            return f"{hint}one of {context['expected']}"
        case "string_pattern_mismatch" if context["pattern"] == r"^[a-z][a-z0-9_]*$":
            return "write lower-case letters, digits and underscores, beginning with a letter"
        case "string_pattern_mismatch" if context["pattern"].endswith(r"\.py$"):
            return "write a path below definitions/python/ that ends in .py"
        case "value_error":
            return message.removeprefix("Value error, ")
        case _:
            return _ADVICE.get(kind) or message.replace("Input should", "it should", 1).replace(
                "String should", "it should", 1
            )


@lru_cache(maxsize=8)
def _field_names(model: type[BaseModel]) -> tuple[str, ...]:
    """Every field of a model and of the models inside it."""
    schema = model.model_json_schema()
    parts = [schema, *schema.get("$defs", {}).values()]
    return tuple({name: None for part in parts for name in part.get("properties", {})})
