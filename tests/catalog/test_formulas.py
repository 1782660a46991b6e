"""Formulas: the SQL of a formula against a plain Python reference, with nulls; and what is refused."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import duckdb
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.catalog.expressions import parse_formula
from pipeline.errors import ExpressionError

Row = Mapping[str, Any]
COLUMNS = {"n1": "DOUBLE", "n2": "DOUBLE", "b1": "BOOLEAN", "b2": "BOOLEAN", "label": "VARCHAR"}


@dataclass(frozen=True)
class Case:
    """A formula's text with what it means."""

    text: str
    value: Callable[[Row], Any]


def strict(function: Callable[..., Any], *parts: Case) -> Callable[[Row], Any]:
    """A missing input makes the result missing, and so does one that is not finite."""

    def value(row: Row) -> Any:
        inputs = [part.value(row) for part in parts]
        if None in inputs:
            return None
        try:
            result = function(*inputs)
        except (ZeroDivisionError, OverflowError):
            return None
        return None if isinstance(result, float) and not math.isfinite(result) else result

    return value


def conjunction(left: Case, right: Case) -> Callable[[Row], Any]:
    def value(row: Row) -> Any:
        inputs = (left.value(row), right.value(row))
        return False if False in inputs else None if None in inputs else True

    return value


def disjunction(left: Case, right: Case) -> Callable[[Row], Any]:
    def value(row: Row) -> Any:
        inputs = (left.value(row), right.value(row))
        return True if True in inputs else None if None in inputs else False

    return value


def choice(condition: Case, then: Case, otherwise: Case) -> Callable[[Row], Any]:
    def value(row: Row) -> Any:
        decided = condition.value(row)
        return None if decided is None else then.value(row) if decided else otherwise.value(row)

    return value


def coalesced(left: Case, right: Case) -> Callable[[Row], Any]:
    def value(row: Row) -> Any:
        first = left.value(row)
        return right.value(row) if first is None else first

    return value


ARITHMETIC: dict[str, Callable[[float, float], float]] = {
    "+": lambda a, b: a + b,
    "-": lambda a, b: a - b,
    "*": lambda a, b: a * b,
    "/": lambda a, b: a / b,
}
COMPARISON: dict[str, Callable[[Any, Any], bool]] = {
    "=": lambda a, b: a == b,
    "==": lambda a, b: a == b,
    "!=": lambda a, b: a != b,
    "<>": lambda a, b: a != b,
    "<": lambda a, b: a < b,
    "<=": lambda a, b: a <= b,
    ">": lambda a, b: a > b,
    ">=": lambda a, b: a >= b,
}


def column(name: str, text: str | None = None) -> Case:
    return Case(text or name, lambda row: row[name])


def arithmetic(operator: str, left: Case, right: Case) -> Case:
    return Case(f"({left.text} {operator} {right.text})", strict(ARITHMETIC[operator], left, right))


def comparison(operator: str, left: Case, right: Case) -> Case:
    return Case(f"{{{left.text} {operator} {right.text}}}", strict(COMPARISON[operator], left, right))


def numbers(depth: int) -> st.SearchStrategy[Case]:
    leaf = st.sampled_from([column("n1"), column("n2"), column("n1", "{{n1}}")]) | st.sampled_from(
        [0.0, 1.0, 2.5, 1e300]
    ).map(lambda value: Case(repr(value), lambda row: value))
    if depth == 0:
        return leaf
    inner, truth = numbers(depth - 1), booleans(depth - 1)
    return (
        leaf
        | st.builds(arithmetic, st.sampled_from(list(ARITHMETIC)), inner, inner)
        | inner.map(lambda part: Case(f"(- {part.text})", strict(lambda a: -a, part)))
        | inner.map(lambda part: Case(f"abs({part.text})", strict(abs, part)))
        | st.builds(lambda a, b: Case(f"least({a.text}, {b.text})", strict(min, a, b)), inner, inner)
        | st.builds(lambda a, b: Case(f"greatest({a.text}, {b.text})", strict(max, a, b)), inner, inner)
        | st.builds(lambda a, b: Case(f"coalesce({a.text}, {b.text})", coalesced(a, b)), inner, inner)
        | st.builds(lambda c, a, b: Case(f"if({c.text}, {a.text}, {b.text})", choice(c, a, b)), truth, inner, inner)
    )


def booleans(depth: int) -> st.SearchStrategy[Case]:
    leaf = st.sampled_from(
        [
            Case("b1", lambda row: row["b1"]),
            Case("{b2 = TRUE}", lambda row: row["b2"]),
            Case("TRUE", lambda row: True),
            Case("label = 'it''s'", strict(lambda a: a == "it's", column("label"))),
            Case("label IN ('x', 'y')", strict(lambda a: a in ("x", "y"), column("label"))),
            Case("n1 IS NULL", lambda row: row["n1"] is None),
            Case("n1 BETWEEN 0 AND 2", strict(lambda a: 0 <= a <= 2, column("n1"))),
        ]
    )
    if depth == 0:
        return leaf
    inner = booleans(depth - 1)
    return (
        leaf
        | st.builds(comparison, st.sampled_from(list(COMPARISON)), numbers(depth - 1), numbers(depth - 1))
        | st.builds(lambda a, b: Case(f"({a.text} AND {b.text})", conjunction(a, b)), inner, inner)
        | st.builds(lambda a, b: Case(f"({a.text} OR {b.text})", disjunction(a, b)), inner, inner)
        | inner.map(lambda a: Case(f"(NOT {a.text})", strict(lambda value: not value, a)))
        | st.builds(
            lambda c, a, b: Case(f"CASE WHEN {c.text} THEN {a.text} ELSE {b.text} END", choice(c, a, b)),
            inner, inner, inner,
        )
    )  # fmt: skip


rows = st.fixed_dictionaries(
    {
        "n1": st.none()
        | st.floats(allow_nan=False, allow_infinity=False, width=32)
        | st.sampled_from([0.0, 1.0, 1e308]),
        "n2": st.none() | st.integers(-5, 5).map(float),
        "b1": st.none() | st.booleans(),
        "b2": st.none() | st.booleans(),
        "label": st.none() | st.sampled_from(["x", "it's", ""]),
    }
)


@pytest.fixture(scope="module")
def con() -> duckdb.DuckDBPyConnection:
    return duckdb.connect(config={"threads": 1})


def evaluate(con: duckdb.DuckDBPyConnection, sql: str, row: Row) -> Any:
    values = ", ".join(f"?::{sql_type} AS {name}" for name, sql_type in COLUMNS.items())
    return con.execute(f"SELECT {sql} FROM (SELECT {values})", [row[name] for name in COLUMNS]).fetchall()[0][0]


@settings(max_examples=400, deadline=None)
@given(case=numbers(3) | booleans(3), row=rows)
def test_sql_equals_python(con: duckdb.DuckDBPyConnection, case: Case, row: Row) -> None:
    if not any(name in case.text for name in COLUMNS):
        case = arithmetic("+", column("n1"), Case("0", lambda row: 0.0))
    formula = parse_formula(case.text)
    found, expected = evaluate(con, formula.to_sql({key: key for key in formula.references}), row), case.value(row)
    if isinstance(expected, float):
        assert found == pytest.approx(expected, rel=1e-12)
    else:
        assert found is expected


def test_references_in_order_of_first_use() -> None:
    formula = parse_formula("{frustration_score < 3} AND {instruction_follow = TRUE} OR {{frustration_score}} > 9")
    assert formula.references == ("frustration_score", "instruction_follow")
    assert formula.result == "boolean"


def test_a_key_may_be_a_sql_keyword() -> None:
    formula = parse_formula("{{case}} + {{select}} * 2")
    assert (formula.references, formula.result) == (("case", "select"), "number")


def test_braces_inside_a_label_are_its_own() -> None:
    assert "'{{x}}'" in parse_formula("topic = '{{x}}'").to_sql({"topic": "t"})


def test_sixty_terms_run(con: duckdb.DuckDBPyConnection) -> None:
    formula = parse_formula(" + ".join(["n1"] * 59))
    row = {"n1": 1.0, "n2": None, "b1": None, "b2": None, "label": None}
    assert evaluate(con, formula.to_sql({"n1": "n1"}), row) == 59.0


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "empty"),
        ("a +", "cannot be read"),
        ("'unclosed", "cannot be read"),
        ("1 + 1", "reads no metric"),
        ("a + 'x'", "number is needed here and this is a label"),
        ("a AND a > 2", "needed here"),
        ("a > 2 AND a", "boolean is needed here"),
        ("a = 'x' AND a < 'y'", "no order"),
        ("topic", None),
        ("if(a > 1, 'x', 'y')", "gives a label"),
        ("f(a)", "not accepted"),
        ("a % 2", "not accepted"),
        ("a.b > 1", "metric's key"),
        ("Key > 1", "metric's key"),
        ("a > 1e999", "below 1.8e308"),
        ("round(a, 99)", "0 to 15"),
        ("a; DROP TABLE events", "not accepted"),
        ("(SELECT 1) > a", "not accepted"),
        ("a::INTEGER > 1", "not accepted"),
        ("a --1", "comment"),
        ("a /* x */ > 1", "comment"),
        ("a = NULL", "IS NULL"),
        ("a IN (SELECT 1)", "not accepted"),
        ("read_text('/etc/passwd') = a", "not accepted"),
        ("NOT " * 400 + "a", "nested too deeply"),
        ("(" * 200 + "a" + ")" * 200, "brackets"),
        ("a" + " + a" * 200, "nested too deeply"),
        ("a > " + "1" * 2000, "characters"),
    ],
)
def test_bad_formulas_say_what_to_write(text: str, says: str | None) -> None:
    if says is None:
        assert parse_formula(text).result == "number"
        return
    with pytest.raises(ExpressionError, match=says):
        parse_formula(text)


def test_known_kinds_are_enforced() -> None:
    with pytest.raises(ExpressionError, match="a number is needed"):
        parse_formula("resolved + 1", {"resolved": "boolean"})
    with pytest.raises(ExpressionError, match="label"):
        parse_formula("topic", {"topic": "label"})
    assert parse_formula("resolved", {"resolved": "boolean"}).result == "boolean"
    assert parse_formula("coalesce(resolved, FALSE)").result == "boolean"
