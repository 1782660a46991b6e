"""`source_filter`: a SQL condition over allowed columns, rebuilt node by node: no text reaches SQL."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Literal

from sqlglot import exp

from pipeline.catalog.expressions.parsing import number, number_sql, parse_tree, refuse, string_sql

ColumnType = Literal["VARCHAR", "DOUBLE", "BOOLEAN", "JSON"]

EVENT_FILTER_COLUMNS: Mapping[str, ColumnType] = MappingProxyType(
    {
        "event_id": "VARCHAR",
        "event_type": "VARCHAR",
        "conversation_id": "VARCHAR",
        "domain": "VARCHAR",
        "origin": "VARCHAR",
        "channel": "VARCHAR",
        "direction": "VARCHAR",
        "service_id": "VARCHAR",
        "traffic": "VARCHAR",
        "run_id": "VARCHAR",
        "session_id": "VARCHAR",
        "participant": "VARCHAR",
        "data": "JSON",
    }
)
"""Columns of `events` that a filter may read. `source` is accepted for `origin`, as the contract names it."""

CONVERSATION_FILTER_COLUMNS: Mapping[str, ColumnType] = MappingProxyType(
    {
        "conversation_id": "VARCHAR",
        "channel": "VARCHAR",
        "direction": "VARCHAR",
        "service_id": "VARCHAR",
        "traffic": "VARCHAR",
        "run_id": "VARCHAR",
        "session_id": "VARCHAR",
        "completion_reason": "VARCHAR",
        "final_state": "VARCHAR",
        "duration_seconds": "DOUBLE",
        "quality_score": "DOUBLE",
        "escalated": "BOOLEAN",
        "event_count": "DOUBLE",
        "turn_count": "DOUBLE",
        "agent_turn_count": "DOUBLE",
        "user_turn_count": "DOUBLE",
        "tool_call_count": "DOUBLE",
        "tool_failure_count": "DOUBLE",
        "intelligence": "JSON",
    }
)
"""Columns of `conversations` that a filter may read."""

ALIASES: Mapping[str, str] = MappingProxyType({"source": "origin"})

_COMPARISON = {exp.EQ: "=", exp.NEQ: "<>", exp.LT: "<", exp.LTE: "<=", exp.GT: ">", exp.GTE: ">="}
_MIRRORED = {exp.LT: exp.GT, exp.LTE: exp.GTE, exp.GT: exp.LT, exp.GTE: exp.LTE}


@dataclass(frozen=True)
class Filter:
    """A checked filter."""

    text: str
    tree: exp.Expr = field(repr=False, compare=False)
    allowed: Mapping[str, ColumnType] = field(repr=False, compare=False)

    def to_sql(self, table: str | None = None) -> str:
        """DuckDB SQL condition, its columns qualified with the name of a table when one is given."""
        return _Compiler(self.allowed, table).condition(self.tree)


def parse_filter(text: str, allowed: Mapping[str, ColumnType]) -> Filter:
    """Parse a filter such as `channel = 'voice' AND data.amount > 10`.

    A column, or a field of a JSON column (`data.a.b`, `data->>'$.a.b'`), is compared with literals by = <> < <= > >=,
    IN, BETWEEN, LIKE, ILIKE or IS NULL; conditions are joined by AND, OR and NOT. A field takes the type of the literal
    that it is compared with; one that is not of that type does not match.

    Raises:
        ExpressionError: it cannot be read, or uses a column, type or operation that is not allowed.
    """
    tree = parse_tree(text)
    _Compiler(allowed, None).condition(tree)
    return Filter(text, tree, allowed)


def json_steps(node: exp.Expr) -> tuple[str, list[str | int]] | None:
    """Column and path of `data.a.b`, `data->>'$.a[0]'` or `data->'a'`; None for anything else."""
    if isinstance(node, (exp.JSONExtractScalar, exp.JSONExtract)):
        steps: list[str | int] = []
        if not isinstance(node.this, exp.Column) or len(node.this.parts) != 1:
            return None
        path = node.expression
        if not isinstance(path, exp.JSONPath):
            return None
        for step in path.expressions[1:]:
            if not isinstance(step, (exp.JSONPathKey, exp.JSONPathSubscript)) or not isinstance(step.this, (str, int)):
                return None
            steps.append(step.this)
        return node.this.name, steps
    if isinstance(node, (exp.Column, exp.Dot)) and all(isinstance(part, exp.Identifier) for part in node.parts):
        names = [part.name for part in node.parts]
        return names[0], list(names[1:])
    return None


def json_path_sql(steps: list[str | int]) -> str | None:
    """SQL literal of a DuckDB JSON path, None when DuckDB cannot say it."""
    rendered = ["$"]
    for step in steps:
        if isinstance(step, int):
            if step < 0:
                return None
            rendered.append(f"[{step}]")
        elif step in ("", "*") or '"' in step or "\\" in step:
            return None
        else:
            rendered.append(f'."{step}"')
    return string_sql("".join(rendered))


class _Compiler:
    def __init__(self, allowed: Mapping[str, ColumnType], table: str | None) -> None:
        self.allowed = allowed
        self.prefix = f"{table}." if table else ""

    def condition(self, node: exp.Expr) -> str:
        match node:
            case exp.Paren():
                return self.condition(node.this)
            case exp.And():
                return f"({self.condition(node.left)} AND {self.condition(node.right)})"
            case exp.Or():
                return f"({self.condition(node.left)} OR {self.condition(node.right)})"
            case exp.Not():
                return f"(NOT {self.condition(node.this)})"
            case exp.EQ() | exp.NEQ() | exp.LT() | exp.LTE() | exp.GT() | exp.GTE():
                return self._comparison(node)
            case exp.In() if node.expressions:
                operand, literals = self._operand(node.this, node.expressions)
                return f"({operand} IN ({', '.join(literals)}))"
            case exp.Between():
                operand, (low, high) = self._operand(node.this, [node.args["low"], node.args["high"]])
                return f"({operand} BETWEEN {low} AND {high})"
            case exp.Like() | exp.ILike():
                operand, (pattern,) = self._operand(node.this, [node.expression])
                if not pattern.startswith("'"):
                    raise refuse(node, "LIKE takes a pattern in single quotes")
                negated = "NOT " if node.args.get("negate") else ""
                return f"({operand} {negated}{'ILIKE' if isinstance(node, exp.ILike) else 'LIKE'} {pattern})"
            case exp.Is() if isinstance(node.expression, exp.Null):
                return f"({self._column(node.this, 'VARCHAR', any_type=True)} IS NULL)"
            case exp.Is() if isinstance(node.expression, exp.Boolean):
                wanted = "TRUE" if node.expression.this else "FALSE"
                return f"({self._column(node.this, 'BOOLEAN')} IS {wanted})"
            case exp.Boolean():
                return "TRUE" if node.this else "FALSE"
            case exp.Column() if self.allowed.get(node.sql()) == "BOOLEAN":
                return self._column(node, "BOOLEAN")
            case _:
                raise refuse(
                    node, "compare a column with a value: = <> < <= > >=, IN, BETWEEN, LIKE, IS NULL, with AND, OR, NOT"
                )

    def _comparison(self, node: exp.Binary) -> str:
        left, right, operator = node.this, node.expression, type(node)
        if self._literal(left) is not None:
            left, right, operator = right, left, _MIRRORED.get(operator, operator)
        operand, (literal,) = self._operand(left, [right])
        return f"({operand} {_COMPARISON[operator]} {literal})"

    def _operand(self, node: exp.Expr, values: list[exp.Expr]) -> tuple[str, list[str]]:
        """SQL of a column as the type of the literals that it meets, and of the literals."""
        literals = [self._literal(value) for value in values]
        for value, literal in zip(values, literals, strict=True):
            if literal is None:
                raise refuse(value, "write a value here: 'text', a number, TRUE or FALSE")
        found = [literal for literal in literals if literal is not None]
        types = {literal[0] for literal in found}
        if len(types) > 1:
            raise refuse(node, "the values that it is compared with are of different types")
        return self._column(node, types.pop()), [sql for _, sql in found]

    def _literal(self, node: exp.Expr) -> tuple[ColumnType, str] | None:
        if isinstance(node, exp.Literal) and node.is_string:
            return "VARCHAR", string_sql(node.this)
        if isinstance(node, exp.Boolean):
            return "BOOLEAN", "TRUE" if node.this else "FALSE"
        value = number(node)
        return None if value is None else ("DOUBLE", number_sql(value))

    def _column(self, node: exp.Expr, wanted: ColumnType, *, any_type: bool = False) -> str:
        found = json_steps(node)
        if found is None:
            raise refuse(node, "write a column, or a field of a JSON column such as data.status")
        name, steps = ALIASES.get(found[0], found[0]), found[1]
        actual = self.allowed.get(name)
        if actual is None:
            raise refuse(node, f"columns are {', '.join(self.allowed)}")
        column = f"{self.prefix}{name}"
        if actual != "JSON":
            if steps:
                raise refuse(node, f"{name} has no fields")
            if actual != wanted and not any_type:
                raise refuse(node, f"{name} holds {actual} and is compared with {wanted}")
            return column
        path = json_path_sql(steps)
        if not steps or path is None:
            raise refuse(node, f"name a field, for example {name}.status")
        text = f"json_extract_string({column}, {path})"
        return text if wanted == "VARCHAR" else f"TRY_CAST({text} AS {wanted})"
