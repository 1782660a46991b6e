"""Policies: which metrics run on which conversations.

A policy covers metrics and says of conversations that end at or after `active_from` which of them those metrics run on.
A metric that no policy covers runs on every conversation; one that several cover, on what any of them lets in.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Set
from fnmatch import fnmatchcase
from pathlib import Path
from types import MappingProxyType
from typing import Literal

from pydantic import AwareDatetime, Field

from pipeline.catalog.catalog import Metric, Problem
from pipeline.catalog.expressions.filters import CONVERSATION_FILTER_COLUMNS, json_path_sql
from pipeline.catalog.expressions.parsing import number_sql, string_sql
from pipeline.catalog.models import Key, Model, Name
from pipeline.catalog.named_list import read_named
from pipeline.catalog.reading import Place
from pipeline.catalog.references import near

POLICIES = "policies.yaml"
GROUP = "group:"
_SHORT: Mapping[str, str] = MappingProxyType({"service": "service_id", "source": "traffic"})
_ORDERED = {
    "GREATER_THAN": ">",
    "GREATER_THAN_OR_EQUALS": ">=",
    "LESS_THAN": "<",
    "LESS_THAN_OR_EQUALS": "<=",
}


class PolicyCondition(Model):
    """One comparison of a property of the conversation."""

    property: Name = Field(
        description="service, channel, traffic (or source), direction, tags, another column that filters may read, or "
        "the path of a field of `intelligence`, for example risk_summary.level."
    )
    operator: Literal[
        "EQUALS",
        "NOT_EQUALS",
        "CONTAINS",
        "STARTS_WITH",
        "GREATER_THAN",
        "GREATER_THAN_OR_EQUALS",
        "LESS_THAN",
        "LESS_THAN_OR_EQUALS",
    ] = Field(description="Of a property that is absent only NOT_EQUALS is true.")
    value: bool | float | str = Field(description="What it is compared with.")

    def to_sql(self) -> str:
        """DuckDB SQL over a row of `conversations`; true, false, or null where the property is absent.

        Raises:
            ValueError: the property, operator and value do not go together; the message says what to write.
        """
        literal = _literal(self.value)
        if self.property == "tags":
            return self._tags(literal)
        operand = self._operand()
        match self.operator:
            case "EQUALS":
                return f"({operand} = {literal})"
            case "NOT_EQUALS":
                return f"({operand} IS DISTINCT FROM {literal})"
            case "CONTAINS" | "STARTS_WITH" if isinstance(self.value, str):
                return f"{self.operator.lower()}({operand}, {literal})"
            case "CONTAINS" | "STARTS_WITH":
                raise ValueError(f"{self.operator} takes a text in quotes")
            case _ if isinstance(self.value, float):
                return f"({operand} {_ORDERED[self.operator]} {literal})"
            case _:
                raise ValueError(f"{self.operator} takes a number")

    def _tags(self, literal: str) -> str:
        if self.operator not in ("EQUALS", "NOT_EQUALS", "CONTAINS") or not isinstance(self.value, str):
            raise ValueError("tags take EQUALS, CONTAINS or NOT_EQUALS and one tag")
        held = f"coalesce(list_contains(tags, {literal}), FALSE)"
        return f"(NOT {held})" if self.operator == "NOT_EQUALS" else held

    def _operand(self) -> str:
        wanted = {bool: "BOOLEAN", float: "DOUBLE", str: "VARCHAR"}[type(self.value)]
        name = _SHORT.get(self.property, self.property)
        column = CONVERSATION_FILTER_COLUMNS.get(name)
        if column is not None and column != "JSON":
            if column != wanted:
                raise ValueError(f"{name} is {column} and is compared with {wanted}")
            return name
        path = json_path_sql(list(self.property.removeprefix("intelligence.").split(".")))
        if path is None or column is not None:
            raise ValueError("name a column or the path of a field, for example risk_summary.level")
        text = f"json_extract_string(intelligence, {path})"
        return text if wanted == "VARCHAR" else f"TRY_CAST({text} AS {wanted})"


class ConditionGroup(Model):
    """Conditions that must all hold."""

    all_of: tuple[PolicyCondition, ...] = Field(min_length=1, max_length=50, description="AND.")


class Policy(Model):
    """Which metrics, on which conversations, since when."""

    name: Key = Field(description="Unique name: lower-case letters, digits, underscores.")
    description: str | None = Field(default=None, max_length=1000, description="What it is for.")
    metrics: tuple[Name, ...] = Field(
        min_length=1, max_length=500, description="Keys, globs such as `surface_*`, groups as `group:Quality`."
    )
    active_from: AwareDatetime = Field(
        description="Conversations that end at or after this instant obey it, for example 2026-11-20T00:00:00Z."
    )
    any_of: tuple[ConditionGroup, ...] = Field(
        default=(), max_length=50, description="OR of groups; without any, every conversation."
    )

    def to_sql(self) -> str:
        """DuckDB SQL condition over a row of `conversations`."""
        groups = [" AND ".join(condition.to_sql() for condition in group.all_of) for group in self.any_of]
        return " OR ".join(f"({group})" for group in groups) or "TRUE"

    def covers(self, metric: Metric) -> bool:
        """Whether it decides about the metric; values of single events are no values of conversations."""
        if metric.definition.event_level:
            return False
        return any(_selects(selector, metric) for selector in self.metrics)


class PolicyFile(Model):
    """`policies.yaml`."""

    policies: tuple[Policy, ...] = Field(max_length=200, description="The policies.")


def load_policies(
    folder: Path, metrics: Mapping[str, Metric], left_out: Set[str], problems: list[Problem]
) -> tuple[Policy, ...]:
    """The user's policies that can be used; while one cannot, no model is asked (`Catalog.withholding`).

    Args:
        folder: of the user's definitions.
        metrics: that can be covered.
        left_out: keys of definitions that cannot be used; a policy may name them all the same.
        problems: is appended to; all of them are errors.
    """

    def wrong_of(policy: Policy) -> Iterator[tuple[Place, str, str]]:
        return _problems_of(policy, metrics, left_out)

    return tuple(read_named(folder / POLICIES, PolicyFile, "policies", wrong_of, problems).values())


def _selects(selector: str, metric: Metric) -> bool:
    if selector.startswith(GROUP):
        return metric.definition.group == selector.removeprefix(GROUP).strip()
    return fnmatchcase(metric.key, selector)


def _problems_of(policy: Policy, metrics: Mapping[str, Metric], left_out: Set[str]) -> Iterator[tuple[Place, str, str]]:
    for index, selector in enumerate(policy.metrics):
        chosen = [metric for metric in metrics.values() if _selects(selector, metric)]
        if selector in left_out:
            continue
        if not chosen:
            advice = "write the group of a definition" if selector.startswith(GROUP) else near(selector, metrics)
            yield ("metrics", index), selector, advice
        elif all(metric.definition.event_level for metric in chosen):
            yield ("metrics", index), selector, "remove it; single events are counted, whatever their conversation"
    for group_index, group in enumerate(policy.any_of):
        for index, condition in enumerate(group.all_of):
            try:
                condition.to_sql()
            except ValueError as error:
                place = ("any_of", group_index, "all_of", index)
                yield place, f"{condition.property} {condition.operator} {condition.value!r}", str(error)


def _literal(value: bool | float | str) -> str:
    if isinstance(value, bool):
        return "TRUE" if value else "FALSE"
    return number_sql(value) if isinstance(value, float) else string_sql(value)
