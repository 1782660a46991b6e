"""The mapping language: values and conditions.

A value is a literal, or a path into the item at hand or into an item of an enclosing rule, refined step by step. A
condition says what values must be.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Annotated, Literal

from pydantic import AfterValidator, BeforeValidator, Field, JsonValue, model_validator

from pipeline.catalog.capture import compile_capture
from pipeline.catalog.models import Model
from pipeline.catalog.paths import parse_path
from pipeline.errors import ExpressionError

SCOPED_PATH = re.compile(r"\$(?P<scope>[a-z_][a-z0-9_]*)?(?P<rest>(?:[.\[].*)?)", re.DOTALL)
"""`$.a.b` is read from the item itself, `$call.a.b` from the item that an enclosing rule named `call`."""

TEMPLATE_PART = re.compile(r"\{(\$[^{}]*)\}")


def _path(text: str) -> str:
    parts = SCOPED_PATH.fullmatch(text)
    if parts is None:
        raise ValueError(f"not a path: {text!r}; write for example $.call.id, or $call.id for an enclosing rule's item")
    try:
        parse_path("$" + parts["rest"])
    except ExpressionError as error:
        raise ValueError(str(error)) from None
    return text


def _template(text: str) -> str:
    found = TEMPLATE_PART.findall(text)
    if not found:
        raise ValueError(f"no path in {text!r}; write for example call/{{$.id}}, or a plain string")
    for path in found:
        _path(path)
    return text


def _capture(regex: str) -> str:
    try:
        compile_capture(regex)
    except ExpressionError as error:
        raise ValueError(str(error)) from None
    return regex


def _text_keys(value: object) -> object:
    """YAML reads the keys `true` and `1` as a boolean and a number; a map is looked up by their JSON text."""
    if not isinstance(value, Mapping):
        return value
    return {json_text(key): found for key, found in value.items()}


def json_text(value: object) -> str:
    """How a scalar is written as a key of `map`: `true`, `1`, `null`, or the string itself."""
    if value is None:
        return "null"
    return str(value).lower() if isinstance(value, bool) else str(value)


Path = Annotated[str, AfterValidator(_path)]
Capture = Annotated[str, AfterValidator(_capture)]
Template = Annotated[str, AfterValidator(_template)]


_ORIGINS = (
    "path",
    "all",
    "count",
    "literal",
    "template",
    "first",
    "object",
    "merge",
    "list",
    "hash",
    "find",
    "pairs",
    "entries",
    "lookup",
    "largest",
)


_KINDS = {"list": "a list", "object": "an object", "number": "a number", "text": "a text"}
_ALWAYS = {
    "all": "list",
    "list": "list",
    "entries": "list",
    "object": "object",
    "merge": "object",
    "pairs": "object",
    "count": "number",
    "template": "text",
    "hash": "text",
    "largest": "text",
}
"""What an origin gives, where that is certain."""

_REFINES = {
    "trim": ("text",),
    "capture": ("text",),
    "join": ("list", "text"),
    "map": ("text", "number"),
    "minus": ("text", "number"),
    "scale": ("text", "number"),
}
"""What a refinement can be applied to."""

_NEVER_ABSENT = ("all", "list", "object", "merge", "pairs", "count", "hash", "literal")


class Value(Model):
    """Where a value comes from: exactly one of the fields down to `largest`; the others refine it, in this order."""

    path: Path | None = Field(default=None, description="JSONPath; the first match.")
    all: Path | None = Field(default=None, description="JSONPath; every match, as a list.")
    count: Path | None = Field(default=None, description="JSONPath; how many matches.")
    literal: JsonValue = Field(default=None, description="This very value, also one that begins with $.")
    template: Template | None = Field(
        default=None, description="Text with paths in braces; absent when one of them is: call/{$.id}/{$index}."
    )
    first: tuple[ValueLike, ...] | None = Field(
        default=None, min_length=1, description="The first that is present and not null."
    )
    object: dict[str, ValueLike] | None = Field(default=None, description="An object; absent fields are left out.")
    merge: tuple[ValueLike, ...] | None = Field(
        default=None, min_length=1, description="Objects made into one; of equal fields the last counts."
    )
    list: tuple[ValueLike, ...] | None = Field(default=None, description="A list; absent items are left out.")
    hash: tuple[ValueLike, ...] | None = Field(
        default=None, min_length=1, description="32 hexadecimal digits of the SHA-256 of these values."
    )
    find: Find | None = Field(default=None, description="A value of the first item that matches.")
    pairs: Pairs | None = Field(default=None, description="An object made of a list of keys and values.")
    entries: Path | None = Field(default=None, description="The fields of an object as a list of {key, value}.")
    lookup: Lookup | None = Field(default=None, description="The field of an object whose name is read, too.")
    largest: dict[str, ValueLike] | None = Field(
        default=None, min_length=1, description="The name of the greatest of these numbers, for example of scores."
    )

    trim: Literal[True] | None = Field(default=None, description="Text without blanks at its ends.")
    capture: Capture | None = Field(
        default=None, description="RE2 with one group: that part of a text; absent when there is no match."
    )
    join: str | None = Field(default=None, description="A list of texts becomes one text with this between them.")
    map: Annotated[dict[str, JsonValue], BeforeValidator(_text_keys)] | None = Field(
        default=None,
        description="What each value becomes; a * in a key stands for any text, and the first such key that fits is "
        "taken after those that are equal. A value that is not listed stays as it is, see `other`.",
    )
    other: JsonValue = Field(default=None, description="With `map`: what every value that is not listed becomes.")
    type: Literal["string", "integer", "number", "boolean", "duration", "json", "json_or_text", "otlp"] | None = Field(
        default=None,
        description="Convert; a value that cannot be converted refuses the event. `duration` gives the seconds "
        "of HH:MM:SS, MM:SS or ISO 8601 (PT3M21S), and takes a number for seconds. `json` parses text; with "
        "`json_or_text` a text that is not JSON, such as the arguments of a model that erred, stays as it is; `otlp` "
        "makes plain JSON of an `AnyValue` of OpenTelemetry, whatever it nests.",
    )
    minus: ValueLike | None = Field(
        default=None, description="Subtract a number, for example where a stretch begins from where it ends."
    )
    scale: float | None = Field(default=None, description="Multiply a number, for example 1000 for seconds to ms.")
    default: JsonValue = Field(default=None, description="Used when the value is absent or null.")

    @model_validator(mode="after")
    def _one_origin(self) -> Value:
        given = [name for name in _ORIGINS if name in self.model_fields_set]
        if len(given) != 1:
            raise ValueError(f"exactly one of {', '.join(_ORIGINS)} is needed, found {' and '.join(given) or 'none'}")
        if "other" in self.model_fields_set and self.map is None:
            raise ValueError("`other` needs `map`")
        (origin,) = given
        kind = "text" if self.join is not None else _ALWAYS.get(origin)
        for name, kinds in _REFINES.items():
            if name in self.model_fields_set and kind is not None and kind not in kinds:
                raise ValueError(f"`{name}` has no effect on `{origin}`, which gives {_KINDS[kind]}; remove it")
        if (
            "default" in self.model_fields_set
            and origin in _NEVER_ABSENT
            and not {"capture", "join"} & self.model_fields_set
        ):
            raise ValueError(f"`default` has no effect on `{origin}`, which is never absent; remove it")
        return self


def _value(found: object) -> object:
    """A plain string that begins with $ is a path; every other scalar is itself."""
    if isinstance(found, str) and found.startswith("$"):
        return {"path": found}
    if found is None or isinstance(found, str | bool | int | float):
        return {"literal": found}
    return found


ValueLike = Annotated[Value, BeforeValidator(_value, json_schema_input_type=Value | str | bool | int | float | None)]


def _data(found: object) -> object:
    """An object whose keys are not those of a value is the payload's own fields."""
    if isinstance(found, Mapping) and not found.keys() <= Value.model_fields.keys():
        return {"object": found}
    return _value(found)


Data = Annotated[
    Value,
    BeforeValidator(_data, json_schema_input_type=Value | dict[str, Value | str | bool | int | float | None] | str),
]


class Match(Model):
    """What a value must be. All that is given must hold."""

    equals: JsonValue = Field(default=None, description="This very value.")
    any_of: tuple[JsonValue, ...] | None = Field(default=None, description="One of these.")
    none_of: tuple[JsonValue, ...] | None = Field(default=None, description="None of these; absent counts as null.")
    exists: bool | None = Field(default=None, description="Present and not null, or (false) absent or null.")
    same_as: Path | None = Field(default=None, description="Equal to what stands at this path.")
    contains: str | None = Field(default=None, min_length=1, description="Found anywhere in a text.")
    blank: bool | None = Field(
        default=None, description="Absent, null or a text of nothing but blanks; or (false) anything else."
    )
    at_least: float | None = Field(default=None, description="A number, this or more.")
    at_most: float | None = Field(default=None, description="A number, this or less.")

    @model_validator(mode="after")
    def _given(self) -> Match:
        if not self.model_fields_set:
            raise ValueError("nothing to match; write for example {exists: true}")
        return self


def _match(found: object) -> object:
    """A scalar must be equal; a list names what is accepted."""
    if isinstance(found, list | tuple):
        return {"any_of": found}
    if found is None or isinstance(found, str | bool | int | float):
        return {"equals": found}
    return found


MatchLike = Annotated[
    Match,
    BeforeValidator(_match, json_schema_input_type=Match | list[JsonValue] | str | bool | int | float | None),
]
Condition = dict[Path, MatchLike]


class Find(Model):
    """Looks through items, such as a list of attributes, for the first that matches."""

    each: Path = Field(description="The items.")
    when: Condition = Field(description="Paths of an item and what they must be.")
    value: ValueLike = Field(description="Read from that item.")


class Pairs(Model):
    """Makes an object of a list, such as attributes, so that paths and `lookup` can name its keys."""

    each: Path = Field(description="The items.")
    key: ValueLike = Field(
        description="Read from an item; a list gives each of its texts the value. Of equal keys the last counts."
    )
    value: ValueLike = Field(description="Read from that item.")


class Lookup(Model):
    """Reads the field of an object whose name is itself a value: joins two parts of a document."""

    within: Path = Field(description="The object, for example what `let` and `pairs` made of a list.")
    key: ValueLike = Field(description="The name of the field.")
