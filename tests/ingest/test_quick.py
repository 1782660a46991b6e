"""What is taken quickly is what a close look would have taken, with the same values."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import duckdb
import pyarrow as pa
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.ingest.chunk import Chunk, Reading
from pipeline.ingest.lines import CanonicalLines
from pipeline.ingest.load import bring_functions, instant_rules, parsed_lines
from pipeline.ingest.report import FileOutcome
from pipeline.settings import Settings
from pipeline.store import load_sql, run_script

PARAMETERS = instant_rules(Settings())
NOW = datetime(2026, 1, 1, tzinfo=UTC)
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


# What JSON allows and what only some parsers do, wherever a value may stand.
SNIPPETS = st.sampled_from(
    ["NaN", "nan", "-NaN", "Infinity", "-inf", "INF", "1e999", "-1e400", "1E+0999", "1e99", "9" * 400, "-" + "9" * 400,
     "9" * 30, "-9223372036854775809", "18446744073709551616", "0.1000000000000000055", "-0", "-0.0", "1.0", "1E5",
     "01", "+1", "1.", ".5", "0x1", "[1,]", "[1 , ]", '{"a":1,}', '{"a":1 ,\t}', "[NaN]", "[1, nan]", "[ -Infinity ]",
     "[,1]", '{"a":1,"a":2}', '{"a":{"b":1,"b":[2]}}', '"\\ud800"', '"\\udc00"', '"\\u0000"', '"\\u00e9\\/"', '"a\tb"',
     '"\\x"', "'a'", "tru", "null", "true", '"null"', '"true"', '"1.5"', "{}", "[]", '"{}"', '"[]"',
     '"nan, inf: -1e999,]"', "[[[[]]]]", '"2026-01-05T10:00:00Z"', '"2026-01-05T10:00:00Z\\n"', "/**/1", '"1.0"',
     '["a", 1, null]', ""]
)  # fmt: skip
KEYS = st.sampled_from(
    [*FIELDS, "specversion", "unknown", "Event_id", "\\u0065vent_id", "", "\\u0073pecversion", "time", "id", "source"]
)
BASE = [('"event_id"', '"e"'), ('"event_type"', '"agent.turn"'), ('"occurred_at"', '"2026-01-05T10:00:00Z"')]


@st.composite
def hostile_lines(draw: st.DrawFn) -> str:
    """A plain record as text, with something odd in it."""
    members = [*BASE, *draw(st.lists(st.tuples(KEYS.map(lambda key: f'"{key}"'), SNIPPETS), max_size=2))]
    if draw(st.booleans()):
        members = draw(st.permutations(members))
    inner = draw(st.one_of(st.none(), SNIPPETS))
    if inner is not None:
        members.append(('"data"', f'{{"v":{inner}, "w" : [{inner}]}}'))
    comma, colon = draw(st.sampled_from([(",", ":"), (", ", ": "), (" ,\t", " :  ")]))
    tail = draw(st.sampled_from(["", "", "", " ", "\r", "}", ",", " x", "//c", "{}", ",}"]))
    return "{" + comma.join(f"{key}{colon}{value}" for key, value in members) + "}" + tail


def _incoming(lines: list[str]) -> pa.Table:
    chunk = Chunk()
    chunk.add_lines(Reading("f", "", FileOutcome(""), NOW), CanonicalLines(None, 1, pa.array(lines, pa.string())))
    return chunk.sealed()


def _staged(con: duckdb.DuckDBPyConnection, incoming: pa.Table, *, quickly: bool) -> dict[int, tuple[Any, ...]]:
    con.register("incoming", incoming)
    bring_functions(con)
    run_script(con, load_sql("pipeline.ingest.sql", "staged"))
    if quickly:
        run_script(con, load_sql("pipeline.ingest.sql", "quick"), PARAMETERS)
    else:
        con.register("left_over", incoming)
        con.register("parsed", parsed_lines(incoming))
        run_script(con, load_sql("pipeline.ingest.sql", "stage"), PARAMETERS)
    rows = con.execute("SELECT * FROM staged WHERE reason IS DISTINCT FROM 'left_over'").fetchall()
    return {row[0]: row for row in rows}


def _compare(lines: list[str]) -> None:
    with duckdb.connect() as con:
        con.execute("SET TimeZone = 'UTC'")
        incoming = _incoming(lines)
        quick, close = _staged(con, incoming, quickly=True), _staged(con, incoming, quickly=False)
    for position, row in quick.items():
        assert close[position] == row, lines[position]
    assert len(close) == len(lines)


@settings(max_examples=25, deadline=None)
@given(st.lists(st.tuples(CHANGES, CHANGES), min_size=40, max_size=60))
def test_what_is_taken_quickly_is_what_a_close_look_takes(changes: list[tuple[dict[str, Any], dict[str, Any]]]) -> None:
    records = [PLAIN | one for one, _ in changes] + [PLAIN | one | other for one, other in changes]
    _compare([json.dumps(record, ensure_ascii=index % 2 == 0) for index, record in enumerate(records)])


@settings(max_examples=25, deadline=None)
@given(st.lists(hostile_lines(), min_size=60, max_size=100))
def test_a_line_that_only_some_parsers_accept_is_not_taken_quickly(lines: list[str]) -> None:
    _compare(lines)


def test_plain_records_are_taken_quickly(turns: Any) -> None:
    records = turns(
        "c1", ["a, in", "ä\n"], channel="phone", direction="Inbound", traffic="real", tags=["x"], session_id=12
    )
    lines = [json.dumps(record) for record in [*records, PLAIN]]
    with duckdb.connect() as con:
        con.execute("SET TimeZone = 'UTC'")
        assert len(_staged(con, _incoming([*lines, f" {lines[0]} \r"]), quickly=True)) == 4
