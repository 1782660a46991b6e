"""Watches a mapping at work on one document: which rules applied, where fields come from, what was read.

The rules are those that ingest, with a note taken at each step; the document is the same with dicts and lists that
remember what was taken out of them. An ordinary ingestion knows of none of this.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

import orjson
from pydantic import BaseModel

from pipeline.catalog.reading import Place
from pipeline.catalog.source_models import Rule
from pipeline.catalog.source_values import Match, Value
from pipeline.ingest.conditions import Test, compile_condition
from pipeline.ingest.mapping import HANDED_DOWN, CompiledRule, Refused
from pipeline.ingest.paths import MISSING, Items, Read
from pipeline.ingest.refusal import RefusedError
from pipeline.ingest.values import compile_value

_SHOWN = 40  # characters of a value in a reason


@dataclass(frozen=True)
class Source:
    """Where a field of an event was written in the mapping.

    Attributes:
        place: in the YAML document.
        spec: the value's or the instant's declaration.
    """

    place: Place
    spec: Any


@dataclass
class Notes:
    """What happened, in the order in which it did.

    Attributes:
        emitted: for each record that was made, the rule that made it and the origin of its fields.
    """

    emitted: list[tuple[WatchedRule, dict[str, Source]]] = field(default_factory=list)


class WatchedRule(CompiledRule):
    """A rule that notes what it did.

    Attributes:
        place: of the rule in the YAML document.
        applied: items that it applied to.
        skipped: why it did not apply, with the number of items.
    """

    def __init__(self, rule: Rule, zone: str | None, *, needs_conversation: bool) -> None:
        super().__init__(rule, zone, needs_conversation=needs_conversation)
        self.place: Place = ()
        self.applied = 0
        self.skipped: Counter[str] = Counter()
        self._notes = Notes()
        self._parent: WatchedRule | None = None
        self._latest: dict[str, Any] = {}
        self.handed_down = [(name, self._noting(name, read)) for name, read in self.handed_down]
        self.own = [(name, self._noting(name, read)) for name, read in self.own]
        if self.time is not None:
            self.time = self._noting("occurred_at", self.time)
        self._choices = [
            [_Part(path, match) for path, match in condition.items()]
            for condition in (rule.when if isinstance(rule.when, tuple) else (rule.when or {},))
        ]

    def attach(self, notes: Notes, place: Place, parent: WatchedRule | None = None) -> Iterator[WatchedRule]:
        """Tell the rule where it stands and where its notes go; yields it and those below it, in their order."""
        self._notes, self.place, self._parent = notes, place, parent
        yield self
        for name, rules in (("events", self.events), ("first_of", self.first_of)):
            for index, rule in enumerate(rules):
                assert isinstance(rule, WatchedRule)
                yield from rule.attach(notes, (*place, name, index), self)

    def applies(self, items: Items) -> bool:
        """As the rule does, noting why not."""
        applies = super().applies(items)
        if not applies:
            failing = (next(part for part in choice if not part.test(items)) for choice in self._choices)
            self.skipped["; ".join(part.why(items) for part in failing)] += 1
        return applies

    def apply_one(self, *arguments: Any) -> Iterator[tuple[str, dict[str, Any]] | Refused]:
        """As the rule does, counting the item."""
        self.applied += 1
        yield from super().apply_one(*arguments)

    def record(self, items: Items, fields: dict[str, Any], clock: Any, state: Any) -> dict[str, Any] | None:
        """As the rule does, noting where the record's fields come from and that their values were used."""
        record = super().record(items, fields, clock, state)
        if record is None:
            return None
        self._notes.emitted.append((self, {name: found for name in record if (found := self._origin(name))}))
        mark_read(record)
        return record

    def declared(self, names: Iterable[str]) -> dict[str, Source]:
        """Where each field is written, by this rule or the nearest around it; what none declares is left out."""
        handed_down = [name for name in names if name in ("occurred_at", *HANDED_DOWN)]
        above = {} if self._parent is None else self._parent.declared(handed_down)
        own = {name: getattr(self.spec, name) for name in names}
        return above | {name: Source((*self.place, name), spec) for name, spec in own.items() if spec is not None}

    def _noting(self, name: str, read: Read) -> Callable[[Items], Any]:
        def noted(items: Items) -> Any:
            try:
                self._latest[name] = read(items)
            except RefusedError as refused:
                raise RefusedError(refused.reason, f"{name}: {refused.detail}") from None
            return self._latest[name]

        return noted

    def _origin(self, name: str) -> Source | None:
        """This rule, or the nearest around it that has given the field; an instant may be declared and unknown."""
        rule: WatchedRule | None = self
        while rule is not None:
            value = rule._latest.get(name, MISSING)
            if value is not MISSING and (value is not None or name == "occurred_at"):
                return Source((*rule.place, name), getattr(rule.spec, name))
            rule = rule._parent
        return None


class _Part:
    """One path of a condition and what it must be."""

    def __init__(self, path: str, match: Match) -> None:
        self._path = path
        self._match = match
        self._read = compile_value(Value(path=path))
        self.test: Test = compile_condition({path: match}) or bool

    def why(self, items: Items) -> str:
        """Why the test fails."""
        value, given = self._read(items), self._match.model_fields_set
        if given == {"exists"}:
            return f"{self._path} is {'absent' if self._match.exists else 'there'}"
        wanted = f"none of {flow(self._match)}" if given == {"any_of"} else f"not {flow(self._match)}"
        return f"{self._path} is {'absent' if value is MISSING else shown(value)}, {wanted}"


def flow(node: Any) -> str:
    """A part of a mapping on one line, in the short forms that people write."""
    if isinstance(node, BaseModel):
        node = node.model_dump(mode="json", exclude_unset=True)
    if isinstance(node, dict):
        for short in ("path", "value", "object", "equals", "any_of", "literal"):
            if node.keys() == {short}:
                return flow(node[short])
        return "{" + ", ".join(f"{name}: {flow(value)}" for name, value in node.items()) + "}"
    if isinstance(node, list):
        return f"[{', '.join(map(flow, node))}]"
    return node if isinstance(node, str) and node else orjson.dumps(node).decode()


def shown(value: Any) -> str:
    """A value in a few characters."""
    if isinstance(value, dict | list):
        return f"{'an object' if isinstance(value, dict) else 'a list'} of {len(value)}"
    text = str(value).lower() if isinstance(value, bool) else "null" if value is None else str(value)
    text = " ".join(text.split())
    return text if len(text) <= _SHOWN else f"{text[: _SHOWN - 1]}…"


class WatchedDict(dict[str, Any]):
    """An object that remembers which fields were read."""

    def __init__(self, fields: dict[str, Any]) -> None:
        super().__init__((name, watched(value)) for name, value in fields.items())
        self.read: set[str] = set()

    def __getitem__(self, name: str) -> Any:
        self.read.add(name)
        return super().__getitem__(name)

    def get(self, name: str, default: Any = None) -> Any:
        """The field's value."""
        self.read.add(name)
        return super().get(name, default)

    def items(self) -> Any:
        """All fields with their values."""
        self.read.update(self)
        return super().items()

    def values(self) -> Any:
        """The values of all fields."""
        self.read.update(self)
        return super().values()

    def unmarked(self) -> Any:
        """Fields and values, without reading them."""
        return super().items()


class WatchedList(list[Any]):
    """A list that remembers which items were read."""

    def __init__(self, items: list[Any]) -> None:
        super().__init__(map(watched, items))
        self.read: set[int] = set()

    def __getitem__(self, index: Any) -> Any:
        self.read.update(range(len(self))[index] if isinstance(index, slice) else [index % max(len(self), 1)])
        return super().__getitem__(index)

    def __iter__(self) -> Iterator[Any]:
        self.read.update(range(len(self)))
        return super().__iter__()

    def unmarked(self) -> Any:
        """Indexes and items, without reading them."""
        return enumerate(super().__iter__())


def watched(value: Any) -> Any:
    """The value; objects and lists in it remember what is read of them."""
    if isinstance(value, dict):
        return WatchedDict(value)
    return WatchedList(value) if isinstance(value, list) else value


def mark_read(value: Any) -> None:
    """Everything in it has been used, for example because it is part of an event."""
    if isinstance(value, dict | list):
        for inner in value.values() if isinstance(value, dict) else value:
            mark_read(inner)


@dataclass
class Unread:
    """Parts of a document that have the same path, but for the number of an item.

    Attributes:
        path: with [*] for every number.
        count: how many of them nothing has read.
        total: how many there are.
        example: value of the first that was not read.
    """

    path: str
    count: int
    total: int
    example: Any


def unread(document: Any) -> list[Unread]:
    """What no rule has read of a watched document, leaf by leaf."""
    found: dict[str, Unread] = {}
    for path, value, was_read in _leaves(document, "$"):
        leaf = found.setdefault(path, Unread(path, 0, 0, None))
        leaf.total += 1
        if not was_read:
            if not leaf.count:
                leaf.example = value
            leaf.count += 1
    return [leaf for leaf in found.values() if leaf.count]


def _leaves(node: Any, path: str) -> Iterator[tuple[str, Any, bool]]:
    for step, value in node.unmarked() if isinstance(node, WatchedDict | WatchedList) else ():
        inner = (
            f"{path}[*]" if isinstance(step, int) else f"{path}.{step}" if step.isidentifier() else f"{path}['{step}']"
        )
        if isinstance(value, dict | list) and value:
            yield from _leaves(value, inner)
        else:
            yield inner, value, step in node.read
