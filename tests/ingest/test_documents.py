"""JSON documents one after the other, whatever stands between them; Parquet's own types."""

from __future__ import annotations

import io
import json
from decimal import Decimal
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.ingest.documents import split_documents

MAPPING = {
    "events": [
        {
            "event_type": "x",
            "conversation_id": "c",
            "event_id": {"template": "{$.n}"},
            "occurred_at": None,
            "data": {"text": "$.text"},
        }
    ]
}
DOCUMENTS = [{"n": at, "text": 'a "}{" \\ [\n], é', "deep": [{"a": [{}]}]} for at in range(3)]


def _written(separator: str, before: str = "", indent: int | None = None) -> bytes:
    return separator.join(before + json.dumps(one, indent=indent, ensure_ascii=False) for one in DOCUMENTS).encode()


@pytest.mark.parametrize("name", ["a.json", "a.ndjson", "a"])
@pytest.mark.parametrize(
    "text",
    [
        _written(""),
        _written("\n", indent=2),
        _written("\n\n", indent=4) + b"\n",
        _written("\n", "\x1e") + b"\n",
        _written("\n", "\x1e", indent=1),
        _written(",\n") + b",\n",
        _written(", "),
        b"[" + _written("]\n[") + b"]",
        b"[" + _written("][") + b"]",
    ],
)
def test_documents_one_after_the_other_are_read(pipe: Any, name: str, text: bytes) -> None:
    """As jq, delivery services, sequences of RFC 7464 and careless exports write them."""
    (pipe.folder / name).write_bytes(text)
    report = pipe.ingest(mapping=MAPPING)
    assert (report.event_count, report.rejected_count, report.failed) == (3, 0, ())
    assert pipe.rows("SELECT DISTINCT data->>'text' FROM events") == [(DOCUMENTS[0]["text"],)]


def test_a_torn_document_costs_its_neighbours_nothing(pipe: Any) -> None:
    """The one before and the one after are read; the torn one is refused in its place."""
    good = [json.dumps({"n": at}, indent=2) for at in range(3)]
    (pipe.folder / "a.json").write_text("\n".join([good[0], '{\n  "n": "torn', good[1], good[2][:5], "junk", good[2]]))
    report = pipe.ingest(mapping=MAPPING)
    assert pipe.rows("SELECT event_id FROM events ORDER BY 1") == [("0",), ("1",), ("2",)]
    assert report.rejected_count >= 1
    assert {reason for _, reason in pipe.rejected()} == {"not_json"}


class _Trickle(io.BufferedReader):
    """Gives a few bytes at a time, so that a block may end anywhere."""

    def __init__(self, text: bytes, step: int) -> None:
        super().__init__(io.BytesIO(text))  # type: ignore[arg-type]
        self._step = step

    def read(self, size: int | None = -1, /) -> bytes:
        return super().read(self._step)


_VALUES = st.recursive(
    st.none() | st.integers() | st.text(alphabet='ab"\\{}[],\n\x1eé', max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=6,
)


@settings(max_examples=150, deadline=None)
@given(
    documents=st.lists(
        st.dictionaries(st.text(max_size=3), _VALUES, max_size=3) | st.lists(_VALUES, max_size=3), max_size=6
    ),
    between=st.sampled_from(["", "\n", ",\n", "\n\x1e", " , "]),
    indent=st.sampled_from([None, 2]),
    step=st.integers(1, 7),
)
def test_what_was_written_is_what_is_split(documents: list[Any], between: str, indent: int | None, step: int) -> None:
    """Wherever the blocks of the stream end."""
    text = between.join(json.dumps(one, indent=indent) for one in documents).encode()
    found = list(split_documents(_Trickle(text, step), b"", 10_000))
    assert [(json.loads(one), problem) for one, problem in found] == [(one, None) for one in documents]


@settings(max_examples=150, deadline=None)
@given(text=st.text(alphabet='{}[]",:\\\n\x1ea1', max_size=60), step=st.integers(1, 5))
def test_a_hostile_text_ends(text: str, step: int) -> None:
    """And whole documents in it do not depend on where blocks end."""

    def outcomes(stream: Any) -> list[tuple[bytes | None, str | None]]:
        return [(None if problem else one, problem) for one, problem in split_documents(stream, b"", 20)]

    assert outcomes(_Trickle(text.encode(), step)) == outcomes(io.BytesIO(text.encode()))


def test_a_document_that_is_too_large_is_passed_over(pipe: Any) -> None:
    """Its neighbours on the same line are read."""
    small = json.dumps({"n": 1})
    found = list(split_documents(_Trickle((small + json.dumps({"n": "x" * 500}) + small).encode(), 16), b"", 100))
    assert [problem for _, problem in found] == [None, "too_large", None]
    assert max(len(text) for text, _ in found) <= 500


def test_decimals_of_parquet_are_numbers_however_deep(pipe: Any) -> None:
    """Amounts are decimals in tables; in maps, lists and structures, too."""
    money = pa.decimal128(12, 2)
    table = pa.table(
        {
            "n": pa.array([Decimal("3.50")], money),
            "deep": pa.array(
                [{"items": [{"price": Decimal("20.25")}]}], pa.struct({"items": pa.list_(pa.struct({"price": money}))})
            ),
            "map": pa.array([[("a", Decimal("2.00"))]], pa.map_(pa.string(), money)),
        }
    )
    pq.write_table(table, pipe.folder / "a.parquet")
    value = {"path": "$.deep.items[0].price", "scale": 100}
    rule = {"event_type": "x", "conversation_id": {"hash": ["$.deep"]}, "occurred_at": None}
    pipe.ingest(mapping={"events": [{**rule, "data": {"cents": value, "n": "$.n", "map": "$.map"}}]})
    assert pipe.rejected() == []
    ((data,),) = pipe.rows("SELECT data FROM events")
    assert json.loads(data) == {"cents": 2025, "n": 3.5, "map": {"a": 2}}
