"""`sql_expression` of the built-ins: scalar SQL over allowed columns. Users' definitions never get here."""

from __future__ import annotations

from collections.abc import Mapping

from sqlglot import exp

from pipeline.catalog.expressions.filters import ALIASES, ColumnType, json_path_sql, json_steps
from pipeline.catalog.expressions.parsing import parse_tree, refuse

_ALLOWED = (
    *(exp.Paren, exp.Literal, exp.Boolean, exp.Null, exp.Identifier),
    *(exp.Add, exp.Sub, exp.Mul, exp.Div, exp.Neg),
    *(exp.EQ, exp.NEQ, exp.LT, exp.LTE, exp.GT, exp.GTE, exp.And, exp.Or, exp.Not),
    *(exp.In, exp.Between, exp.Is, exp.Like, exp.Case, exp.If),
    *(exp.Coalesce, exp.Nullif, exp.Abs, exp.Round, exp.Lower, exp.Upper),
)
_CASTS = {exp.DType.DOUBLE, exp.DType.BOOLEAN, exp.DType.VARCHAR}


def parse_sql_expression(text: str, columns: Mapping[str, ColumnType]) -> str:
    """DuckDB SQL of a scalar expression such as `duration_seconds / 60` or `intelligence.risk_summary.level = 'high'`.

    A field of a JSON column is text until it is cast with TRY_CAST to DOUBLE, BOOLEAN or VARCHAR.

    Raises:
        ExpressionError: it cannot be read, or uses a column or operation that is not allowed.
    """
    return _rebuild(parse_tree(text), columns).sql(dialect="duckdb")


def _rebuild(node: exp.Expr, columns: Mapping[str, ColumnType]) -> exp.Expr:
    if isinstance(node, (exp.Column, exp.Dot, exp.JSONExtract, exp.JSONExtractScalar)):
        return _column(node, columns)
    if isinstance(node, exp.TryCast) and node.to.this in _CASTS:
        return exp.TryCast(this=_rebuild(node.this, columns), to=node.to.copy())
    if not isinstance(node, _ALLOWED):
        raise refuse(node, "use columns, literals, arithmetic, comparisons, CASE, TRY_CAST and simple functions")
    rebuilt = node.copy()
    for child in list(rebuilt.iter_expressions()):
        child.replace(_rebuild(child, columns))
    return rebuilt


def _column(node: exp.Expr, columns: Mapping[str, ColumnType]) -> exp.Expr:
    found = json_steps(node)
    name = ALIASES.get(found[0], found[0]) if found else ""
    kind = columns.get(name)
    if found is None or kind is None or bool(found[1]) != (kind == "JSON"):
        raise refuse(node, f"columns are {', '.join(columns)}; of a JSON column name a field")
    if kind != "JSON":
        return exp.column(name)
    path = json_path_sql(found[1])
    if path is None:
        raise refuse(node, "this path cannot be read in SQL")
    return exp.func("json_extract_string", exp.column(name), exp.Literal.string(path[1:-1].replace("''", "'")))
