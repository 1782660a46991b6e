"""Read-only SQL from outside: parsed and checked against lists of what is allowed, then written anew.

What runs is written from the parsed tree, so nothing that the parser did not understand reaches the database. This is
the first line only: the query runs in a process of its own on a database that holds nothing but what its key may read
(`readable`, `sql_copies`, `sql_worker`), so a fault here shows nobody anything.
"""

from __future__ import annotations

from dataclasses import dataclass
from importlib.resources import files

import sqlglot
from sqlglot import exp
from sqlglot.errors import SqlglotError

from pipeline.errors import ExpressionError

MOST_CHARACTERS = 20_000
_MOST_NODES = 5_000

TABLES = (
    "events",
    "conversations",
    "metric_definitions",
    "metric_values",
    "metric_periods",
    "extraction_runs",
    "current_values",
    "current_periods",
    "latest_periods",
)
"""Tables and views that may be read."""

_FUNCTIONS = frozenset(files("pipeline.reports.sql").joinpath("allowed_functions.txt").read_text("utf-8").split())

_REFUSED_NODES = (
    exp.Command,
    exp.DDL,
    exp.DML,
    exp.Into,
    exp.Placeholder,
    exp.Parameter,
    exp.SessionParameter,
)


@dataclass(frozen=True)
class Guarded:
    """A query that may run.

    Attributes:
        sql: written anew, giving at most one row more than was asked for.
        tables: those that it may read from, sorted; a WITH of the same name may hide one.
    """

    sql: str
    tables: tuple[str, ...]


def guard(sql: str, most_rows: int) -> Guarded:
    """Check a query.

    Raises:
        ExpressionError: it is not one SELECT over allowed tables and functions.
    """
    if len(sql) > MOST_CHARACTERS:
        raise ExpressionError(f"The query has {len(sql):,} characters; write at most {MOST_CHARACTERS:,}.")
    query = _parse(sql)
    try:
        _check(query)
        whole = exp.select("*").from_(query.subquery("q")).limit(most_rows + 1)
        written = whole.sql(dialect="duckdb", comments=False)
        final = _parse(written)  # what DuckDB is given, not what was sent
        return Guarded(written, _check(final))
    except RecursionError:
        raise ExpressionError("The query is too deeply nested.") from None


def _parse(sql: str) -> exp.Query:
    try:
        statements = [statement for statement in sqlglot.parse(sql, read="duckdb") if statement is not None]
    except (SqlglotError, RecursionError, ValueError) as error:
        first = str(error).splitlines()[0] if str(error) else "too deeply nested"
        raise ExpressionError(f"The query cannot be parsed: {first[:300]}") from None
    if len(statements) != 1:
        raise ExpressionError(f"{len(statements)} statements were sent; send exactly one SELECT.")
    query = statements[0]
    if not isinstance(query, exp.Query):
        raise ExpressionError(f"Only SELECT is allowed, found {query.key.upper()}.")
    return query


def _check(query: exp.Query) -> tuple[str, ...]:
    """The tables that it reads."""
    for count, node in enumerate(query.walk(), start=1):
        if count > _MOST_NODES:
            raise ExpressionError("The query is too large.")
        if isinstance(node, _REFUSED_NODES):
            raise ExpressionError(f"{node.key.upper()} is not allowed.")
        if isinstance(node, exp.Func):
            _check_function(node)
        elif isinstance(node, exp.Dot) and isinstance(node.expression, exp.Func):
            raise ExpressionError("Functions are called without a schema.")
        elif isinstance(node, exp.Cast | exp.DataType) and "regclass" in node.sql().lower():
            raise ExpressionError("That type is not allowed.")
    names = {cte.alias.lower() for cte in query.find_all(exp.CTE)}
    return tuple(sorted({name for table in query.find_all(exp.Table) if (name := _table(table, names)) in TABLES}))


def _check_function(node: exp.Func) -> None:
    if isinstance(node, exp.And | exp.Or | exp.Case | exp.Cast | exp.Xor):
        return
    names = (
        {node.name.lower()}
        if isinstance(node, exp.Anonymous | exp.AnonymousAggFunc)
        else {name.lower() for name in node.sql_names()}
    )
    if names.isdisjoint(_FUNCTIONS):
        shown = sorted(names)[0]
        raise ExpressionError(f"The function {shown} is not allowed.")


def _table(table: exp.Table, named: set[str]) -> str | None:
    """The name of a table or WITH; None for a table function, whose name has been checked."""
    if isinstance(table.this, exp.Func):
        return None
    if not isinstance(table.this, exp.Identifier):
        raise ExpressionError("FROM takes tables and queries only.")
    if table.args.get("db") is not None or table.args.get("catalog") is not None:
        raise ExpressionError(f"{table.sql()} names a schema; tables are called by their name alone.")
    name = table.name.lower()
    if name not in TABLES and name not in named:
        raise ExpressionError(f"There is no table {table.name!r}. There are {', '.join(sorted(TABLES))}.")
    return name
