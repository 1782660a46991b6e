"""The mapping language: how a foreign format becomes canonical events, declared in YAML.

A mapping is a tree of rules. A rule walks over items (`each`), may emit one event for each of them, and hands its
fields down to the rules below it. Whatever a rule needs is a *value*: a literal, or a path into the item or into an
item of an enclosing rule. Nothing is evaluated as code.
"""

from __future__ import annotations

import pathlib
import re
from collections.abc import Mapping
from typing import Annotated, Any, Literal
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import AfterValidator, BeforeValidator, Field, JsonValue, PrivateAttr, model_validator

from pipeline.catalog.capture import compile_capture
from pipeline.catalog.models import Key, Model
from pipeline.catalog.paths import parse_path
from pipeline.errors import ExpressionError

SCOPED_PATH = re.compile(r"\$(?P<scope>[a-z_][a-z0-9_]*)?(?P<rest>(?:[.\[].*)?)", re.DOTALL)
"""`$.a.b` is read from the item itself, `$call.a.b` from the item that an enclosing rule named `call`."""

RESERVED_SCOPES = frozenset({"document", "file", "index", "previous", "next", "last", "items"})
"""Names that always exist: the whole document; `url`, `member` and `name` (the member's, else the URL) of its file; the
item's number; its neighbours; and with `runs` the run's last item and the list of all its items."""

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


def _zone(name: str) -> str:
    try:
        ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, IsADirectoryError) as error:
        raise ValueError(f"{name!r} is not an IANA time zone; write for example Europe/Berlin") from error
    return name


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
Zone = Annotated[str, AfterValidator(_zone)]
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
    type: Literal["string", "integer", "number", "boolean", "json", "json_or_text"] | None = Field(
        default=None,
        description="Convert; a value that cannot be converted refuses the event. `json` parses text; with "
        "`json_or_text` a text that is not JSON, such as the arguments of a model that erred, stays as it is.",
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
        return self


def _path_value(found: object) -> object:
    """A string that begins with $ is a path; every other one is itself."""
    return {"path": found} if isinstance(found, str) and found.startswith("$") else found


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


ZoneLike = Annotated[Zone | Value, BeforeValidator(_path_value, json_schema_input_type=Value | str)]


class Time(Model):
    """An instant."""

    value: ValueLike = Field(description="What is read.")
    format: str | tuple[str, ...] = Field(
        default="iso",
        description="iso, unix_s, unix_ms, unix_us, unix_ns, or a strptime format such as %d.%m.%Y %H:%M; a list is "
        "tried in order.",
    )
    zone: ZoneLike | None = Field(
        default=None, description="Zone of instants that name none, or where it is read; default the mapping's."
    )
    plus: ValueLike | None = Field(
        default=None, description="Added to `value`, which is then the start of a recording."
    )
    plus_unit: Literal["s", "ms", "us"] = Field(default="s", description="Unit of `plus`.")
    if_absent: Literal["refuse", "previous", "unknown"] = Field(
        default="refuse",
        description="refuse the event; take the instant of the event before it in the same conversation (unknown when "
        "there is none); or keep the event without an instant, in no period.",
    )


def _time(found: object) -> object:
    if isinstance(found, str):
        return {"value": found}
    if found is None:
        return {"value": None, "if_absent": "unknown"}
    return found


TimeLike = Annotated[Time | None, BeforeValidator(_time, json_schema_input_type=Time | str | None)]
Name = Annotated[str, Field(pattern=r"^[a-z_][a-z0-9_]*$", max_length=64)]


class Rule(Model):
    """Walks over items and emits events.

    Every field but `event_id`, `event_type`, `sequence` and `data` is handed down to the rules below. An item that
    neither the rule nor any rule below makes an event of is refused: say `ignore` where that is meant.
    """

    each: Path | None = Field(default=None, description="The items; default the enclosing rule's own item.")
    runs: ValueLike | None = Field(
        default=None,
        description="Consecutive items in which this value is the same become one: $ is its first item, $last its "
        "last, $items the list of all; $previous and $next are the items beside it.",
    )
    name: Name | None = Field(default=None, description="Lets the rules below read this item as $name.")
    when: Condition | tuple[Condition, ...] | None = Field(
        default=None, description="The rule applies when every path matches; of a list of conditions, any one."
    )
    let: dict[Name, ValueLike] = Field(
        default={},
        description="Values that this rule and the rules below read as $name, each also by those after it. They are "
        "worked out once for an item.",
    )

    event_type: ValueLike | None = Field(default=None, description="Without it the rule emits nothing itself.")
    event_id: ValueLike | None = Field(default=None, description="Default: a hash of the source key and the event.")
    conversation_id: ValueLike | None = None
    occurred_at: TimeLike = Field(default=None, description="`null` says that the instant is unknown.")
    sequence: ValueLike | None = Field(
        default=None, description="Order of events of the same instant; default their order in the document."
    )
    domain: ValueLike | None = None
    origin: ValueLike | None = None
    channel: ValueLike | None = None
    direction: ValueLike | None = None
    service_id: ValueLike | None = None
    traffic: ValueLike | None = None
    run_id: ValueLike | None = None
    session_id: ValueLike | None = None
    participant: ValueLike | None = None
    tags: ValueLike | None = Field(default=None, description="A list of strings.")
    data: Data | None = Field(
        default=None,
        description="The event's payload: its fields, or a value that is an object, for example $ for the whole item.",
    )

    events: tuple[Rule, ...] = Field(default=(), description="Rules for this item; every one that applies is used.")
    first_of: tuple[Rule, ...] = Field(
        default=(), description="Rules for this item; only the first that applies is used."
    )
    ignore: str | None = Field(default=None, min_length=1, description="Why these items are left out on purpose.")

    @model_validator(mode="after")
    def _useful(self) -> Rule:
        for name in (self.name, *self.let):
            if name in RESERVED_SCOPES:
                raise ValueError(f"`{name}` is reserved; choose another than {', '.join(sorted(RESERVED_SCOPES))}")
        if self.ignore is None and self.event_type is None and not self.events and not self.first_of:
            raise ValueError("a rule needs event_type, events, first_of or ignore")
        if self.runs is not None and self.each is None:
            raise ValueError("`runs` joins the items of `each`; say over which")
        if any(rule.each is not None for rule in self.first_of):
            raise ValueError(
                "`first_of` chooses by the item itself; put `each` into the `events` of the rule it chooses"
            )
        return self


class SourceMapping(Model):
    """One file under `definitions/sources/`: which files it is for and the events that they hold."""

    key: Key
    name: str | None = Field(default=None, max_length=256)
    description: str | None = Field(default=None, max_length=4000)
    files: tuple[str, ...] = Field(
        default=(),
        description="Patterns over a file's whole path or URL; * also matches /. Without one the mapping is used only "
        "when it is asked for by key.",
    )
    members: tuple[str, ...] = Field(
        default=(), description="Patterns over the names inside an archive; others are left alone. Default: all."
    )
    format: Literal["json", "ndjson", "csv", "tsv", "parquet", "textgrid"] | None = Field(
        default=None, description="Default: by content and by the name's ending."
    )
    delimiter: str | None = Field(default=None, min_length=1, max_length=1, description="Of CSV; default by header.")
    zone: Zone | None = Field(
        default=None, description="Zone of instants that name none; without it such instants are refused."
    )
    events: tuple[Rule, ...] = Field(min_length=1, description="Rules for every document (JSON document, line or row).")
    _file: pathlib.Path | None = PrivateAttr(default=None)

    @property
    def file(self) -> pathlib.Path | None:
        """Where it was read from; None for one that is built in."""
        return self._file

    @classmethod
    def read(cls, data: object, file: pathlib.Path) -> SourceMapping:
        """Validate what a file holds.

        Raises:
            ValidationError: it is no mapping.
        """
        mapping = cls.model_validate(data)
        mapping._file = file
        return mapping

    @model_validator(mode="after")
    def _known_scopes(self) -> SourceMapping:
        for rule in self.events:
            _check_scopes(rule, RESERVED_SCOPES)
        return self


def _check_scopes(rule: Rule, known: frozenset[str]) -> None:
    """A path may only read items of enclosing rules, and what `let` names in them; `when` is asked before `let`."""
    named = known | ({rule.name} if rule.name else set())
    inner = named | rule.let.keys()
    own = rule.model_dump(exclude={"events", "first_of", "each"}, exclude_unset=True)
    asked = _paths(own.pop("when", None))
    for found, allowed in [
        (rule.each, known), *((path, named) for path in asked), *((path, inner) for path in _paths(own))
    ]:  # fmt: skip
        scope = SCOPED_PATH.fullmatch(found)["scope"] if found else None  # type: ignore[index]
        if scope and scope not in allowed:
            raise ValueError(f"{found!r} reads ${scope}, which no enclosing rule is named; known: {sorted(allowed)}")
    for below in (*rule.events, *rule.first_of):
        _check_scopes(below, inner)


_PATH_FIELDS = ("path", "all", "count", "entries", "within", "each", "same_as")


def _paths(node: Any) -> list[str]:
    """Every path in a dumped rule."""
    if isinstance(node, dict):
        own = [node[name] for name in _PATH_FIELDS if isinstance(node.get(name), str)]
        templates = TEMPLATE_PART.findall(node["template"]) if isinstance(node.get("template"), str) else []
        condition = [key for key in node if isinstance(key, str) and key.startswith("$")]
        below = [path for key, child in node.items() if key not in ("literal", "map") for path in _paths(child)]
        return [*own, *templates, *condition, *below]
    if isinstance(node, list | tuple):
        return [path for child in node for path in _paths(child)]
    return []
