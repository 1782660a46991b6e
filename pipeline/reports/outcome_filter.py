"""Conversations by what their metrics say: comparisons joined by and/or, compiled to SQL with bound values."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, StrictBool, StrictFloat, StrictInt, model_validator

from pipeline.errors import ExpressionError

Scalar = StrictBool | StrictInt | StrictFloat | Annotated[str, Field(max_length=1000)]
_NUMBER_OPERATORS = {"eq": "=", "gt": ">", "gte": ">=", "lt": "<", "lte": "<="}
_MOST_COMPARISONS = 50
_MOST_LEVELS = 8

_HIT = "conversation_id IN (SELECT entity_id FROM outcome WHERE metric_key = {key} AND {condition})"


class Comparison(BaseModel):
    """One metric against a value."""

    model_config = ConfigDict(extra="forbid")

    metric: str = Field(min_length=1, max_length=64, pattern=r"^[a-z][a-z0-9_]*$")
    op: Literal["eq", "gt", "gte", "lt", "lte", "in", "contains", "exists"]
    value: Scalar | Annotated[list[Scalar], Field(max_length=100)]

    @model_validator(mode="after")
    def _fits(self) -> Comparison:
        wanted: tuple[type, ...] = {
            "in": (list,),
            "contains": (str,),
            "exists": (bool,),
            "eq": (bool, int, float, str),
        }.get(self.op, (int, float))
        fits = isinstance(self.value, wanted) and not (isinstance(self.value, bool) and bool not in wanted)
        if not fits:
            names = " or ".join(kind.__name__ for kind in wanted)
            raise ValueError(f"{self.op} takes a value of type {names}")
        return self


class All(BaseModel):
    """Every one must hold."""

    model_config = ConfigDict(extra="forbid", populate_by_name=True)

    all_of: list[Outcome] = Field(alias="and", min_length=1, max_length=_MOST_COMPARISONS)


class Any_(BaseModel):  # noqa: N801 - `Any` is taken
    """At least one must hold."""

    model_config = ConfigDict(extra="forbid", populate_by_name=True)

    any_of: list[Outcome] = Field(alias="or", min_length=1, max_length=_MOST_COMPARISONS)


Outcome = Comparison | All | Any_


class OutcomeFilter(BaseModel):
    """A whole filter, as it stands in the query string."""

    root: Outcome


def metrics_of(outcome: Outcome) -> Iterator[str]:
    """The keys that a filter reads."""
    if isinstance(outcome, Comparison):
        yield outcome.metric
    else:
        for part in outcome.all_of if isinstance(outcome, All) else outcome.any_of:
            yield from metrics_of(part)


def compile_outcome(outcome: Outcome) -> tuple[str, dict[str, Any]]:
    """SQL over `conversation_id` and the table `outcome`, with named parameters.

    Raises:
        ExpressionError: too many comparisons or levels.
    """
    parameters: dict[str, Any] = {}
    sql = _compile(outcome, parameters, 1)
    return sql, parameters


def _compile(outcome: Outcome, parameters: dict[str, Any], level: int) -> str:
    if level > _MOST_LEVELS or len(parameters) > 2 * _MOST_COMPARISONS:
        raise ExpressionError(f"A filter may have {_MOST_COMPARISONS} comparisons in {_MOST_LEVELS} levels.")
    if isinstance(outcome, Comparison):
        return _comparison(outcome, parameters)
    word, parts = (" AND ", outcome.all_of) if isinstance(outcome, All) else (" OR ", outcome.any_of)
    return "(" + word.join(_compile(part, parameters, level + 1) for part in parts) + ")"


def _comparison(outcome: Comparison, parameters: dict[str, Any]) -> str:
    number = len(parameters)
    parameters[f"key_{number}"] = outcome.metric
    hit = _HIT.replace("{key}", f"$key_{number}")
    if outcome.op == "exists":
        sql = hit.replace("{condition}", "true")
        return sql if outcome.value else f"NOT {sql}"
    values = outcome.value if isinstance(outcome.value, list) else [outcome.value]
    conditions = []
    for index, value in enumerate(values):
        name = f"value_{number}_{index}"
        parameters[name] = value
        conditions.append(_condition(outcome.op, value, f"${name}"))
    return hit.replace("{condition}", "(" + (" OR ".join(conditions) or "false") + ")")


def _condition(op: str, value: object, parameter: str) -> str:
    if op == "contains":
        return f"(contains(lower(value_text), lower({parameter})) OR list_contains(value_list, {parameter}))"
    if isinstance(value, bool):
        return f"value_boolean = {parameter}"
    if isinstance(value, str):
        return f"(value_text = {parameter} OR list_contains(value_list, {parameter}))"
    return f"value_number {_NUMBER_OPERATORS.get(op, '=')} {parameter}"
