"""Formats, compressions and archives: the same records however they are packed, and clear refusals of damaged ones."""

from __future__ import annotations

import bz2
import gzip
import io
import json
import lzma
import tarfile
import zipfile
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.ingest.records import read_records

GOOD = {"event_id": "e1", "conversation_id": "c1", "event_type": "user.turn", "occurred_at": "2026-01-05T10:00:00Z"}
LINE = json.dumps(GOOD).encode() + b"\n"
SECOND = json.dumps({**GOOD, "event_id": "e2"}).encode() + b"\n"


def _zstd(data: bytes) -> bytes:
    return bytes(pa.compress(data, codec="zstd", asbytes=True))


def _tar(**members: bytes) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for name, data in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    return buffer.getvalue()


def _zip(**members: bytes) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    return buffer.getvalue()


HEADER = b"event_id,event_type,occurred_at\n"
ROW = b"e1,x,2026-01-05T10:00:00Z\n"
SECOND_ROW = b"e2,x,2026-01-05T10:00:00Z\n"
QUOTED = b'event_id,event_type,occurred_at,data\r\ne1,x,2026-01-05T10:00:00Z,"{""text"":\n""a,b""}"\r\n'


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("a.ndjson", LINE + SECOND),
        ("a.jsonl", LINE + SECOND.rstrip()),
        ("a.ndjson", b"\xef\xbb\xbf" + LINE + b"\n\n  \n" + SECOND),
        ("a.ndjson", (LINE + SECOND).replace(b"\n", b"\r\n")),
        ("a.json", LINE + SECOND),
        ("a.json", b" [" + LINE + b",\n" + SECOND + b"] \n"),
        ("a", b"\n" + LINE + SECOND),
        ("a.ndjson.gz", gzip.compress(LINE) + gzip.compress(SECOND)),
        ("a.ndjson", gzip.compress(LINE + SECOND)),
        ("a.ndjson.bz2", bz2.compress(LINE + SECOND)),
        ("a.ndjson.xz", lzma.compress(LINE + SECOND)),
        ("a.ndjson.zst", _zstd(LINE + SECOND)),
        ("a.tar", _tar(**{"x/a.ndjson": LINE, "b.json": SECOND})),
        ("a.tgz", gzip.compress(_tar(**{"x/a.ndjson.gz": gzip.compress(LINE), "b.json": SECOND}))),
        ("a.tar.zst", _zstd(_tar(**{"a.ndjson": LINE, "b.json": SECOND}))),
        ("a.zip", _zip(**{"a.ndjson": LINE, "b.json.gz": gzip.compress(SECOND), "__MACOSX/._a": b"x"})),
        ("a.csv", HEADER + ROW + SECOND_ROW),
        ("a.csv", QUOTED + b"e2,x,2026-01-05T10:00:00Z,\r\n"),
        ("a.csv", b"\xef\xbb\xbf" + (HEADER + ROW + SECOND_ROW).replace(b",", b";")),
        ("a.tsv.gz", gzip.compress((HEADER + ROW + SECOND_ROW.rstrip()).replace(b",", b"\t"))),
    ],
    ids=lambda value: value if isinstance(value, str) else "",  # compressed bytes hold the time; workers must agree
)
def test_the_same_events_however_they_are_packed(pipe: Any, name: str, data: bytes) -> None:
    (pipe.folder / name).write_bytes(data)
    report = pipe.ingest()
    assert (report.failed, report.event_count, report.rejected_count) == ((), 2, 0)
    assert pipe.rows("SELECT event_id FROM events ORDER BY event_id") == [("e1",), ("e2",)]


def test_parquet(pipe: Any) -> None:
    table = pa.table(
        {
            "event_id": ["e1", "e2"],
            "event_type": ["user.turn"] * 2,
            "occurred_at": pa.array([datetime(2026, 1, 5, 10, tzinfo=UTC)] * 2, pa.timestamp("us", "UTC")),
            "data": pa.array([{"text": "hi", "score": 0.5}, {"text": "x", "score": float("nan")}]),
        }
    )
    pq.write_table(table, pipe.folder / "a.parquet")
    assert pipe.ingest().event_count == 1
    assert pipe.rows("SELECT occurred_at, data ->> '$.text' FROM events") == [
        (datetime(2026, 1, 5, 10, tzinfo=UTC), "hi")
    ]
    assert pipe.rejected() == [("row 2", "not_finite")]


@pytest.mark.parametrize(
    ("name", "data", "rejected"),
    [
        ("a.csv", HEADER + b"e1,x\n" + SECOND_ROW, [("line 2", "wrong_columns")]),
        ("a.csv", HEADER + b"caf\xe9" + ROW + SECOND_ROW, [("line 2", "wrong_encoding")]),
        ("a.csv", HEADER + b"e1,x,\n" + SECOND_ROW, [("line 2", "missing_time")]),
        ("a.json", b'[{"a": NaN}, ' + SECOND + b"]", [("$[0]", "not_json")]),
        ("a.json", b"[" + SECOND + b', {"a": ', [("$[1]", "not_json")]),
        ("a.json", b"[" + SECOND + b"] trailing", [("after the array: document 1", "not_json")]),
        ("a.tar", _tar(**{"b.json": b'{"a":', "c.ndjson": SECOND}), [("member b.json", "not_json")]),
        ("a.tar", _tar(**{"in.tar": _tar(x=LINE), "c.ndjson": SECOND}), [("member in.tar", "unreadable_member")]),
        ("a.zip", _zip(**{"in.zip": _zip(x=LINE), "c.ndjson": SECOND}), [("member in.zip", "unreadable_member")]),
        ("a.zip", _zip(**{"c.ndjson": SECOND, "notes.txt": b"hello"}), [("member notes.txt", "unreadable_member")]),
    ],
)
def test_damage_costs_only_what_is_damaged(pipe: Any, name: str, data: bytes, rejected: list[tuple[str, str]]) -> None:
    (pipe.folder / name).write_bytes(data)
    report = pipe.ingest()
    assert report.failed == ()
    assert pipe.rows("SELECT event_id FROM events") == [("e2",)]
    assert pipe.rejected() == rejected


def test_half_a_document_is_refused(pipe: Any) -> None:
    (pipe.folder / "a.json").write_bytes(b'{"event_type": "x", "occurred_at"')
    assert (pipe.ingest().rejected_count, pipe.rejected()) == (1, [("$", "not_json")])


@pytest.mark.parametrize(
    ("name", "damage", "kept", "message"),
    [
        ("a.ndjson.gz", lambda: gzip.compress(LINE * 3)[:-6], 0, "damaged"),
        ("a.tar.gz", lambda: gzip.compress(_tar(**{"a.ndjson": LINE, "b.ndjson": SECOND}))[:-40], 0, "damaged"),
        ("a.tar", lambda: _tar(**{"a.ndjson": LINE, "b.ndjson": SECOND})[:1400], 1, "damaged"),
        ("a.zip", lambda: _zip(**{"a.ndjson": LINE})[:-10], 0, "damaged"),
        ("a.ndjson", lambda: LINE.decode().encode("utf-16"), 0, "UTF-16"),
        ("a.csv", lambda: b"event_id,event_type\n\xe9".replace(b"id", b"\xe9"), 0, "header is not UTF-8"),
        ("a.parquet", lambda: b"PAR1 and nothing else", 0, "not a readable Parquet file"),
        ("a.json", lambda: gzip.compress(_zip(a=LINE)), 0, "unpack it once"),
    ],
)
def test_a_damaged_file_fails_alone_with_a_reason(
    pipe: Any, name: str, damage: Callable[[], bytes], kept: int, message: str
) -> None:
    (pipe.folder / name).write_bytes(damage())
    (pipe.folder / "z.ndjson").write_bytes(json.dumps({**GOOD, "event_id": "neighbour"}).encode())
    report = pipe.ingest()
    assert report.event_count == kept + 1
    assert [message in str(file.failure) for file in report.failed] == [True], report.failed


def test_a_member_with_a_wrong_checksum_costs_only_itself(pipe: Any) -> None:
    data = bytearray(_zip(**{"a.ndjson": LINE, "b.ndjson": SECOND}))
    at = data.index(b"PK\x01\x02") + 16  # checksum of the first entry of the directory
    data[at] ^= 0xFF
    (pipe.folder / "a.zip").write_bytes(bytes(data))
    report = pipe.ingest()
    assert report.failed == ()
    assert pipe.rows("SELECT event_id FROM events") == [("e2",)]
    assert pipe.rejected() == [("member a.ndjson", "unreadable_member")]


def test_a_tar_name_that_does_not_fit_in_memory_is_refused(pipe: Any) -> None:
    info = tarfile.TarInfo("long")
    info.type, info.size = tarfile.GNUTYPE_LONGNAME, 1 << 40
    (pipe.folder / "a.tar").write_bytes(info.tobuf(tarfile.GNU_FORMAT) + b"\0" * 10240)
    assert "member header" in str(pipe.ingest().failed[0].failure)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-5, 5) | st.text('ab"\\[]{},\n é', max_size=6),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text('a"\\,]', max_size=3), inner, max_size=3),
    max_leaves=12,
)


@given(st.lists(JSON, max_size=5), st.booleans(), st.data())
def test_an_array_is_split_into_its_elements(elements: list[Any], pretty: bool, data: st.DataObject) -> None:
    text = json.dumps(elements, indent=1 if pretty else None, ensure_ascii=False).encode()
    stream = io.BufferedReader(io.BytesIO(text))
    records = list(read_records(stream, "json", max_bytes=10_000))
    assert [record.error for record in records] == [None] * len(elements)
    assert [json.loads(record.value) for record in records] == elements  # type: ignore[arg-type]

    cut = data.draw(st.integers(1, len(text) - 1))
    broken = list(read_records(io.BufferedReader(io.BytesIO(text[:cut])), "json", max_bytes=10_000))
    assert [record.error is None for record in broken] == [True] * (len(broken) - 1) + [False]
