"""What an edit costs, and that a type cannot change."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from pipeline.catalog import Catalog, load_catalog
from pipeline.catalog.diff import Change, FieldChange, StoredDefinition, diff, refuse_type_changes
from pipeline.catalog.versions import definition_body
from pipeline.settings import Settings

BODY: dict[str, Any] = {
    "name": "Low",
    "metric_type": "numerical",
    "source": "call_intelligence",
    "event_types": ["call_intelligence.row"],
    "extract_path": "$.quality_score",
    "aggregation": "avg",
    "unit": "score",
}
READER: dict[str, Any] = {**BODY, "key": "reader", "extraction_mode": "formula", "formula": "low + 1"}
del READER["extract_path"]


def catalog_of(settings: Settings, **fields: Any) -> Catalog:
    catalog = load_catalog(settings, api_definitions=[{**BODY, "key": "low", **fields}, READER])
    assert not catalog.errors
    return catalog


def stored(catalog: Catalog) -> dict[str, StoredDefinition]:
    return {
        metric.key: StoredDefinition(metric.version, metric.definition.metric_type, definition_body(metric.definition))
        for metric in catalog.metrics
    }


def test_nothing_changed(settings: Settings) -> None:
    catalog = catalog_of(settings)
    assert diff(catalog, stored(catalog)) == []


def test_a_body_from_before_a_field_existed_is_no_change(settings: Settings) -> None:
    catalog = catalog_of(settings)
    before = {
        key: replace(old, body={name: value for name, value in old.body.items() if name not in ("repeat", "tags")})
        for key, old in stored(catalog).items()
    }
    assert diff(catalog, before) == []


@pytest.mark.parametrize(
    ("fields", "effect"),
    [
        ({"name": "Lower"}, "present"),
        ({"cap": 10}, "select"),
        ({"aggregation": "median", "unit": "points"}, "aggregate"),
        ({"extract_path": "$.duration_seconds", "name": "Other"}, "extract"),
    ],
)
def test_what_an_edit_costs(settings: Settings, fields: dict[str, Any], effect: str) -> None:
    changes = diff(catalog_of(settings, **fields), stored(catalog_of(settings)))
    expected = {FieldChange(name, BODY.get(name), value) for name, value in fields.items()}
    assert (changes[0].key, changes[0].kind, changes[0].effect) == ("low", "changed", effect)
    assert set(changes[0].fields) == expected
    readers = [Change("reader", "changed", "extract", (), ("low",))] if effect == "extract" else []
    assert changes[1:] == readers


def test_added_and_removed(settings: Settings) -> None:
    catalog = catalog_of(settings)
    before = stored(catalog)
    before["gone"] = before.pop("low")
    assert [(change.key, change.kind) for change in diff(catalog, before)] == [("low", "added"), ("gone", "removed")]


def test_a_type_cannot_change(settings: Settings) -> None:
    catalog = catalog_of(settings)
    before = stored(catalog)
    before["low"] = replace(before["low"], metric_type="boolean")
    kept = refuse_type_changes(catalog, before)
    assert {metric.key for metric in catalog.metrics} - {metric.key for metric in kept.metrics} == {"low", "reader"}
    first, second = kept.errors
    assert first.found == "numerical, while its values are boolean"
    assert first.advice == "the type of an existing key cannot change: pick a new key"
    assert second.found == "low, which is left out"
    assert refuse_type_changes(catalog, stored(catalog)) is catalog
