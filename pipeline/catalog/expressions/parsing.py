"""From text to a syntax tree within limits, and the messages of what cannot be accepted."""

from __future__ import annotations

import re
from typing import Any

import sqlglot
from sqlglot import exp
from sqlglot.errors import SqlglotError

from pipeline.errors import ExpressionError

MAX_LENGTH = 2000
MAX_NESTING = 20
MAX_DEPTH = 60

_STRING_OR_BRACKET = re.compile(r"'(?:[^']|'')*'|\"(?:[^\"]|\"\")*\"|[(\[{]|[)\]}]")


def parse_tree(text: str) -> exp.Expr:
    """Parse one expression in DuckDB's dialect.

    Raises:
        ExpressionError: it is empty, too long, too deep, has a comment or is not one expression.
    """
    if not text.strip():
        raise ExpressionError("The expression is empty; write a condition or a calculation.")
    if len(text) > MAX_LENGTH:
        raise ExpressionError(f"The expression has {len(text):,} characters; write at most {MAX_LENGTH:,}.")
    _check_nesting(text)
    try:
        tokens = sqlglot.tokenize(text, read="duckdb")
        _check_comments(text, tokens)
        tree = sqlglot.parse_one(text, read="duckdb")
    except SqlglotError as error:
        raise ExpressionError(
            f"`{shorten(text)}` cannot be read{_position(error)}; check brackets and quotes."
        ) from None
    except RecursionError:
        raise ExpressionError(f"`{shorten(text)}` is nested too deeply; split it into several metrics.") from None
    if _depth(tree) > MAX_DEPTH:
        raise ExpressionError(f"`{shorten(text)}` is nested too deeply; split it into several metrics.")
    return tree


def refuse(node: exp.Expr, advice: str) -> ExpressionError:
    """Make an error that shows the part of the expression it is about and where that begins."""
    starts = [found.meta["start"] for found in node.find_all(exp.Identifier) if "start" in found.meta]
    place = f" (character {min(starts) + 1})" if starts else ""
    try:
        shown = node.sql(dialect="duckdb", comments=False)
    except (SqlglotError, ValueError):  # a JSON path that the dialect does not have
        shown = str(node.this)
    return ExpressionError(f"`{shorten(shown)}`{place} is not accepted; {advice}")


def shorten(text: str, width: int = 80) -> str:
    """One line of at most `width` characters."""
    line = " ".join(text.split())
    return line if len(line) <= width else line[: width - 1] + "…"


def number(node: exp.Expr) -> float | None:
    """The value of a numeric literal, with its sign, or None for any other node.

    Raises:
        ExpressionError: the literal is too large for a DOUBLE.
    """
    if isinstance(node, exp.Neg):
        value = number(node.this)
        return None if value is None else -value
    if not isinstance(node, exp.Literal) or node.is_string:
        return None
    try:
        value = float(node.this)
    except ValueError:
        raise refuse(node, "write a decimal number, for example 0.5") from None
    if value in (float("inf"), float("-inf")):
        raise refuse(node, "write a number below 1.8e308")
    return value


def string_sql(text: str) -> str:
    """A SQL string literal."""
    return exp.Literal.string(text).sql(dialect="duckdb")


def number_sql(value: float) -> str:
    """A SQL literal of type DOUBLE; `1` alone would be an INTEGER, whose arithmetic can overflow with an error."""
    return f"{value!r}::DOUBLE" if value >= 0 else f"({value!r}::DOUBLE)"


def _check_nesting(text: str) -> None:
    depth = 0
    for found in _STRING_OR_BRACKET.finditer(text):
        if found[0] in "([{":
            depth += 1
        elif found[0] in ")]}":
            depth -= 1
        if depth > MAX_NESTING:
            raise ExpressionError(f"`{shorten(text)}` nests more than {MAX_NESTING} brackets; split it.")


def _check_comments(text: str, tokens: list[Any]) -> None:
    # `a --1` is a comment to SQL and a subtraction to its reader.
    if any(token.comments for token in tokens):
        raise ExpressionError(f"`{shorten(text)}` has a comment; remove it, and put a space between two minus signs.")


def _position(error: SqlglotError) -> str:
    details = getattr(error, "errors", None)
    return f" at character {details[0]['col']}" if details and details[0].get("col") else ""


def _depth(tree: exp.Expr) -> int:
    deepest, waiting = 0, [(tree, 1)]
    while waiting:
        node, depth = waiting.pop()
        deepest = max(deepest, depth)
        waiting.extend((child, depth + 1) for child in node.iter_expressions())
    return deepest
