"""Splits a stream into records without holding more than one of them: lines, documents, array elements, rows."""

from __future__ import annotations

import csv
import io
import math
import re
import shutil
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import orjson

from pipeline.errors import SourceError
from pipeline.ingest.documents import first_document, split_documents
from pipeline.ingest.lines import Lines, split_lines
from pipeline.ingest.refusal import RefusedError
from pipeline.ingest.textgrid import parse_textgrid

_BLOCK = 1 << 20
_OUTSIDE = re.compile(rb'["{}\[\],]')
_IN_STRING = re.compile(rb'"|\\.', re.DOTALL)
_BETWEEN = b" \t\r\n,\x1e"
_UTF8_BOM = b"\xef\xbb\xbf"
_UTF16_BOMS = (b"\xff\xfe", b"\xfe\xff")
_FORMATS = {
    ".json": "json",
    ".ndjson": "ndjson",
    ".jsonl": "ndjson",
    ".ldjson": "ndjson",
    ".csv": "csv",
    ".tsv": "tsv",
    ".tab": "tsv",
    ".parquet": "parquet",
    ".textgrid": "textgrid",
}


@dataclass(frozen=True)
class Record:
    """One document.

    Attributes:
        place: where in its stream, for example `line 12`; empty for the only one.
        value: UTF-8 bytes of a JSON text that has not been parsed, or a row as an object.
        error: why it cannot be used; `value` is then its beginning.
    """

    place: str
    value: bytes | dict[str, Any]
    error: RefusedError | None = None


def format_of(name: str, head: bytes) -> str | None:
    """The format of a stream by its name (lower case, ending of compression removed), else by its first bytes."""
    if head[:4] == b"PAR1":
        return "parquet"
    by_name = next((found for ending, found in _FORMATS.items() if name.endswith(ending)), None)
    if by_name is None and b'"ooTextFile' in head[:60].replace(b"\0", b""):  # in UTF-8 or UTF-16
        return "textgrid"
    if by_name is None and head.removeprefix(_UTF8_BOM).lstrip(_BETWEEN)[:1] in (b"{", b"["):
        return "json"
    return by_name


def read_records(
    stream: io.BufferedReader, form: str, *, max_bytes: int, delimiter: str | None = None
) -> Iterator[Record | Lines]:
    """The records of a stream; those of NDJSON by blocks of lines.

    Args:
        stream: at its beginning.
        form: json, ndjson, csv, tsv, parquet or textgrid.
        max_bytes: a larger record is refused; it is never held in memory.
        delimiter: of CSV; None to take the one that is most frequent in the header.

    Raises:
        SourceError: the stream as a whole cannot be read in this form.
    """
    if form == "textgrid":
        return _textgrid(stream, max_bytes)
    head = stream.peek(4)
    if head[:2] in _UTF16_BOMS:
        raise SourceError("the encoding is UTF-16 or UTF-32; convert it to UTF-8")
    if form == "parquet":
        return _parquet(stream)
    if head[:3] == _UTF8_BOM:
        stream.read(3)
    if form == "json":
        return _json(stream, max_bytes)
    if form == "ndjson":
        return _lines(stream, b"", max_bytes)
    return _csv(stream, "\t" if form == "tsv" else delimiter, max_bytes)


def _too_large(max_bytes: int) -> RefusedError:
    return RefusedError("too_large", f"larger than {max_bytes} bytes; split it, or raise METRIC_STORE_MAX_RECORD_BYTES")


def _lines(stream: io.BufferedReader, start: bytes, max_bytes: int) -> Iterator[Record | Lines]:
    """One document a line, or, if the first is not whole in its line, documents one after the other."""
    while b"\n" not in start.strip() and len(start) <= max_bytes and (block := stream.read(_BLOCK)):
        start += block
    if not _holds_line(start) and (first_document(start) or start.lstrip()[:1] == b"\x1e"):
        yield from _documents(stream, start, max_bytes)
        return
    for found in split_lines(stream, start, max_bytes):
        yield Record(f"line {found}", b"", _too_large(max_bytes)) if isinstance(found, int) else found


def _holds_line(text: bytes) -> bool:
    """Whether the first line that is not blank is a whole document; a list is documents one after the other."""
    try:
        return not isinstance(orjson.loads(text.lstrip().partition(b"\n")[0]), list)
    except orjson.JSONDecodeError:
        return False


_WRONG = {
    "torn": "a document that does not end before the file or the next one does; is it complete?",
    "no_document": "neither an object nor a list",
}


def _documents(stream: io.BufferedReader, start: bytes, max_bytes: int) -> Iterator[Record]:
    for number, (text, problem) in enumerate(split_documents(stream, start, max_bytes), 1):
        if problem == "too_large":
            yield Record(f"document {number}", text, _too_large(max_bytes))
        elif problem is not None:
            yield Record(f"document {number}", text, RefusedError("not_json", _WRONG[problem]))
        elif text.startswith(b"["):
            for inner in _array(io.BufferedReader(io.BytesIO()), text, max_bytes):
                yield Record(f"document {number}: {inner.place}", inner.value, inner.error)
        else:
            yield Record(f"document {number}", text)


def _json(stream: io.BufferedReader, max_bytes: int) -> Iterator[Record | Lines]:
    """One document, an array of documents, documents one after the other, or (mislabelled) one document a line."""
    start = b""
    while not start.strip() and (block := stream.read(_BLOCK)):
        start = block
    if start.lstrip()[:1] == b"[":
        yield from _array(stream, start, max_bytes)
        return
    if _holds_lines(start):
        yield from _lines(stream, start, max_bytes)
        return
    whole = first_document(start)
    if whole is None and start.lstrip()[:1] == b"{" and len(start) <= max_bytes and (block := stream.read(max_bytes)):
        start += block  # its first document is larger than a block
        whole = first_document(start)
    if start.lstrip()[:1] == b"\x1e" or (whole is not None and start.strip() != whole):
        yield from _documents(stream, start, max_bytes)
        return
    rest = stream.read(max(0, max_bytes + 1 - len(start)))
    if len(document := start + rest) > max_bytes:
        yield Record("", start[:2000], _too_large(max_bytes))
    elif document.strip():
        yield Record("", document)


def _holds_lines(text: bytes) -> bool:
    """Whether the first line is a whole object and is not the last."""
    line, _, after = text.lstrip().partition(b"\n")
    try:
        return bool(after.strip()) and isinstance(orjson.loads(line), dict)
    except orjson.JSONDecodeError:
        return False


def _array(stream: io.BufferedReader, buffer: bytes, max_bytes: int) -> Iterator[Record]:
    """Elements of one JSON array as bytes. Only quotes, brackets and commas are looked at; parsing comes later."""
    position = begin = buffer.index(b"[") + 1
    depth, index, in_string, oversized = 0, 0, False, False
    while True:
        token = (_IN_STRING if in_string else _OUTSIDE).search(buffer, position)
        if token is None:
            half_escape = in_string and buffer.endswith(b"\\", position)
            oversized |= len(buffer) - begin > max_bytes
            seen = len(buffer) - half_escape
            begin = seen if oversized else begin
            if not (block := stream.read(_BLOCK)):
                break
            buffer, position, begin = buffer[begin:] + block, seen - begin, 0
            continue
        position, mark = token.end(), token[0]
        if mark == b'"':
            in_string = not in_string
        elif in_string:
            continue  # an escape
        elif mark in b"{[":
            depth += 1
        elif depth:
            depth -= mark != b","
        else:  # a comma between elements, or the bracket that ends the array
            element = buffer[begin : token.start()]
            if oversized or len(element) > max_bytes:
                yield Record(f"$[{index}]", b"", _too_large(max_bytes))
            elif element.strip() or mark == b",":
                yield Record(f"$[{index}]", element)
            if mark != b",":
                rest = buffer[position:]
                while not rest.strip(_BETWEEN) and (block := stream.read(_BLOCK)):
                    rest = block
                for after in _documents(stream, rest, max_bytes):
                    yield Record(f"after the array: {after.place}", after.value, after.error)
                return
            index, begin, oversized = index + 1, position, False
    error = RefusedError("not_json", "the array ends in the middle; is the file complete?")
    yield Record(f"$[{index}]", buffer[begin:][:2000], error)


def _csv(stream: io.BufferedReader, delimiter: str | None, max_bytes: int) -> Iterator[Record]:
    csv.field_size_limit(max_bytes)
    large: list[int] = []

    def lines() -> Iterator[str]:
        for found in split_lines(stream, b"", max_bytes):
            if isinstance(found, int):
                large.append(found)
            else:
                yield from (
                    line.removesuffix(b"\r").decode("utf-8", "surrogateescape") + "\n" for line in found.texts()
                )

    source = lines()
    header_line = next(source, None)
    if header_line is None:
        return
    if delimiter is None:
        delimiter = max(",;\t|", key=header_line.count)
    (header,) = csv.reader([header_line], delimiter=delimiter)
    if not header_line.isascii() and any("\udc80" <= character <= "\udcff" for character in header_line):
        raise SourceError("the header is not UTF-8; convert the file")
    rows = csv.reader(source, delimiter=delimiter)
    number = 1
    while True:
        try:
            cells = next(rows)
        except StopIteration:
            break
        except csv.Error as error:
            raise SourceError(f"after line {number}: {error}; is a quote left open?") from None
        yield from (Record(f"line {refused}", b"", _too_large(max_bytes)) for refused in large)
        large.clear()
        number = rows.line_num + 1
        if cells:
            yield _csv_row(f"line {number}", header, cells)
    yield from (Record(f"line {refused}", b"", _too_large(max_bytes)) for refused in large)


def _csv_row(place: str, header: list[str], cells: list[str]) -> Record:
    row: dict[str, Any] = {name: cell for name, cell in zip(header, cells, strict=False) if cell != ""}
    if len(cells) != len(header):
        detail = f"{len(cells)} cells under a header of {len(header)}"
        return Record(place, row, RefusedError("wrong_columns", detail))
    try:
        "".join(cells).encode()
    except UnicodeEncodeError:
        shown = {name: cell.encode("utf-8", "replace").decode() for name, cell in row.items()}
        return Record(place, shown, RefusedError("wrong_encoding", "not UTF-8"))
    return Record(place, row)


def _textgrid(stream: io.BufferedReader, max_bytes: int) -> Iterator[Record]:
    content = stream.read(max_bytes + 1)
    if len(content) > max_bytes:
        yield Record("", content[:2000], _too_large(max_bytes))
        return
    try:
        yield Record("", parse_textgrid(content))
    except RefusedError as refused:
        yield Record("", content[:2000], refused)


def _parquet(stream: io.BufferedReader) -> Iterator[Record]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    with tempfile.TemporaryFile() as spool:
        # Parquet is read from its end, which a member of an archive cannot be.
        shutil.copyfileobj(stream, spool, _BLOCK)
        try:
            number = 0
            for batch in pq.ParquetFile(spool).iter_batches(batch_size=1000):
                for row in batch.to_pylist():
                    number += 1
                    filled = {name: _cell(cell) for name, cell in row.items() if cell is not None}
                    error = None if _finite(filled) else RefusedError("not_finite", "NaN or infinity in a column")
                    yield Record(f"row {number}", filled, error)
        except (pa.ArrowException, OSError) as error:
            raise SourceError(f"not a readable Parquet file: {str(error).splitlines()[0]}") from None


def _cell(value: Any) -> Any:
    """A value of Parquet with the types of JSON, however deep it stands; instants keep their own."""
    if isinstance(value, Decimal):
        return int(value) if value == value.to_integral_value() and abs(value) < 2**63 else float(value)
    if isinstance(value, dict):
        return {str(name): _cell(inner) for name, inner in value.items()}
    if isinstance(value, list):
        if value and all(isinstance(pair, tuple) and len(pair) == 2 for pair in value):  # a column of maps
            return {str(key): _cell(inner) for key, inner in value}
        return [_cell(inner) for inner in value]
    return value


def _finite(value: Any) -> bool:
    if isinstance(value, float):
        return math.isfinite(value)
    if isinstance(value, dict):
        return all(map(_finite, value.values()))
    return all(map(_finite, value)) if isinstance(value, list) else True
