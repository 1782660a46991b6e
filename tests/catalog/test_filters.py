"""Filters and SQL expressions: what they match, and that nothing but allowed columns and literals gets through."""

from __future__ import annotations

import duckdb
import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from pipeline.catalog.expressions import (
    CONVERSATION_FILTER_COLUMNS,
    EVENT_FILTER_COLUMNS,
    parse_filter,
    parse_sql_expression,
)
from pipeline.errors import ExpressionError
from pipeline.store import Store


@pytest.fixture
def con() -> duckdb.DuckDBPyConnection:
    con = duckdb.connect(config={"threads": 1})
    con.execute("CREATE TABLE events (origin VARCHAR, channel VARCHAR, event_type VARCHAR, data JSON)")
    con.execute(
        """INSERT INTO events VALUES
        ('voice_agent', 'voice', 'a.b', '{"n": 5, "text": "it''s", "flag": true, "deep": {"x y": [1, {"z": "q"}]}}'),
        ('form', 'web', 'a_b', '{"n": "many", "flag": "no"}'),
        (NULL, NULL, 'c', '{}')"""
    )
    return con


def matched(con: duckdb.DuckDBPyConnection, text: str) -> list[str]:
    sql = parse_filter(text, EVENT_FILTER_COLUMNS).to_sql("e")
    return [row[0] for row in con.execute(f"SELECT event_type FROM events AS e WHERE {sql} ORDER BY ALL").fetchall()]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("source = 'voice_agent'", ["a.b"]),
        ("origin <> 'voice_agent'", ["a_b"]),
        ("origin IS NULL", ["c"]),
        ("channel IN ('voice', 'web') AND NOT event_type = 'a.b'", ["a_b"]),
        ("event_type LIKE 'a%'", ["a.b", "a_b"]),
        ("event_type NOT ILIKE 'A%'", ["c"]),
        ("data.n > 4", ["a.b"]),
        ("4 < data.n", ["a.b"]),
        ("data.n BETWEEN 5 AND 5", ["a.b"]),
        ("data.n = 'many'", ["a_b"]),
        ("data.flag = TRUE", ["a.b"]),
        ("data.flag IS TRUE", ["a.b"]),
        ("data.text = 'it''s'", ["a.b"]),
        ("data->>'$.deep.\"x y\"[1].z' = 'q'", ["a.b"]),
        ('data.deep."x y" IS NOT NULL', ["a.b"]),
    ],
)
def test_what_a_filter_matches(con: duckdb.DuckDBPyConnection, text: str, expected: list[str]) -> None:
    assert matched(con, text) == expected


@pytest.mark.parametrize(
    "text",
    [
        "1 = 1",
        "channel = 'voice' OR 1 = 1",
        "channel = 'x'; DROP TABLE events",
        "channel = 'x' --",
        "channel = 'x' UNION SELECT 1",
        "(SELECT count(*) FROM metric_values) > 0",
        "EXISTS (SELECT 1)",
        "channel IN (SELECT key FROM secrets)",
        "workspace_id = 'other'",
        "e.channel = 'voice'",
        "main.events.channel = 'x'",
        "read_text('/etc/passwd') = 'x'",
        "getenv('HOME') = 'x'",
        "channel = getvariable('workspace_id')",
        "lower(channel) = 'x'",
        "channel || 'x' = 'y'",
        "channel::VARCHAR = 'x'",
        "channel = direction",
        "channel = 5",
        "channel LIKE 5",
        "channel IN ('a', 1)",
        "data = 'x'",
        "data.n + 1 > 2",
        "data->>'$..n' = 'x'",
        'data."a""b" = \'x\'',
        "data.deep[1] = 1",
        "channel = E'\\x27 OR 1=1'",
        "channel = $$x$$",
        "CASE WHEN channel = 'x' THEN TRUE ELSE FALSE END",
        "channel = ?",
        "channel = $1",
        "*",
    ],
)
def test_nothing_else_gets_through(text: str) -> None:
    with pytest.raises(ExpressionError):
        parse_filter(text, EVENT_FILTER_COLUMNS)


@hypothesis_settings(max_examples=150, deadline=None)
@given(literal=st.text(max_size=20).filter(lambda text: "\0" not in text))
def test_a_literal_is_only_a_literal(literal: str) -> None:
    """Whatever stands in quotes comes back as one text, or the filter is refused; it never changes the query."""
    con = duckdb.connect(config={"threads": 1})
    quoted = literal.replace("'", "''")
    sql = parse_filter(f"channel = '{quoted}'", EVENT_FILTER_COLUMNS).to_sql()
    assert con.execute(f"SELECT {sql} FROM (SELECT ? AS channel)", [literal]).fetchall() == [(True,)]


def test_every_allowed_column_exists(store: Store) -> None:
    with store.write() as con:
        for table, columns in (("events", EVENT_FILTER_COLUMNS), ("conversations", CONVERSATION_FILTER_COLUMNS)):
            found = dict(con.execute(f"SELECT column_name, column_type FROM (DESCRIBE {table})").fetchall())
            assert {name: found[name].replace("BIGINT", "DOUBLE") for name in columns} == dict(columns)


def test_sql_expressions_run(store: Store) -> None:
    expressions = (
        "duration_seconds / 60",
        "completion_reason = 'completed'",
        "intelligence.risk_summary.level IN ('high', 'critical')",
        "TRY_CAST(intelligence.a.b AS DOUBLE) * 2",
        "CASE WHEN escalated THEN 1 ELSE 0 END",
    )
    with store.write() as con:
        for text in expressions:
            sql = parse_sql_expression(text, CONVERSATION_FILTER_COLUMNS)
            con.execute(f"SELECT {sql} FROM conversations").fetchall()


@pytest.mark.parametrize(
    "text", ["read_csv('x')", "CAST(turn_count AS DATE)", "intelligence", "random()", "(SELECT 1)", "x"]
)
def test_sql_expressions_are_limited_too(text: str) -> None:
    with pytest.raises(ExpressionError):
        parse_sql_expression(text, CONVERSATION_FILTER_COLUMNS)
