"""What is taken quickly is what a close look would have taken, with the same values."""

from __future__ import annotations

from typing import Any

import duckdb
import orjson
import pyarrow as pa
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.ingest.load import instant_rules
from pipeline.settings import Settings
from pipeline.store import load_sql, run_script

PARAMETERS = instant_rules(Settings())
SCALARS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(2**70), 2**70),
    st.floats(allow_nan=False, allow_infinity=False),
    st.text(max_size=12),
    st.sampled_from(['"', '""', "\x7f", "\\", "a\nb", "12", "x" * 127, "x" * 128, "x" * 129, "ä" * 65, "phone", " "]),
)
ANYTHING = st.recursive(
    SCALARS,
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(st.text(max_size=4), inner, max_size=3)),
)
TEXT = st.one_of(SCALARS, st.text(alphabet="abcé-_ /:", min_size=1, max_size=20))
INSTANTS = st.sampled_from(
    ["2026-01-05T10:00:00Z", "2026-01-05 10:00:00.5+01:00", "2026-01-05T10:00:00", "2026-02-30T10:00:00Z",
     "1999-01-01T00:00:00Z", "2026-01-05T10:00:00 Europe/Berlin", "infinity", "2026-01-05T10:00:00+0130", "2026-01-05"]
)  # fmt: skip
FIELDS: dict[str, st.SearchStrategy[Any]] = {
    "occurred_at": st.one_of(INSTANTS, SCALARS),
    "sequence": st.one_of(SCALARS, st.integers(-5, 10**20), st.sampled_from(["3", "3.0", 3.0, 3.7])),
    "direction": st.one_of(TEXT, st.sampled_from(["Inbound", "TEST", "simulated"])),
    "traffic": st.one_of(TEXT, st.sampled_from(["production", "REAL", "playground", "other"])),
    "tags": st.one_of(st.lists(TEXT, max_size=3), ANYTHING),
    "data": st.one_of(st.dictionaries(st.text(max_size=4), ANYTHING, max_size=3), ANYTHING),
    **dict.fromkeys(
        ["event_id", "event_type", "conversation_id", "domain", "origin", "channel", "service_id", "run_id",
         "session_id", "participant"], TEXT,
    ),
}  # fmt: skip
CHANGES = st.sampled_from(sorted(FIELDS)).flatmap(lambda name: FIELDS[name].map(lambda value: {name: value}))
PLAIN = {"event_id": "e", "event_type": "agent.turn", "occurred_at": "2026-01-05T10:00:00Z"}


def _incoming(records: list[dict[str, Any]]) -> pa.Table:
    texts = []
    for record in records:
        try:
            texts.append(orjson.dumps(record, option=orjson.OPT_SORT_KEYS).decode())
        except orjson.JSONEncodeError:  # an integer beyond 64 bits
            continue
    return pa.table(
        {
            "position": pa.array(range(len(texts)), pa.int64()),
            "file_id": pa.array(["f"] * len(texts), pa.string()),
            "source_key": pa.array(["canonical"] * len(texts), pa.string()),
            "record": pa.array(texts, pa.string()),
            "reason": pa.nulls(len(texts), pa.string()),
        }
    )


def _staged(con: duckdb.DuckDBPyConnection, incoming: pa.Table, *, quickly: bool) -> dict[int, tuple[Any, ...]]:
    con.register("incoming", incoming)
    run_script(con, load_sql("pipeline.ingest.sql", "staged"))
    if quickly:
        run_script(con, load_sql("pipeline.ingest.sql", "quick"), PARAMETERS)
    else:
        con.execute("CREATE OR REPLACE TEMP TABLE left_over AS SELECT * EXCLUDE (reason) FROM incoming")
        run_script(con, load_sql("pipeline.ingest.sql", "stage"), PARAMETERS)
    return {row[0]: row for row in con.execute("SELECT * FROM staged").fetchall()}


@settings(max_examples=25, deadline=None)
@given(st.lists(st.tuples(CHANGES, CHANGES), min_size=40, max_size=60))
def test_what_is_taken_quickly_is_what_a_close_look_takes(changes: list[tuple[dict[str, Any], dict[str, Any]]]) -> None:
    records = [PLAIN | one for one, _ in changes] + [PLAIN | one | other for one, other in changes]
    with duckdb.connect() as con:
        con.execute("SET TimeZone = 'UTC'")
        incoming = _incoming(records)
        quick, close = _staged(con, incoming, quickly=True), _staged(con, incoming, quickly=False)
    assert {position: close[position] for position in quick} == quick
    assert len(close) == incoming.num_rows


def test_plain_records_are_taken_quickly(turns: Any) -> None:
    records = turns("c1", ["a", "b"], channel="phone", direction="Inbound", traffic="real", tags=["x"], session_id=12)
    with duckdb.connect() as con:
        con.execute("SET TimeZone = 'UTC'")
        assert len(_staged(con, _incoming([*records, PLAIN]), quickly=True)) == 3
