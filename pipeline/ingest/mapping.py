"""A source mapping, compiled once: documents in, canonical records out."""

from __future__ import annotations

import fnmatch
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from itertools import pairwise
from typing import Any, NamedTuple

from pipeline.catalog.source_models import DocumentSpec, Rule, SourceMapping, Time
from pipeline.ingest.conditions import Test, compile_condition, same
from pipeline.ingest.document import document_of
from pipeline.ingest.paths import MISSING, Find, Items, Read, compile_path
from pipeline.ingest.refusal import RefusedError
from pipeline.ingest.times import compile_time
from pipeline.ingest.values import compile_value

_NO_CONVERSATION = (
    "no conversation_id, though the mapping says where it stands; if events may belong to none, "
    "add `default: null` to it"
)
HANDED_DOWN = (
    "conversation_id",
    "domain",
    "origin",
    "channel",
    "direction",
    "service_id",
    "traffic",
    "run_id",
    "session_id",
    "participant",
    "tags",
)
_DOCUMENT = ("id", "version", "kind")
_NO_RULE = "no rule of the source mapping makes an event of this item, and none says `ignore`"
OWN = ("event_id", "event_type", "sequence", "about", "supersedes", "revision", "data")


@dataclass(frozen=True)
class Refused:
    """An item of a document that gave no event, where it stands and why."""

    place: str
    reason: str
    detail: str
    item: Any


@dataclass(frozen=True)
class LeftOut:
    """A document that a rule ignores as a whole, and why."""

    reason: str


class CompiledMapping:
    """A mapping ready to be applied.

    Args:
        mapping: as it was declared.
        rule_class: what its rules become; another one watches them at work.
    """

    def __init__(self, mapping: SourceMapping, rule_class: type[CompiledRule] | None = None) -> None:
        self.spec = mapping
        self._recognise = compile_condition(mapping.recognise)
        make = rule_class or CompiledRule
        self.rules = [make(rule, mapping.zone, needs_conversation=False) for rule in mapping.events]
        self.declares_documents = any(map(_declares_document, mapping.events))

    def wants(self, member: str) -> bool:
        """Whether a member of an archive is one of those that the mapping is for."""
        return not self.spec.members or any(fnmatch.fnmatchcase(member, pattern) for pattern in self.spec.members)

    def recognises(self, document: Any) -> bool:
        """Whether a document is one that the mapping says it is for."""
        return self._recognise is not None and self._recognise({"": document, "document": document})

    def apply(
        self, document: Any, *, url: str, member: str | None
    ) -> Iterator[tuple[str, dict[str, Any]] | Refused | LeftOut]:
        """The canonical records of one document, each with its place (`$.Events[3]`), and what was refused.

        Of a document that is left out as a whole, that is said, too.
        """
        items = {
            "": document,
            "document": document,
            "file": {"url": url, "member": member, "name": member or url},
            "index": 0,
        }
        state = _DocumentState()
        for rule in self.rules:
            yield from rule.apply(items, {}, None, "$", state)
        if state.left_out is not None:
            yield LeftOut(state.left_out)
        if not state.accounted:
            yield Refused("$", "no_rule", _NO_RULE, document)


@dataclass
class _DocumentState:
    """What the events of one document need to know of those before them, by conversation.

    Attributes:
        accounted: items that became an event, were refused, or are ignored on purpose.
        left_out: why the whole document is ignored, where it is.
    """

    last_instant: dict[Any, datetime] = field(default_factory=dict)
    next_sequence: dict[Any, int] = field(default_factory=dict)
    accounted: int = 0
    left_out: str | None = None


class _Clock(NamedTuple):
    """The rule's own instant, or the one handed down to it."""

    spec: Time
    instant: datetime | None


class CompiledRule:
    """A rule and those below it, as functions over the items in scope.

    Args:
        rule: as it was declared.
        zone: of instants that name none, where the rule declares no other.
        needs_conversation: whether an enclosing rule says which conversation its events belong to.
    """

    def __init__(self, rule: Rule, zone: str | None, *, needs_conversation: bool) -> None:
        self.spec = rule
        self._each: tuple[str | None, Find] | None = None if rule.each is None else compile_path(rule.each)
        self._runs: Read | None = None if rule.runs is None else compile_value(rule.runs)
        self._name = rule.name
        self._when: Test | None = compile_condition(rule.when)
        self._let: list[tuple[str, Read]] = [(name, compile_value(value)) for name, value in rule.let.items()]
        self.handed_down: list[tuple[str, Read]] = _reads(rule, HANDED_DOWN)
        self.own: list[tuple[str, Read]] = _reads(rule, OWN)
        self.document: list[tuple[str, Read]] = [] if rule.document is None else _reads(rule.document, _DOCUMENT)
        self._time_spec = rule.occurred_at
        self.time = None if rule.occurred_at is None else compile_time(rule.occurred_at, zone)
        self._emits = rule.event_type is not None
        self._ignored = rule.ignore
        text = None if rule.data is None or rule.data.object is None else rule.data.object.get("text")
        # `default: ""` says that there is a turn also where no words were recognised.
        self._keeps_blank = text is not None and "default" in text.model_fields_set and text.default == ""
        if rule.conversation_id is not None:  # `default: null` says that there may be none
            needs_conversation = "default" not in rule.conversation_id.model_fields_set
        self._needs_conversation = needs_conversation
        self.events = [type(self)(below, zone, needs_conversation=needs_conversation) for below in rule.events]
        self.first_of = [type(self)(below, zone, needs_conversation=needs_conversation) for below in rule.first_of]

    def apply(
        self, items: dict[str, Any], fields: dict[str, Any], clock: _Clock | None, place: str, state: _DocumentState
    ) -> Iterator[tuple[str, dict[str, Any]] | Refused]:
        """What becomes of every item of `each` that the rule applies to."""
        for item_place, scope in self._items(items, place):
            if self.applies(scope):
                yield from self.apply_one(scope, fields, clock, item_place, state)

    def applies(self, items: Items) -> bool:
        """Whether the item in scope meets `when`."""
        return self._when is None or self._when(items)

    def named(self, items: dict[str, Any]) -> dict[str, Any]:
        """The scope, with the item under the rule's name."""
        return items if self._name is None else {**items, self._name: items[""]}

    def _items(self, items: dict[str, Any], place: str) -> Iterator[tuple[str, dict[str, Any]]]:
        if self._each is None:
            yield place, self.named(items)
            return
        scope, find = self._each
        found = list(find(items.get(scope or "", MISSING)))
        base = place if scope is None else "$" if scope == "document" else f"${scope}"
        runs = [(at, at) for at in range(len(found))] if self._runs is None else self._joined(items, found, self._runs)
        for index, (first, last) in enumerate(runs):
            suffix, item = found[first]
            inner = {**items, "": item, "index": index}
            inner["previous"] = found[first - 1][1] if first else MISSING
            inner["next"] = found[last + 1][1] if last + 1 < len(found) else MISSING
            if self._runs is not None:
                inner["last"], inner["items"] = found[last][1], [run for _, run in found[first : last + 1]]
            if self._name is not None:
                inner[self._name] = item
            yield base + suffix, inner

    @staticmethod
    def _joined(items: dict[str, Any], found: list[tuple[str, Any]], read: Read) -> list[tuple[int, int]]:
        """Positions of the first and the last item of each run."""
        values = [value if _given(value := read({**items, "": item})) else None for _, item in found]
        starts = [at for at, value in enumerate(values) if not at or not same(value, values[at - 1])]
        return [(start, end - 1) for start, end in pairwise([*starts, len(found)])]

    def apply_one(
        self, items: dict[str, Any], fields: dict[str, Any], clock: _Clock | None, place: str, state: _DocumentState
    ) -> Iterator[tuple[str, dict[str, Any]] | Refused]:
        """What becomes of an item that the rule applies to."""
        before = state.accounted
        if self._ignored is not None:
            state.accounted += 1
            if place == "$":
                state.left_out = self._ignored
            return
        try:
            items = self._with_let(items)
        except RefusedError as refused:
            state.accounted += 1
            yield Refused(place, refused.reason, refused.detail, items[""])
            return
        try:
            if self.handed_down:
                fields = {**fields, **{name: value for name, read in self.handed_down if _given(value := read(items))}}
            if self.document:
                given = {name: value for name, read in self.document if _given(value := read(items))}
                fields = {**fields, "document": document_of(given)}
            if self.time is not None and self._time_spec is not None:
                clock = _Clock(self._time_spec, self.time(items))
            if self._emits:
                state.accounted += 1
                record = self.record(items, fields, clock, state)
                if record is not None:
                    yield place, record
        except RefusedError as refused:
            state.accounted = max(state.accounted, before + 1)
            yield Refused(place, refused.reason, refused.detail, items[""])
        for rule in self.events:
            yield from rule.apply(items, fields, clock, place, state)
        for rule in self.first_of:
            if rule.applies(items):
                yield from rule.apply_one(rule.named(items), fields, clock, place, state)
                break
        if state.accounted == before:
            state.accounted += 1
            yield Refused(place, "no_rule", _NO_RULE, items[""])

    def _with_let(self, items: dict[str, Any]) -> dict[str, Any]:
        if not self._let:
            return items
        items = dict(items)
        for name, read in self._let:
            items[name] = read(items)
        return items

    def record(
        self, items: Items, fields: dict[str, Any], clock: _Clock | None, state: _DocumentState
    ) -> dict[str, Any] | None:
        """The canonical record of an item; None for a turn without words."""
        record = dict(fields)
        for name, read in self.own:
            if _given(value := read(items)):
                record[name] = value
        if not self._keeps_blank and _says_nothing(record):
            return None
        conversation = record.get("conversation_id")
        if not isinstance(conversation, str | int | None) or isinstance(conversation, bool):
            raise RefusedError("wrong_type", "conversation_id is not a string")
        if self._needs_conversation and (conversation is None or not str(conversation).strip()):
            raise RefusedError("missing_conversation", _NO_CONVERSATION)
        instant = None if clock is None else clock.instant
        if instant is None and clock is not None and clock.spec.if_absent == "previous":
            instant = state.last_instant.get(conversation)
        if instant is not None:
            state.last_instant[conversation] = instant
            record["occurred_at"] = instant.isoformat()
        elif clock is not None and clock.spec.if_absent != "refuse":
            record["occurred_at"] = None  # says that the instant is unknown; without the key the event is refused
        sequence = state.next_sequence.get(conversation, 0)
        state.next_sequence[conversation] = sequence + 1
        record.setdefault("sequence", sequence)
        return record


def _reads(rule: Rule | DocumentSpec, names: tuple[str, ...]) -> list[tuple[str, Read]]:
    return [(name, compile_value(spec)) for name in names if (spec := getattr(rule, name)) is not None]


def _declares_document(rule: Rule) -> bool:
    return rule.document is not None or any(map(_declares_document, (*rule.events, *rule.first_of)))


def _says_nothing(record: dict[str, Any]) -> bool:
    """Whether it is a turn whose words are blank, such as a message that only calls a tool."""
    kind, data = record.get("event_type"), record.get("data")
    if not isinstance(kind, str) or not kind.endswith(".turn") or not isinstance(data, dict):
        return False
    return isinstance(text := data.get("text"), str) and not text.strip()


def _given(value: Any) -> bool:
    return value is not MISSING and value is not None
