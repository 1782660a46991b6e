"""Formulas over other metrics' values of the same conversation.

Arithmetic is DOUBLE; a result that is not finite (division by zero, overflow) is no value. AND, OR and NOT follow SQL's
three-valued logic. A missing input makes a calculation or comparison missing, also in `least`, `greatest` and the
condition of `if` and CASE, where SQL would silently go on without it; `coalesce` and IS NULL say what to do instead.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from sqlglot import exp

from pipeline.catalog.expressions.parsing import number, number_sql, parse_tree, refuse, shorten, string_sql
from pipeline.errors import ExpressionError

Kind = Literal["number", "boolean", "label"]

_KEY = re.compile(r"[a-z][a-z0-9_]{0,63}")
_BRACES = re.compile(r"'(?:[^']|'')*'|\{\{(\s*)([a-z][a-z0-9_]*)(\s*)\}\}|[{}]")
_ARITHMETIC = {exp.Add: "+", exp.Sub: "-", exp.Mul: "*", exp.Div: "/"}
_EQUALITY = {exp.EQ: "=", exp.NEQ: "<>"}
_ORDER = {exp.LT: "<", exp.LTE: "<=", exp.GT: ">", exp.GTE: ">="}
_COMPARISON = _EQUALITY | _ORDER
_ADVICE = (
    "a formula has metric keys, numbers, 'labels', TRUE and FALSE, + - * /, comparisons, AND OR NOT, IN, BETWEEN, "
    "IS NULL, coalesce, abs, round, least, greatest, if and CASE"
)


@dataclass(frozen=True)
class Formula:
    """A checked formula.

    Attributes:
        text: as written.
        references: keys of the metrics that it reads, in order of first use.
        result: what it computes.
        tree: its syntax tree.
    """

    text: str
    references: tuple[str, ...]
    result: Literal["number", "boolean"]
    tree: exp.Expr = field(repr=False, compare=False)

    def to_sql(self, columns: Mapping[str, str]) -> str:
        """DuckDB SQL with each reference replaced by a SQL expression of type DOUBLE, BOOLEAN or VARCHAR."""
        return _render(self.tree, columns)


def parse_formula(text: str, kinds: Mapping[str, Kind] | None = None) -> Formula:
    """Parse a formula, for example `{frustration_score < 3} AND {instruction_follow = TRUE}`.

    Args:
        text: the formula; `key`, `{{key}}` and a condition in `{ }` are all accepted.
        kinds: what each known metric's value is; without it, kinds follow from how a reference is used.

    Raises:
        ExpressionError: it cannot be read, uses something that is not allowed, or mixes kinds.
    """
    tree = parse_tree(_BRACES.sub(_without_braces, text))
    checker = _Checker(dict(kinds or {}))
    result = checker.check(tree, None) or "number"
    if result == "label":
        raise ExpressionError(f"`{shorten(text)}` gives a label; compare it, for example = 'refund'.")
    if not checker.references:
        raise ExpressionError(f"`{shorten(text)}` reads no metric; write the key of at least one.")
    return Formula(text, tuple(checker.references), result, tree)


def _without_braces(found: re.Match[str]) -> str:
    """SQL for a brace, of the same length so that positions stay right; `{{key}}` is quoted, as it may be a keyword."""
    if found[2]:
        return f' {found[1]}"{found[2]}"{found[3]} '
    return {"{": "(", "}": ")"}.get(found[0], found[0])


class _Checker:
    """Walks a tree once: every node allowed, every kind consistent."""

    def __init__(self, kinds: dict[str, Kind]) -> None:
        self.kinds = kinds
        self.references: dict[str, None] = {}

    def check(self, node: exp.Expr, expected: Kind | None) -> Kind | None:
        """Kind of a node, None while nothing has decided it."""
        kind = self._kind(node, expected)
        if expected and kind and kind != expected:
            raise refuse(node, f"a {expected} is needed here and this is a {kind}")
        return kind

    def _kind(self, node: exp.Expr, expected: Kind | None) -> Kind | None:
        match node:
            case exp.Paren():
                return self.check(node.this, expected)
            case exp.Column():
                return self._reference(node, expected)
            case exp.Literal() if node.is_string:
                return "label"
            case exp.Literal():
                number(node)
                return "number"
            case exp.Boolean():
                return "boolean"
            case exp.Add() | exp.Sub() | exp.Mul() | exp.Div():
                return self._all("number", node.left, node.right)
            case exp.Neg() | exp.Abs():
                return self._all("number", node.this)
            case exp.Round():
                self._decimals(node)
                return self._all("number", node.this)
            case exp.Least() | exp.Greatest():
                return self._all("number", node.this, *node.expressions)
            case exp.And() | exp.Or():
                return self._all("boolean", node.left, node.right)
            case exp.Not():
                return self._all("boolean", node.this)
            case exp.EQ() | exp.NEQ() | exp.LT() | exp.LTE() | exp.GT() | exp.GTE():
                kind = self._same(None, node.left, node.right) or self._all("number", node.left, node.right)
                if type(node) in _ORDER and kind != "number":
                    raise refuse(node, f"a {kind} has no order; use = or <>")
                return "boolean"
            case exp.In() if node.expressions:
                self._same(None, node.this, *node.expressions)
                return "boolean"
            case exp.Between():
                self._all("number", node.this, node.args["low"], node.args["high"])
                return "boolean"
            case exp.Is():
                return self._is(node)
            case exp.Coalesce():
                return self._same(expected, node.this, *node.expressions)
            case exp.If():
                self.check(node.this, "boolean")
                return self._same(expected, *_branches(node))
            case exp.Case() if node.args.get("this") is None:
                for branch in node.args["ifs"]:
                    self.check(branch.this, "boolean")
                return self._same(expected, *_branches(node))
            case _:
                raise refuse(node, _ADVICE)

    def _reference(self, node: exp.Column, expected: Kind | None) -> Kind | None:
        if len(node.parts) != 1 or not _KEY.fullmatch(node.name):
            raise refuse(node, "write a metric's key: lower-case letters, digits and underscores")
        self.references.setdefault(node.name)
        if expected:
            self.kinds.setdefault(node.name, expected)
        return self.kinds.get(node.name)

    def _all(self, kind: Kind, *nodes: exp.Expr) -> Kind:
        for node in nodes:
            self.check(node, kind)
        return kind

    def _same(self, expected: Kind | None, *nodes: exp.Expr) -> Kind | None:
        """Check that nodes are of one kind, which any of them may decide."""
        kind = expected
        for node in nodes:
            kind = self.check(node, kind) or kind
        return self._all(kind, *nodes) if kind else None

    def _is(self, node: exp.Is) -> Kind:
        if isinstance(node.expression, exp.Boolean):
            return self._all("boolean", node.this)
        if not isinstance(node.expression, exp.Null):
            raise refuse(node, "after IS write NULL, TRUE or FALSE")
        self.check(node.this, None)
        return "boolean"

    def _decimals(self, node: exp.Round) -> None:
        decimals = node.args.get("decimals")
        value = 0 if decimals is None else number(decimals)
        if value not in range(16) or node.args.get("truncate"):
            raise refuse(node, "write round(x) or round(x, n) with n from 0 to 15")


def _branches(node: exp.If | exp.Case) -> list[exp.Expr]:
    """The results that `if` or CASE chooses from."""
    if isinstance(node, exp.If):
        found = [node.args["true"], node.args.get("false")]
    else:
        found = [*(branch.args["true"] for branch in node.args["ifs"]), node.args.get("default")]
    return [branch for branch in found if branch is not None]


def _render(node: exp.Expr, columns: Mapping[str, str]) -> str:
    def sql(part: exp.Expr | None) -> str:
        return "NULL" if part is None else _render(part, columns)

    def listed(parts: list[exp.Expr]) -> str:
        return ", ".join(sql(part) for part in parts)

    match node:
        case exp.Paren():
            return f"({sql(node.this)})"
        case exp.Column():
            return columns[node.name]
        case exp.Literal() if node.is_string:
            return string_sql(node.this)
        case exp.Literal():
            return number_sql(number(node) or 0.0)
        case exp.Boolean():
            return "TRUE" if node.this else "FALSE"
        case exp.Neg():
            return f"(- {sql(node.this)})"
        case exp.Abs():
            return f"abs({sql(node.this)})"
        case exp.Round():
            decimals = node.args.get("decimals")
            return f"round({sql(node.this)}, {0 if decimals is None else int(number(decimals) or 0)})"
        case exp.Add() | exp.Sub() | exp.Mul() | exp.Div():
            return _finite(f"{sql(node.left)} {_ARITHMETIC[type(node)]} {sql(node.right)}")
        case exp.Least() | exp.Greatest():
            extreme = "list_min" if isinstance(node, exp.Least) else "list_max"
            values = listed([node.this, *node.expressions])
            return f"list_transform([[{values}]], lambda v: CASE WHEN list_count(v) = len(v) THEN {extreme}(v) END)[1]"
        case exp.And():
            return f"({sql(node.left)} AND {sql(node.right)})"
        case exp.Or():
            return f"({sql(node.left)} OR {sql(node.right)})"
        case exp.Not():
            return f"(NOT {sql(node.this)})"
        case exp.In():
            return f"({sql(node.this)} IN ({listed(node.expressions)}))"
        case exp.Between():
            return f"({sql(node.this)} BETWEEN {sql(node.args['low'])} AND {sql(node.args['high'])})"
        case exp.Is():
            wanted = "NULL" if isinstance(node.expression, exp.Null) else sql(node.expression)
            return f"({sql(node.this)} IS {wanted})"
        case exp.Coalesce():
            return f"coalesce({listed([node.this, *node.expressions])})"
        case exp.If():
            return _choice(sql(node.this), sql(node.args["true"]), sql(node.args.get("false")))
        case exp.Case():
            chosen = sql(node.args.get("default"))
            for branch in reversed(node.args["ifs"]):
                chosen = _choice(sql(branch.this), sql(branch.args["true"]), chosen)
            return chosen
        case exp.Binary():
            return f"({sql(node.left)} {_COMPARISON[type(node)]} {sql(node.right)})"
        case _:
            raise refuse(node, _ADVICE)


def _choice(condition: str, then: str, otherwise: str) -> str:
    # A condition that is NULL matches neither branch, so the choice is NULL too.
    return f"CASE {condition} WHEN TRUE THEN {then} WHEN FALSE THEN {otherwise} END"


def _finite(calculation: str) -> str:
    # A lambda names the result without repeating its text, which would grow exponentially with nesting.
    return f"list_transform([{calculation}], lambda v: CASE WHEN isfinite(v) THEN v END)[1]"
