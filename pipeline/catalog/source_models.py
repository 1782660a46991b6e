"""The mapping language: rules, how a foreign format becomes canonical events, declared in YAML.

A mapping is a tree of rules. A rule walks over items (`each`), may emit one event for each of them, and hands its
fields down to the rules below it. Whatever a rule needs is a *value*: a literal, or a path into the item or into an
item of an enclosing rule (`source_values`). Nothing is evaluated as code.
"""

from __future__ import annotations

import pathlib
from collections.abc import Sequence
from typing import Annotated, Any, Literal
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import AfterValidator, BeforeValidator, Field, PrivateAttr, model_validator

from pipeline.catalog.models import Key, Model
from pipeline.catalog.source_values import SCOPED_PATH, TEMPLATE_PART, Condition, Data, Path, Value, ValueLike

RESERVED_SCOPES = frozenset({"document", "file", "index", "previous", "next", "last", "items"})
"""Names that always exist: the whole document; `url`, `member` and `name` (the member's, else the URL) of its file; the
item's number; its neighbours; and with `runs` the run's last item and the list of all its items."""


def _zone(name: str) -> str:
    try:
        ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, IsADirectoryError) as error:
        raise ValueError(f"{name!r} is not an IANA time zone; write for example Europe/Berlin") from error
    return name


Zone = Annotated[str, AfterValidator(_zone)]


def _path_value(found: object) -> object:
    """A string that begins with $ is a path; every other one is itself."""
    return {"path": found} if isinstance(found, str) and found.startswith("$") else found


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

    @model_validator(mode="after")
    def _effective(self) -> Time:
        if "plus_unit" in self.model_fields_set and self.plus is None:
            raise ValueError("`plus_unit` has no effect without `plus`; remove it, or add `plus`")
        formats = (self.format,) if isinstance(self.format, str) else self.format
        if self.zone is not None and all(form.startswith("unix_") for form in formats):
            raise ValueError("`zone` has no effect on unix time, which is in UTC; remove it")
        return self


def _time(found: object) -> object:
    if isinstance(found, str):
        return {"value": found}
    if found is None:
        return {"value": None, "if_absent": "unknown"}
    return found


TimeLike = Annotated[Time | None, BeforeValidator(_time, json_schema_input_type=Time | str | None)]
Name = Annotated[str, Field(pattern=r"^[a-z_][a-z0-9_]*$", max_length=64)]


_OF_EVENTS = ("event_id", "sequence", "data")
_OF_IGNORED = frozenset({"each", "name", "when", "let", "runs", "ignore"})


class DocumentSpec(Model):
    """What a delivery is a version of.

    A document is known by source, kind and id. A later version replaces what an earlier one said; kinds add up.
    """

    id: ValueLike = Field(description="What stays the same when it is delivered again, for example the call's id.")
    version: ValueLike | None = Field(
        default=None,
        description="A number or an instant that grows from version to version; without one the last to arrive counts.",
    )
    kind: ValueLike | None = Field(
        default=None, description="Tells apart documents about one thing that add up, for example report and survey."
    )


def _named(fields: Sequence[str]) -> str:
    return " and ".join(f"`{name}`" for name in fields)


class Rule(Model):
    """Walks over items and emits events.

    Every field but `event_id`, `event_type`, `sequence`, `about`, `supersedes`, `revision` and `data` is handed down
    to the rules below. An item that neither the rule nor any rule below makes an event of is refused: say `ignore`
    where that is meant.
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
    about: ValueLike | None = Field(
        default=None,
        description="true: said of the conversation from outside, so that its instant stretches nothing; false: it "
        "happens in it. Default: by the event type.",
    )
    supersedes: ValueLike | None = Field(default=None, description="Id of the event that this one takes the place of.")
    revision: ValueLike | None = Field(
        default=None, description="Number of this version of the event; of one event_id the greatest counts."
    )
    document: DocumentSpec | None = Field(
        default=None, description="The document that the events of this rule and those below are a version of."
    )
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
        if self.ignore is not None and (lost := sorted(self.model_fields_set - _OF_IGNORED)):
            raise ValueError(f"{_named(lost)} has no effect, as these items are ignored; remove it")
        if self.event_type is None and (lost := [name for name in _OF_EVENTS if name in self.model_fields_set]):
            raise ValueError(
                f"{_named(lost)} has no effect: the rule makes no event of its own and does not hand it down; "
                "move it to the rules that have event_type"
            )
        for index, rule in enumerate(self.first_of[:-1]):
            if rule.when is None:
                raise ValueError(
                    f"first_of[{index}] has no `when`, so that the rules after it are never reached; put it last"
                )
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
    recognise: Condition | tuple[Condition, ...] | None = Field(
        default=None,
        description="What the first document of a file must be for the mapping to take a file that no pattern claims; "
        "of a list of conditions, any one.",
    )
    members: tuple[str, ...] = Field(
        default=(), description="Patterns over the names inside an archive; others are left alone. Default: all."
    )
    format: Literal["json", "ndjson", "csv", "tsv", "parquet", "textgrid"] | None = Field(
        default=None, description="Default: by content and by the name's ending."
    )
    prepare: Literal["model_calls"] | None = Field(
        default=None,
        description="Before the rules: telemetry of models and agents (OTLP in all its dialects), logs of requests and "
        "responses, and traces of openai-agents and Langfuse get the field `model_events`, a list of canonical "
        "events in which everything that was said stands once.",
    )
    delimiter: str | None = Field(default=None, min_length=1, max_length=1, description="Of CSV; default by header.")
    zone: Zone | None = Field(
        default=None, description="Zone of instants that name none; without it such instants are refused."
    )
    events: tuple[Rule, ...] = Field(default=(), description="Rules for every document (JSON document, line or row).")
    sql: str | None = Field(
        default=None,
        pattern=r"^[\w-][\w./-]*\.sql$",
        description="Instead of `events`: a file beside this one with a SELECT over the table `records` (position, "
        "place, "
        "member, record) of each file, whose rows are canonical records. It may read files beside it.",
    )
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
    def _rules_or_sql(self) -> SourceMapping:
        if bool(self.events) == (self.sql is not None):
            raise ValueError("a mapping needs `events`, or `sql` instead of them; found both or neither")
        if self.sql is not None and self.prepare is not None:
            raise ValueError("`prepare` has no effect on `sql`, which reads the records as they are; remove it")
        return self

    @model_validator(mode="after")
    def _delimiter_of_csv(self) -> SourceMapping:
        if self.delimiter is not None and self.format not in (None, "csv"):
            raise ValueError(f"`delimiter` has no effect on {self.format}; remove it")
        return self

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
