"""Read-only SQL from outside: parsed, checked against lists of what is allowed, bound to one workspace, then run.

What runs is written anew from the parsed tree, so nothing that the parser did not understand reaches the database.
Every table is replaced by a view of the caller's own rows and columns.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass
from importlib.resources import files
from typing import Any

import duckdb
import sqlglot
from sqlglot import exp
from sqlglot.errors import SqlglotError

from pipeline.errors import ExpressionError

MOST_CHARACTERS = 20_000
_MOST_NODES = 5_000

_ROWS_OF_METRICS = (
    "metric_values",
    "metric_periods",
    "metric_definitions",
    "extraction_runs",
    "current_values",
    "current_periods",
    "latest_periods",
)
_SPOKEN = {
    "events": ("data",),
    "conversations": ("turns", "intelligence"),
    "metric_values": ("reasoning", "evidence", "error"),
    "metric_definitions": (),
    "metric_periods": (),
    "extraction_runs": ("failure",),
    "current_values": ("reasoning", "evidence", "error"),
    "current_periods": (),
    "latest_periods": (),
}
"""Tables and views that may be read, with the columns that can hold what was said."""

_PREFIX = "with "
_METRIC_COLUMN = {"metric_definitions": "key"}

_FUNCTIONS = frozenset(files("pipeline.reports.sql").joinpath("allowed_functions.txt").read_text("utf-8").split())

_REFUSED_NODES = (
    exp.Command,
    exp.DDL,
    exp.DML,
    exp.Into,
    exp.Placeholder,
    exp.Parameter,
    exp.SessionParameter,
    exp.Pivot,
)


@dataclass(frozen=True)
class Answer:
    """Rows of a query.

    Attributes:
        truncated: whether there were more rows than are shown.
    """

    columns: list[tuple[str, str]]
    rows: list[tuple[Any, ...]]
    truncated: bool


@dataclass(frozen=True)
class Rights:
    """Whose rows may be read, of which metrics, and whether what was said."""

    workspace_id: str
    metrics: tuple[str, ...] | None
    transcripts: bool


def guard(sql: str, rights: Rights, most_rows: int) -> str:
    """The query bound to a workspace, giving at most one row more than `most_rows`.

    Raises:
        ExpressionError: it is not one SELECT over allowed tables and functions.
    """
    if len(sql) > MOST_CHARACTERS:
        raise ExpressionError(f"The query has {len(sql):,} characters; write at most {MOST_CHARACTERS:,}.")
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
    try:
        _check(query)
        whole = exp.select("*").from_(_bind(query, rights).subquery("q")).limit(most_rows + 1)
        return whole.sql(dialect="duckdb", comments=False)
    except RecursionError:
        raise ExpressionError("The query is too deeply nested.") from None


def run_guarded(con: duckdb.DuckDBPyConnection, sql: str, *, most_rows: int, seconds: float) -> Answer:
    """Run what `guard` gave.

    Args:
        con: a cursor on a database without access to files, with a memory limit of its own.
        sql: the bound query.
        most_rows: rows beyond this are cut off.
        seconds: the query is interrupted after this time.

    Raises:
        ExpressionError: it fails, takes too long or too much memory.
    """
    expired = threading.Event()

    def expire() -> None:
        expired.set()
        con.interrupt()

    timer = threading.Timer(seconds, expire)
    timer.start()
    try:
        cursor = con.execute(sql)
        rows = cursor.fetchmany(most_rows + 1)
        columns = [(str(name), str(kind)) for name, kind, *_ in cursor.description or ()]
    except duckdb.InterruptException:
        reason = f"did not finish within {seconds:g} s" if expired.is_set() else "was interrupted"
        raise ExpressionError(f"The query {reason}. Ask for less: a shorter range, fewer joins.") from None
    except duckdb.OutOfMemoryException:
        raise ExpressionError("The query needs more memory than one may use. Ask for less.") from None
    except (duckdb.Error, OverflowError, ValueError) as error:
        raise ExpressionError(f"The query fails: {str(error).splitlines()[0][:300]}") from None
    finally:
        timer.cancel()
    return Answer(columns, rows[:most_rows], len(rows) > most_rows)


def _check(query: exp.Query) -> None:
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


def _bind(query: exp.Query, rights: Rights) -> exp.Query:
    # WITH names get a prefix that no table has: whatever scoping makes of one, it never reaches a table of that name.
    names = {cte.alias.lower() for cte in query.find_all(exp.CTE)}
    for cte in query.find_all(exp.CTE):
        cte.args["alias"].set("this", exp.to_identifier(_PREFIX + cte.alias.lower(), quoted=True))
    for table in list(query.find_all(exp.Table)):
        if isinstance(table.this, exp.Func):
            continue  # a table function: its name has been checked
        if not isinstance(table.this, exp.Identifier):
            raise ExpressionError("FROM takes tables and queries only.")
        name = table.name.lower()
        if table.args.get("db") is not None or table.args.get("catalog") is not None:
            raise ExpressionError(f"{table.sql()} names a schema; tables are called by their name alone.")
        if name in names:
            if not table.alias:
                table.set("alias", exp.TableAlias(this=exp.to_identifier(table.name)))
            table.set("this", exp.to_identifier(_PREFIX + name, quoted=True))
        elif name in _SPOKEN:
            table.replace(_view(name, table, rights))
        else:
            raise ExpressionError(f"There is no table {table.name!r}. There are {', '.join(sorted(_SPOKEN))}.")
    return query


def _view(name: str, table: exp.Table, rights: Rights) -> exp.Subquery:
    hidden = () if rights.transcripts else _SPOKEN[name]
    star = exp.Star(**({"except_": [exp.to_identifier(column) for column in hidden]} if hidden else {}))
    condition: exp.Expr = exp.column("workspace_id").eq(exp.Literal.string(rights.workspace_id))
    if rights.metrics is not None and name in _ROWS_OF_METRICS:
        column = exp.column(_METRIC_COLUMN.get(name, "metric_key"))
        condition = exp.and_(condition, column.isin(*(exp.Literal.string(key) for key in ("", *rights.metrics))))
    view = exp.select(star).from_(exp.to_table(name)).where(condition).subquery(table.alias or table.name)
    for kept in ("joins", "sample"):
        if table.args.get(kept):
            view.set(kept, [part.copy() for part in table.args[kept]] if kept == "joins" else table.args[kept].copy())
    if columns := table.alias_column_names:
        view.args["alias"].set("columns", [exp.to_identifier(column) for column in columns])
    return view
