"""JSON paths: where a path runs as SQL, DuckDB and jsonpath-ng must find the same."""

from __future__ import annotations

import json
from typing import Any

import duckdb
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.catalog.paths import parse_path
from pipeline.errors import ExpressionError

ODD_NAMES = (
    *(
        "a",
        "b",
        "a.b",
        "a b",
        "",
        "0",
        "1",
        "é",
        "日本",
        "it's",
        'say "x"',
        "back\\slash",
        "*",
        "**",
        "$",
        "@",
        "#",
        "[0]",
    ),
    *("a-b", "null", "length", "/", "a\nb", "`this`", "\u2028"),
)
names = st.sampled_from(ODD_NAMES) | st.text(max_size=4).filter(lambda text: "\0" not in text)
leaves = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.integers(min_value=2**60, max_value=2**80)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.sampled_from(["", "null", "1", "xyz"])
    | st.text(max_size=5).filter(lambda text: "\0" not in text)
)
documents = st.recursive(
    leaves, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(names, inner, max_size=4), max_leaves=12
)


def step_text(step: str | int) -> str:
    if isinstance(step, int):
        return f"[{step}]"
    return "['" + step.replace("\\", "\\\\").replace("'", "\\'") + "']"


@st.composite
def documents_and_paths(draw: st.DrawFn) -> tuple[Any, str]:
    """A document, and a path that mostly follows what is in it."""
    document = draw(documents)
    node, steps = document, []
    for _ in range(draw(st.integers(0, 4))):
        guided = draw(st.integers(0, 4)) > 0
        if guided and isinstance(node, dict) and node:
            step: str | int = draw(st.sampled_from(sorted(node)))
            node = node[step]
        elif guided and isinstance(node, list) and node:
            step = draw(st.integers(0, len(node)))
            node = node[step] if step < len(node) else None
        else:
            step = draw(names | st.integers(-1, 3))
            node = None
        steps.append(step)
    return document, "$" + "".join(step_text(step) for step in steps)


@pytest.fixture(scope="module")
def con() -> duckdb.DuckDBPyConnection:
    return duckdb.connect(config={"threads": 1})


def found_by_sql(con: duckdb.DuckDBPyConnection, document: Any, sql: str) -> Any:
    text = json.dumps(document, ensure_ascii=False)
    found = con.execute("SELECT json_extract(?::JSON, ?)", [text, sql]).fetchall()[0][0]
    return [] if found is None else [json.loads(found)]


def same(left: Any, right: Any) -> bool:
    if isinstance(left, dict) and isinstance(right, dict):
        return left.keys() == right.keys() and all(same(left[key], right[key]) for key in left)
    if isinstance(left, list) and isinstance(right, list):
        return len(left) == len(right) and all(same(a, b) for a, b in zip(left, right, strict=True))
    if isinstance(left, bool) or isinstance(right, bool):
        return left is right
    if isinstance(left, int | float) and isinstance(right, int | float):
        return float(left) == float(right)  # DuckDB reads integers beyond 64 bits as doubles
    return bool(left == right)


@settings(max_examples=400, deadline=None)
@given(case=documents_and_paths())
def test_sql_and_jsonpath_agree(con: duckdb.DuckDBPyConnection, case: tuple[Any, str]) -> None:
    document, text = case
    path = parse_path(text)
    if path.sql is not None:
        assert same(found_by_sql(con, document, path.sql), path.find(document))


@pytest.mark.parametrize(
    ("text", "sql"),
    [
        ("$", "$"),
        ("$.a.b", '$."a"."b"'),
        ("$.a[0].b", '$."a"[0]."b"'),
        ("$['a b']['c.d']", '$."a b"."c.d"'),
        ("$['it''s'.]", None),
    ],
)
def test_plain_paths_run_as_sql(text: str, sql: str | None) -> None:
    if sql is None:
        with pytest.raises(ExpressionError, match="not a JSONPath"):
            parse_path(text)
    else:
        assert parse_path(text).sql == sql


@pytest.mark.parametrize(
    "text", ["$.a[*]", "$..a", "$.a[-1]", "$.a[0:2]", "$.a[?(@.b > 1)]", "$['*']", "$['']", "$.a[0,1]", "$.a['b','c']"]
)
def test_other_paths_are_left_to_jsonpath(text: str) -> None:
    assert parse_path(text).sql is None


def test_filters_slices_and_recursion() -> None:
    document = {"signals": [{"name": "x", "weight": 0.2}, {"name": "y", "weight": 0.9}, {"name": None}]}
    assert parse_path("$.signals[?(@.weight > 0.5)].name").find(document) == ["y"]
    assert parse_path("$.signals[-1].name").find(document) == [None]
    assert parse_path("$..weight").find(document) == [0.2, 0.9]
    assert parse_path("$.absent").find(document) == []


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "does not start at the document"),
        ("quality_score", r"write `\$\.quality_score`"),
        ("$.", "not a JSONPath"),
        ("$.a b", "not a JSONPath"),
        ("$.a|$.b", "not a JSONPath"),
        ('$[?(@.a =~ "(x+)+y")]', "regular expression"),
        ("$" + ".a" * 600, "1,201 characters"),
    ],
)
def test_bad_paths_say_what_to_write(text: str, says: str) -> None:
    with pytest.raises(ExpressionError, match=says):
        parse_path(text)
