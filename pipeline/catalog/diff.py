"""What an edit of the definitions will cost, before it is run."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any, Literal

from pipeline.catalog.catalog import Catalog, Problem
from pipeline.catalog.models import AGGREGATE_FIELDS, SELECTION_FIELDS, MetricDefinition
from pipeline.catalog.versions import definition_body

Effect = Literal["extract", "aggregate", "select", "present"]


@dataclass(frozen=True)
class StoredDefinition:
    """The version of a definition that the store has in force."""

    version: str
    metric_type: str
    body: Mapping[str, Any]


@dataclass(frozen=True)
class FieldChange:
    """One field of a definition, before and after."""

    field: str
    old: Any
    new: Any


@dataclass(frozen=True)
class Change:
    """One definition that was added, removed or changed.

    Attributes:
        key: of the definition.
        kind: what happened to it.
        effect: `extract`, values are extracted anew; `aggregate`, only period rows are computed anew; `select`, later
            runs take other conversations; `present`, nothing is computed. A removed definition keeps what it has.
        fields: what differs.
        through: metrics that it reads and whose own version changed.
    """

    key: str
    kind: Literal["added", "removed", "changed"]
    effect: Effect
    fields: tuple[FieldChange, ...] = ()
    through: tuple[str, ...] = ()


def diff(catalog: Catalog, stored: Mapping[str, StoredDefinition]) -> list[Change]:
    """Every difference between the catalog and what the store has in force, in the order of the catalog."""
    changes: list[Change] = []
    moved: set[str] = set()
    for metric in catalog.metrics:
        before = stored.get(metric.key)
        if before is None:
            moved.add(metric.key)
            changes.append(Change(metric.key, "added", "extract"))
            continue
        fields = _fields(metric.definition, before.body)
        if metric.version != before.version:
            moved.add(metric.key)
        elif not fields:
            continue
        effect = _effect({change.field for change in fields}, extract=metric.version != before.version)
        through = tuple(read for read in metric.reads if read in moved)
        changes.append(Change(metric.key, "changed", effect, fields, through))
    changes += [Change(key, "removed", "present") for key in stored if key not in catalog.by_key]
    return changes


def refuse_type_changes(catalog: Catalog, stored: Mapping[str, StoredDefinition]) -> Catalog:
    """The catalog without definitions whose type is not that of their stored values, and without what reads them."""
    refused = {
        metric.key: Problem(
            metric.file,
            metric.line,
            f"{metric.key}.metric_type",
            f"{metric.definition.metric_type}, while its values are {stored[metric.key].metric_type}",
            "the type of an existing key cannot change: pick a new key",
        )
        for metric in catalog.metrics
        if metric.key in stored and stored[metric.key].metric_type != metric.definition.metric_type
    }
    return catalog.without(refused) if refused else catalog


def _fields(definition: MetricDefinition, body: Mapping[str, Any]) -> tuple[FieldChange, ...]:
    """Fields that differ; one that the stored body does not know yet had its default."""
    defaults = _defaults()
    new = definition_body(definition)
    return tuple(
        FieldChange(name, body.get(name, defaults.get(name)), value)
        for name, value in new.items()
        if body.get(name, defaults.get(name)) != value
    )


@cache
def _defaults() -> Mapping[str, Any]:
    required = {"key": "k", "name": "n", "metric_type": "numerical", "source": "custom", "event_types": ["e"]}
    return definition_body(MetricDefinition.model_validate(required))


def _effect(fields: set[str], *, extract: bool) -> Effect:
    if extract:
        return "extract"
    if fields & AGGREGATE_FIELDS:
        return "aggregate"
    return "select" if fields & SELECTION_FIELDS else "present"
