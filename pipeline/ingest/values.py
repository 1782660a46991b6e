"""Compiles the values of a mapping into functions over a scope."""

from __future__ import annotations

import hashlib
from typing import Any

import orjson

from pipeline.catalog.capture import compile_capture
from pipeline.catalog.source_values import TEMPLATE_PART, Find, Lookup, Pairs, Value, json_text
from pipeline.ingest.conditions import compile_condition
from pipeline.ingest.conversions import as_number, convert, exact, number_of
from pipeline.ingest.paths import MISSING, Items, Read, absent, compile_path, reader


def compile_value(spec: Value) -> Read:
    """A function that reads the value from the items in scope; MISSING when there is nothing."""
    read = _origin(spec)
    if spec.trim:
        read = _trim(read)
    if spec.capture is not None:
        read = _capture(read, spec.capture)
    if spec.join is not None:
        read = _join(read, spec.join)
    if spec.map is not None:
        read = _map(read, spec)
    if spec.type is not None:
        read = _type(read, spec.type)
    if spec.minus is not None:
        read = _minus(read, compile_value(spec.minus))
    if spec.scale is not None:
        read = _scale(read, spec.scale)
    return _default(read, spec.default) if "default" in spec.model_fields_set else read


def _trim(read: Read) -> Read:
    def trimmed(items: Items) -> Any:
        value = read(items)
        return value.strip() if isinstance(value, str) else value

    return trimmed


def _capture(read: Read, regex: str) -> Read:
    capture = compile_capture(regex)

    def captured(items: Items) -> Any:
        value = read(items)
        if isinstance(value, int | float):
            value = json_text(value)
        found = capture(value) if isinstance(value, str) else None
        return MISSING if found is None else found

    return captured


def _join(read: Read, between: str) -> Read:
    def joined(items: Items) -> Any:
        value = read(items)
        if not isinstance(value, list):
            return value
        texts = [text for text in value if isinstance(text, str)]
        return between.join(texts) if texts else MISSING

    return joined


def _map(read: Read, spec: Value) -> Read:
    table = spec.map or {}
    patterns = [(key, found) for key, found in table.items() if "*" in key]
    closed, other = "other" in spec.model_fields_set, spec.other

    def mapped(items: Items) -> Any:
        value = read(items)
        if value is MISSING or isinstance(value, list | dict):
            return value
        text = value if isinstance(value, str) else json_text(value)
        if text in table:
            return table[text]
        for pattern, found in patterns:
            if _fits(text, pattern):
                return found
        return other if closed else value

    return mapped


def _fits(text: str, pattern: str) -> bool:
    """Whether the text is the pattern with any text for each `*`; in linear time."""
    first, *middle, last = pattern.split("*")
    if len(text) < len(first) + len(last) or not text.startswith(first) or not text.endswith(last):
        return False
    at, end = len(first), len(text) - len(last)
    for part in middle:
        at = text.find(part, at, end)
        if at < 0:
            return False
        at += len(part)
    return True


def _type(read: Read, kind: str) -> Read:
    return lambda items: value if absent(value := read(items)) else convert(value, kind)


def _minus(read: Read, read_other: Read) -> Read:
    def difference(items: Items) -> Any:
        value, other = read(items), read_other(items)
        return MISSING if absent(value) or absent(other) else as_number(exact(value) - exact(other))

    return difference


def _scale(read: Read, factor: float) -> Read:
    by = exact(factor)

    def scaled(items: Items) -> Any:
        value = read(items)
        if absent(value):
            return value
        return as_number(exact(value) * by)

    return scaled


def _default(read: Read, default: Any) -> Read:
    return lambda items: default if absent(value := read(items)) else value


def _origin(spec: Value) -> Read:
    if spec.path is not None:
        return reader(spec.path)
    if spec.all is not None:
        scope, find = compile_path(spec.all)
        return lambda items: [match for _, match in find(items.get(scope or "", MISSING))]
    if spec.count is not None:
        scope, find = compile_path(spec.count)
        return lambda items: sum(1 for _ in find(items.get(scope or "", MISSING)))
    if spec.template is not None:
        return _template(spec.template)
    if spec.first is not None:
        choices = [compile_value(choice) for choice in spec.first]
        return lambda items: next(
            (value for read in choices if (value := read(items)) is not MISSING and value is not None), MISSING
        )
    if spec.object is not None:
        fields = {name: compile_value(field) for name, field in spec.object.items()}
        return lambda items: {name: value for name, read in fields.items() if (value := read(items)) is not MISSING}
    if spec.merge is not None:
        return _merge([compile_value(part) for part in spec.merge])
    if spec.list is not None:
        members = [compile_value(member) for member in spec.list]
        return lambda items: [value for read in members if (value := read(items)) is not MISSING]
    if spec.hash is not None:
        return _hash([compile_value(part) for part in spec.hash])
    if spec.find is not None:
        return _find(spec.find)
    if spec.pairs is not None:
        return _pairs(spec.pairs)
    if spec.entries is not None:
        return _entries(spec.entries)
    if spec.lookup is not None:
        return _lookup(spec.lookup)
    if spec.largest is not None:
        return _largest({name: compile_value(score) for name, score in spec.largest.items()})
    literal = spec.literal
    return lambda _items: literal


def _merge(reads: list[Read]) -> Read:
    def merged(items: Items) -> Any:
        found: dict[str, Any] = {}
        for read in reads:
            if isinstance(value := read(items), dict):
                found.update(value)
        return found

    return merged


def _find(spec: Find) -> Read:
    scope, find = compile_path(spec.each)
    test = compile_condition(spec.when)
    read = compile_value(spec.value)

    def value(items: Items) -> Any:
        for _, item in find(items.get(scope or "", MISSING)):
            inner = {**items, "": item}
            if test is None or test(inner):
                return read(inner)
        return MISSING

    return value


def _pairs(spec: Pairs) -> Read:
    scope, find = compile_path(spec.each)
    read_key, read_value = compile_value(spec.key), compile_value(spec.value)

    def made(items: Items) -> Any:
        found: dict[str, Any] = {}
        for _, item in find(items.get(scope or "", MISSING)):
            inner = {**items, "": item}
            key, value = read_key(inner), read_value(inner)
            for text in key if isinstance(key, list) else [key]:
                if isinstance(text, str) and value is not MISSING:
                    found[text] = value
        return found

    return made


def _entries(path: str) -> Read:
    read = reader(path)

    def listed(items: Items) -> Any:
        found = read(items)
        return [{"key": key, "value": value} for key, value in found.items()] if isinstance(found, dict) else MISSING

    return listed


def _lookup(spec: Lookup) -> Read:
    read_object, read_key = reader(spec.within), compile_value(spec.key)

    def looked_up(items: Items) -> Any:
        found, key = read_object(items), read_key(items)
        return found.get(key, MISSING) if isinstance(found, dict) and isinstance(key, str) else MISSING

    return looked_up


def _largest(reads: dict[str, Read]) -> Read:
    def name_of(items: Items) -> Any:
        scores = {name: number_of(value) for name, read in reads.items() if not absent(value := read(items))}
        return max(scores, key=scores.__getitem__) if scores else MISSING

    return name_of


def _template(text: str) -> Read:
    pieces = TEMPLATE_PART.split(text)  # text, path, text, path, …, text
    reads = [reader(piece) if index % 2 else None for index, piece in enumerate(pieces)]

    def read(items: Items) -> Any:
        filled = []
        for piece, part in zip(pieces, reads, strict=True):
            if part is None:
                filled.append(piece)
                continue
            value = part(items)
            if value is MISSING or value is None:
                return MISSING
            filled.append(value if isinstance(value, str) else _written(value))
        return "".join(filled)

    return read


def _written(value: Any) -> str:
    """JSON text; `str` says the same of an integer, faster."""
    return str(value) if type(value) is int else orjson.dumps(value).decode()


def _hash(parts: list[Read]) -> Read:
    def read(items: Items) -> Any:
        values = [None if (value := part(items)) is MISSING else value for part in parts]
        return hashlib.sha256(orjson.dumps(values, option=orjson.OPT_SORT_KEYS)).hexdigest()[:32]

    return read
