"""What would become of one record of a file, field by field; nothing is written."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence, Set
from dataclasses import dataclass, field
from itertools import islice
from typing import Any

import duckdb
import orjson

from pipeline.catalog.catalog import Catalog
from pipeline.catalog.reading import Document as Yaml
from pipeline.catalog.reading import dotted, read_yaml
from pipeline.catalog.source_models import Rule, SourceMapping
from pipeline.errors import SourceError
from pipeline.ingest.check import staged_rows
from pipeline.ingest.files import SourceFile, find_files
from pipeline.ingest.mapping import HANDED_DOWN, CompiledMapping, LeftOut
from pipeline.ingest.reader import (
    CANONICAL,
    NOT_STORABLE,
    Canonical,
    Document,
    NotDataError,
    Refusal,
    read_documents,
    records_of,
)
from pipeline.ingest.run import broken_sources, check_source, mapping_of, recognised
from pipeline.ingest.watch import Notes, Source, Unread, WatchedRule, flow, mark_read, unread, watched
from pipeline.settings import Settings

FIELDS = (
    "event_id",
    "event_type",
    "conversation_id",
    "occurred_at",
    "sequence",
    *HANDED_DOWN[1:],
    "about",
    "supersedes",
    "revision",
    "data",
)


@dataclass(frozen=True)
class FieldOutcome:
    """One field of an event.

    Attributes:
        name: canonical name, with the fields of `data` one by one: `data.text`.
        value: as it would be stored.
        expression: what the mapping says; None for what ingestion adds by itself.
        line: of the expression in the mapping's file.
    """

    name: str
    value: Any
    expression: str | None
    line: int | None


@dataclass(frozen=True)
class EventOutcome:
    """One event that the record becomes, or would if it were not refused.

    Attributes:
        place: of the item in the record.
        rule: that made it, by its place in the mapping; None for a canonical record.
        line: of the rule.
        fields: those that have a value, and an `occurred_at` that is said to be unknown.
        reason: why it would be refused, with `detail`; None when it would be stored.
        absent: those that the mapping declares and that got no value.
    """

    place: str
    rule: str | None
    line: int | None
    fields: tuple[FieldOutcome, ...]
    reason: str | None
    detail: str | None
    absent: tuple[FieldOutcome, ...] = ()


@dataclass(frozen=True)
class RuleOutcome:
    """What a rule of the mapping did.

    Attributes:
        rule: its place in the mapping, for example `events[0].first_of[1]`.
        line: of the rule.
        makes: the event type that it declares, or that it ignores items and why, or the items it walks over.
        applied: items that it applied to.
        events: events that it made.
        skipped: why it did not apply, with the number of items; empty when it was never tried.
    """

    rule: str
    line: int | None
    makes: str
    applied: int
    events: int
    skipped: dict[str, int]


@dataclass(frozen=True)
class RefusedOutcome:
    """An item of which no event was made, where it stands and why, and its beginning."""

    place: str
    reason: str
    detail: str
    item: str


@dataclass
class Explanation:
    """What would become of one record.

    Attributes:
        url: of the file.
        place: of the record in it; empty for the only one.
        source_key: mapping, `canonical` or `cloudevents`.
        mapping_file: where the mapping is written; None for what is built in.
        rules: in the order of the mapping.
        events: in the order in which they are made.
        refused: items of which no event was made.
        unread: parts of the record that nothing read.
    """

    url: str
    place: str
    source_key: str
    mapping_file: str | None = None
    rules: list[RuleOutcome] = field(default_factory=list)
    events: list[EventOutcome] = field(default_factory=list)
    refused: list[RefusedOutcome] = field(default_factory=list)
    unread: list[Unread] = field(default_factory=list)


def explain(
    catalog: Catalog,
    settings: Settings,
    *,
    urls: Sequence[str] | None = None,
    source: str | None = None,
    record: int = 1,
) -> Explanation:
    """Take one record through everything that ingestion does with it, but the store.

    Whether an event is in the store already is not looked up.

    Args:
        catalog: its source mappings.
        settings: landing folder and limits.
        urls: files or folders, of which the first file is taken; default the landing folder.
        source: key of the mapping to use; default as `ingest` chooses.
        record: its number in the file, from 1.

    Raises:
        SourceError: there is no such file or record, or it cannot be read.
        DefinitionError: no mapping has the key `source`.
        OSError: the file system failed.
    """
    check_source(source, catalog.sources)
    for file in find_files([settings.landing_url] if urls is None else urls):
        declared = mapping_of(file.url, catalog.sources, source)
        try:
            found = _nth(file, declared, settings, record, catalog)
        except NotDataError:  # a README beside the data
            continue
        except SourceError as error:
            raise SourceError(f"{file.url}: {error}") from None
        break
    else:
        raise SourceError("There is no file of data. Name one, or put one into the landing folder.")
    key = CANONICAL if declared is None else declared.key
    if isinstance(found, Refusal):
        return Explanation(file.url, found.place, key, refused=_refused([found], ""))
    if found.mapping is None:
        return _canonical(file, found, settings)
    return _mapped(file, found, found.mapping.spec, settings)


def _nth(
    file: SourceFile, mapping: SourceMapping | None, settings: Settings, number: int, catalog: Catalog
) -> Document | Refusal:
    if file.problem is not None:
        raise SourceError(file.problem)
    compiled = None if mapping is None else CompiledMapping(mapping)

    def recognise(document: Any) -> CompiledMapping:
        mappings = [CompiledMapping(known) for known in catalog.sources.values()]
        return recognised(document, mappings, broken_sources(catalog, settings))

    documents = read_documents(file, compiled, settings.max_record_bytes, recognise)
    found = next(islice(documents, number - 1, None), None)
    if found is None:
        raise SourceError(f"it has no record {number}")
    return found


def _canonical(file: SourceFile, document: Document, settings: Settings) -> Explanation:
    value = watched(document.value)
    for name in FIELDS:
        if name in value:
            mark_read([value[name]])
    records = _made(document._replace(value=value, text=None), file.url)
    outcome = Explanation(file.url, document.place, CANONICAL)
    origins = {name: f"$.{name}" for name in document.value}
    for staged in _staged([found for found in records if isinstance(found, Canonical)], settings):
        fields = _said(
            FieldOutcome(name, found, origins.get(name.partition(".")[0]), None) for name, found in _flat(staged)
        )
        outcome.events.append(EventOutcome("$", None, None, fields, staged["reason"], staged["detail"]))
    outcome.refused = _refused(records, document.place)
    outcome.unread = unread(value)
    return outcome


def _mapped(file: SourceFile, document: Document, spec: SourceMapping, settings: Settings) -> Explanation:
    notes = Notes()
    mapping = CompiledMapping(spec, WatchedRule)
    rules = [
        below
        for index, rule in enumerate(mapping.rules)
        if isinstance(rule, WatchedRule)
        for below in rule.attach(notes, ("events", index))
    ]
    value = watched(document.value)
    records = _made(document._replace(value=value, mapping=mapping), file.url)
    yaml = Yaml("") if spec.file is None else read_yaml(spec.file)
    outcome = Explanation(file.url, document.place, spec.key, None if spec.file is None else yaml.file)
    # What JSON text cannot hold was made, and then refused.
    attempts = [found for found in records if isinstance(found, Canonical) or found.reason == NOT_STORABLE]
    made = [(found, note) for found, note in zip(attempts, notes.emitted, strict=True) if isinstance(found, Canonical)]
    for (found, (rule, origins)), staged in zip(made, _staged([found for found, _ in made], settings), strict=True):
        fields = _said(_field(name, stored, origins, yaml) for name, stored in _flat(staged))
        at, line = _below(found.place, document.place), yaml.line(rule.place)
        absent = tuple(_absent(rule.declared(FIELDS), {field.name for field in fields}, yaml))
        outcome.events.append(
            EventOutcome(at, dotted(rule.place), line, fields, staged["reason"], staged["detail"], absent)
        )
    outcome.rules = [
        RuleOutcome(
            rule=dotted(rule.place),
            line=yaml.line(rule.place),
            makes=_makes(rule.spec),
            applied=rule.applied,
            events=sum(rule is maker for _, (maker, _) in made),
            skipped=dict(rule.skipped.most_common()),
        )
        for rule in rules
    ]
    outcome.refused = _refused(records, document.place)
    outcome.unread = unread(value)
    return outcome


def _made(document: Document, url: str) -> list[Canonical | Refusal]:
    return [found for found in records_of(document, url) if not isinstance(found, LeftOut)]


def _staged(records: Sequence[Canonical], settings: Settings) -> list[dict[str, Any]]:
    with duckdb.connect(config={"threads": 1}) as con:
        con.execute("SET TimeZone = 'UTC'")
        return staged_rows(con, records, settings)


def _refused(records: Sequence[Canonical | Refusal], record: str) -> list[RefusedOutcome]:
    return [
        RefusedOutcome(_below(found.place, record), found.reason, found.detail, found.text)
        for found in records
        if isinstance(found, Refusal)
    ]


def _flat(row: dict[str, Any]) -> Iterator[tuple[str, Any]]:
    """All fields, those of `data` one by one."""
    for name in FIELDS:
        if name == "data":
            data = orjson.loads(row["data"] or "{}")
            yield from ((f"data.{key}", value) for key, value in data.items()) if isinstance(data, dict) else ()
        else:
            yield name, row[name]


def _said(fields: Iterable[FieldOutcome]) -> tuple[FieldOutcome, ...]:
    """Without those that nobody gave a value; an instant may be said to be unknown."""
    return tuple(
        field for field in fields if field.value is not None or (field.name == "occurred_at" and field.expression)
    )


def _field(name: str, value: Any, origins: dict[str, Source], yaml: Yaml) -> FieldOutcome:
    column, _, key = name.partition(".")
    source = origins.get(column)
    if source is None:
        return FieldOutcome(name, value, None, None)
    spec, place = source.spec, source.place
    if key and spec.object is not None and key in spec.object:
        spec, place = spec.object[key], (*place, *(("object",) if (*place, "object") in yaml.lines else ()), key)
    return FieldOutcome(name, value, flow(spec), yaml.line(place))


def _absent(declared: dict[str, Source], said: Set[str], yaml: Yaml) -> Iterator[FieldOutcome]:
    """The declared fields, those of `data` one by one, that are not among those that have a value."""
    for column, source in declared.items():
        inner = getattr(source.spec, "object", None) if column == "data" else None
        names = [column] if inner is None else [f"{column}.{key}" for key in inner]
        if inner is None and column == "data" and any(name.startswith("data.") for name in said):
            continue
        yield from (_field(name, None, declared, yaml) for name in names if name not in said)


def _makes(rule: Rule) -> str:
    parts = [
        f"each {rule.each}" if rule.each else None,
        f"in runs of {flow(rule.runs)}" if rule.runs else None,
        flow(rule.event_type) if rule.event_type else None,
        f"ignore: {rule.ignore}" if rule.ignore else None,
        f"as ${rule.name}" if rule.name else None,
    ]
    return ", ".join(part for part in parts if part) or "hands fields down"


def _below(place: str, record: str) -> str:
    """The place of an item in its record, without the place of the record in its file."""
    return "$" if place == record else place.removeprefix(f"{record}: ")
