"""A file, whatever it is packed in and whatever its shape, as canonical records."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from decimal import Decimal
from typing import Any, NamedTuple

import orjson

from pipeline.errors import SourceError
from pipeline.ingest.cloudevents import CLOUDEVENTS
from pipeline.ingest.containers import UNREADABLE, Member, foreign_errors, message, open_members
from pipeline.ingest.files import SourceFile, hidden
from pipeline.ingest.lines import CanonicalLines, Lines
from pipeline.ingest.mapping import CompiledMapping, LeftOut, Refused
from pipeline.ingest.prepare import Preparer
from pipeline.ingest.records import Record, format_of, read_records
from pipeline.ingest.refusal import RefusedError
from pipeline.ingest.sql_source import Given, records_by_sql

CANONICAL = "canonical"
NOT_STORABLE = "not_storable"
SHOWN_CHARACTERS = 2000  # of a refused record
_NO_FORMAT = "not JSON, NDJSON, CSV, TSV, Parquet or TextGrid"


_UNCLAIMED = (
    "no source mapping claims it, and its records are neither canonical nor CloudEvents; put it into a folder "
    "landing/KEY of a mapping, name one with `--source`, or add a pattern to its `files`"
)


class NotDataError(SourceError):
    """The file holds no records, for example a README beside them."""


class Canonical(NamedTuple):
    """A record of the canonical form; its fields have not been checked yet.

    Attributes:
        source_key: of the mapping that made it, or `canonical`.
        place: in its file.
        text: strict JSON: as it came, or as a mapping made it.
        identity: its JSON text with sorted, unique keys, where it has no id and `text` is not that already.
        document: kind and id of the document that it is part of.
        version: of that document.
        number: of the JSON document or row in its file, where its mapping says what documents are.
    """

    source_key: str
    place: str
    text: str
    identity: str | None = None
    document: str | None = None
    version: float | None = None
    number: int | None = None


class Refusal(NamedTuple):
    """Something that gave no record: where it stands, a reason code, the explanation, its beginning, and its number."""

    place: str
    reason: str
    detail: str
    text: str
    number: int | None = None


class Document(NamedTuple):
    """One document of a file, before events are made of it.

    Attributes:
        place: in the file, for example `member a.csv: line 3`; empty for the only one.
        member: of an archive; None for a plain file.
        value: the parsed JSON, or a row as an object.
        mapping: makes events of it; None for a canonical record.
        text: the JSON as it came; None for a row.
    """

    place: str
    member: str | None
    value: Any
    mapping: CompiledMapping | None
    text: bytes | None = None


Recognise = Callable[[Any], CompiledMapping]
"""Finds the mapping for a document of a file that none claims; a SourceError says why there is none."""


def read_file(
    file: SourceFile, mapping: CompiledMapping | None, max_bytes: int, recognise: Recognise | None = None
) -> Iterator[Canonical | CanonicalLines | Refusal]:
    """The records of one file, in bounded memory.

    Args:
        file: what to read.
        mapping: how; None for canonical records and CloudEvents.
        max_bytes: larger records are refused.
        recognise: asked for the first document where there is no mapping and it is not canonical.

    Raises:
        NotDataError: the file is of no known format.
        SourceError: it is damaged, no mapping is for it, or nothing in it was understood; what was yielded before is
            good.
        OSError: the file system failed.
    """
    if mapping is not None and mapping.spec.sql is not None:
        yield from _by_sql(file, mapping, max_bytes)
        return
    with foreign_errors():
        documents, understood = 0, False
        for number, found in enumerate(_read(file, mapping, max_bytes, recognise, at_once=mapping is None)):
            if not isinstance(found, Document):
                understood = True
                yield found
                continue
            documents, mapping = documents + 1, found.mapping
            for record in records_of(found, file.url, number):
                understood = True
                if not isinstance(record, LeftOut):
                    yield record
        if documents and not understood:
            key = mapping.spec.key if mapping is not None else ""
            raise SourceError(
                f"nothing in it was understood: the mapping {key} makes no event of any of its {documents:,} "
                "documents; ask `metric-store ingest --explain`"
            )


def _by_sql(file: SourceFile, mapping: CompiledMapping, max_bytes: int) -> Iterator[Canonical | Refusal]:
    """What a SELECT makes of the file as a whole; records that cannot be read are refused before it runs."""
    refused: list[Refusal] = []
    count = 0

    def given() -> Iterator[Given]:
        nonlocal count
        for found in read_documents(file, mapping, max_bytes):
            if isinstance(found, Refusal):
                refused.append(found)
            else:
                count += 1
                yield Given(found.place, found.member, found.value)

    made = 0
    for place, record in records_by_sql(mapping.spec, given()):
        made += 1
        yield _stored(mapping.spec.key, place, record)
    yield from refused
    if count and not made and not refused:
        raise SourceError(f"nothing in it was understood: {mapping.spec.sql} makes no event of its {count:,} records")


def read_documents(
    file: SourceFile, mapping: CompiledMapping | None, max_bytes: int, recognise: Recognise | None = None
) -> Iterator[Document | Refusal]:
    """The documents that `read_file` makes records of, one by one; it raises what that raises."""
    for found in _read(file, mapping, max_bytes, recognise, at_once=False):
        assert not isinstance(found, CanonicalLines)
        yield found


def records_of(document: Document, url: str, number: int = 0) -> Iterator[Canonical | Refusal | LeftOut]:
    """The records that a document becomes, and what of it is refused, or that it is left out on purpose.

    Args:
        document: of a file.
        url: the file's.
        number: of the document in the file.
    """
    place, mapping = document.place, document.mapping
    if mapping is None:
        yield _canonical(document)
        return
    if mapping.spec.sql is not None:
        given = Given(place, document.member, document.value)
        yield from (_stored(mapping.spec.key, at, record) for at, record in records_by_sql(mapping.spec, [given]))
        return
    unit = number if mapping.declares_documents else None
    try:
        for found in mapping.apply(document.value, url=url, member=document.member):
            if isinstance(found, LeftOut):
                yield found
            elif isinstance(found, Refused):
                yield Refusal(_joined(place, found.place), found.reason, found.detail, _shown(found.item), unit)
            else:
                at, record = _joined(place, found[0]), found[1]
                known_as, version = record.pop("document", (None, None))
                stored = _stored(mapping.spec.key, at, record)
                if isinstance(stored, Canonical):
                    stored = stored._replace(document=known_as, version=version)
                yield stored._replace(number=unit)
    except RefusedError as refused:  # a path that fails on the document as a whole
        yield Refusal(place or "$", refused.reason, refused.detail, _shown(document.value))


def record_of_line(place: str, text: str) -> Canonical | Refusal:
    """The record of one line of a canonical file.

    Args:
        place: of the line.
        text: the line.
    """
    line = text.encode()
    try:
        value = _parsed(Record(place, line))
    except RefusedError as refused:
        return Refusal(place, refused.reason, refused.detail, _shown(line))
    (record,) = records_of(Document(place, None, value, _mapping_of(value), line), "")
    assert not isinstance(record, LeftOut)
    return record


def _read(
    file: SourceFile, mapping: CompiledMapping | None, max_bytes: int, recognise: Recognise | None, *, at_once: bool
) -> Iterator[Document | CanonicalLines | Refusal]:
    with foreign_errors(), file.open() as stream:
        for member in open_members(stream, file.url):
            if member.name is None:
                yield from _read_member(mapping, member, max_bytes, recognise, at_once=at_once)
            elif not hidden(member.name) and (mapping is None or mapping.wants(member.name)):
                try:
                    yield from _read_member(mapping, member, max_bytes, recognise, at_once=at_once)
                except (SourceError, OSError, *UNREADABLE) as error:
                    # The neighbours can still be read; where the archive itself breaks, its next member says so.
                    yield Refusal(f"member {member.name}", "unreadable_member", message(error), "")


def _read_member(
    mapping: CompiledMapping | None, member: Member, max_bytes: int, recognise: Recognise | None, *, at_once: bool
) -> Iterator[Document | CanonicalLines | Refusal]:
    if member.stream is None:
        raise SourceError(member.problem or _NO_FORMAT)
    head = member.stream.peek(512)[:512]
    if not head:
        return
    form = (mapping and mapping.spec.format) or format_of(member.stem, head)
    if form is None:
        raise NotDataError(_NO_FORMAT)
    delimiter = mapping.spec.delimiter if mapping else None
    recognised, prepare = mapping is not None, None
    for record in _records(member, form, max_bytes, delimiter, at_once=at_once):
        if isinstance(record, CanonicalLines):
            recognised = True
            yield record
            continue
        place = ": ".join(part for part in (member.name and f"member {member.name}", record.place) if part)
        try:
            value = _parsed(record)
        except RefusedError as refused:
            yield Refusal(place or "$", refused.reason, refused.detail, _shown(record.value))
            continue
        if not recognised and not _is_canonical(value):
            if recognise is None:
                raise SourceError(_UNCLAIMED)
            mapping = recognise(value)
        if mapping is not None and mapping.spec.prepare is not None:
            prepare = prepare or Preparer()
            try:
                value = prepare(value)
            except RefusedError as refused:
                yield Refusal(place or "$", refused.reason, refused.detail, _shown(record.value))
                continue
        recognised = True
        text = record.value if isinstance(record.value, bytes) else None
        yield Document(place, member.name, value, mapping or _mapping_of(value), text)


def _records(
    member: Member, form: str, max_bytes: int, delimiter: str | None, *, at_once: bool
) -> Iterator[Record | CanonicalLines]:
    """The records of a member; lines that seem to be canonical stay together where `at_once` allows it."""
    assert member.stream is not None
    for found in read_records(member.stream, form, max_bytes=max_bytes, delimiter=delimiter):
        if isinstance(found, Record):
            yield found
        elif at_once and _begins_canonically(found) and (texts := found.objects()) is not None:
            yield CanonicalLines(member.name, found.first, texts)
        else:
            yield from (Record(f"line {number}", text) for number, text in found.filled())


def _begins_canonically(lines: Lines) -> bool:
    """Whether the first line is a canonical record, and no CloudEvent."""
    try:
        first = orjson.loads(io.BytesIO(lines.text).readline())
    except orjson.JSONDecodeError:
        return False
    return isinstance(first, dict) and "event_type" in first and _mapping_of(first) is None


_CLOUDEVENTS = CompiledMapping(CLOUDEVENTS)


def _mapping_of(document: Any) -> CompiledMapping | None:
    """Of a CloudEvent; None for a canonical record."""
    is_cloud_event = isinstance(document, dict) and document.get("specversion") is not None
    return _CLOUDEVENTS if is_cloud_event else None


def _canonical(document: Document) -> Canonical | Refusal:
    """The record as it came, so that what is stored does not depend on who parsed it."""
    record = _stored(CANONICAL, document.place or "$", document.value)
    if isinstance(record, Refusal) or document.text is None:
        return record
    anonymous = not isinstance(document.value, dict) or not document.value.get("event_id")
    return Canonical(CANONICAL, record.place, document.text.decode().strip(), record.text if anonymous else None)


def _stored(source_key: str, place: str, record: Any) -> Canonical | Refusal:
    """The record, unless JSON text cannot hold it."""
    try:
        return Canonical(source_key, place, _text(record))
    except orjson.JSONEncodeError as error:
        return Refusal(place, NOT_STORABLE, f"cannot be written as JSON again: {error}", _shown(record))


def _joined(place: str, inner: str) -> str:
    return inner if not place else place if inner == "$" else f"{place}: {inner}"


def _parsed(record: Record) -> Any:
    """The document; strict JSON only.

    Raises:
        RefusedError: it is not JSON, not UTF-8, or was refused when it was split off.
    """
    if record.error is not None:
        raise record.error
    if not isinstance(record.value, bytes):
        return record.value
    try:
        return orjson.loads(record.value)
    except orjson.JSONDecodeError as error:
        try:
            record.value.decode()
        except UnicodeDecodeError as wrong:
            raise RefusedError("wrong_encoding", f"not UTF-8 at byte {wrong.start}; convert the file") from None
        raise RefusedError("not_json", f"{error}; correct the file, and write one document, or one a line") from None


def _is_canonical(document: Any) -> bool:
    return isinstance(document, dict) and ("event_type" in document or _mapping_of(document) is not None)


def _text(record: Any) -> str:
    return orjson.dumps(record, default=_plain, option=orjson.OPT_SORT_KEYS | orjson.OPT_NON_STR_KEYS).decode()


def _plain(value: Any) -> Any:
    """Types that Parquet has and JSON has not."""
    if isinstance(value, Decimal):
        return float(value)
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)


def _shown(value: Any) -> str:
    if isinstance(value, bytes):
        return value[: 4 * SHOWN_CHARACTERS].decode("utf-8", "replace")[:SHOWN_CHARACTERS]
    try:
        return _text(value)[:SHOWN_CHARACTERS]
    except orjson.JSONEncodeError:  # nested too deeply, for example
        return ""
