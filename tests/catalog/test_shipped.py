"""What is shipped: 41 built-ins, a library, working examples of every mode, and a schema that fits all of it."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator
from ruamel.yaml import YAML

from pipeline.catalog import Catalog, load_catalog
from pipeline.catalog.models import ExtractionMode, MetricDefinition
from pipeline.catalog.schema import definition_schema, source_schema
from pipeline.settings import Settings, builtin_definitions

DEFINITIONS = builtin_definitions()


@pytest.fixture(scope="module")
def shipped() -> Catalog:
    return load_catalog(Settings(definitions=DEFINITIONS))


def test_everything_shipped_is_sound(shipped: Catalog) -> None:
    assert shipped.problems == ()


def test_the_41_built_ins(shipped: Catalog) -> None:
    builtins = [metric for metric in shipped.metrics if metric.managed_by == "builtin"]
    assert all(metric.definition.builtin for metric in builtins)
    assert Counter(metric.definition.group for metric in builtins) == {
        "Volume and outcome": 8,
        "Conversation dynamics": 6,
        "Latency": 6,
        "Emotion": 5,
        "Risk, safety, escalation": 6,
        "Tools": 3,
        "Surfaces": 4,
        "Connectors and world": 3,
    }
    quality = shipped.get("voice_quality_score").definition
    assert (quality.metric_type, quality.extract_path, quality.aggregation, quality.unit) == (
        "numerical", "$.quality_score", "avg", "score"
    )  # fmt: skip


def test_every_definition_can_be_understood_in_the_catalog(shipped: Catalog) -> None:
    for metric in shipped.metrics:
        assert metric.definition.description, metric.key
        assert metric.definition.unit, metric.key
        assert metric.definition.group, metric.key


def test_the_examples_show_the_modes_that_need_no_file(shipped: Catalog) -> None:
    shown = {metric.definition.extraction_mode for metric in shipped.metrics if metric.managed_by == "file"}
    expected: set[ExtractionMode] = {"static", "pattern", "formula", "threshold", "written", "ai_query", "ai_classify"}
    assert shown == expected
    assert {metric.definition.scope for metric in shipped.metrics} == {"conversation", "participant", "turn"}


def test_the_published_examples_are_verbatim(shipped: Catalog) -> None:
    empathy = shipped.get("empathy_score").definition
    assert empathy.ai_query_prompt is not None
    assert empathy.ai_query_prompt.endswith("Output ONLY a single integer from 1 to 10.")
    assert (empathy.model_tier, empathy.valid_range_min, empathy.valid_range_max) == ("balanced", 1.0, 10.0)
    assert len(shipped.get("call_topic").definition.categories or ()) == 7


def documents(folder: Path) -> list[tuple[Path, Any]]:
    return [(path, YAML(typ="safe", pure=True).load(path)) for path in sorted(folder.rglob("*.yaml"))]


def test_the_schema_fits_the_definitions() -> None:
    schema = definition_schema()
    Draft202012Validator.check_schema(schema)
    validator = Draft202012Validator(schema)
    for path, document in documents(DEFINITIONS / "metrics"):
        assert [error.message for error in validator.iter_errors(document)] == [], path
    assert not validator.is_valid({"definitions": [{"key": "Bad"}]})
    assert not validator.is_valid({"definitions": [], "colour": "red"})


def test_the_schema_fits_the_source_mappings() -> None:
    schema = source_schema()
    Draft202012Validator.check_schema(schema)
    for path, document in documents(DEFINITIONS / "sources"):
        assert [error.message for error in Draft202012Validator(schema).iter_errors(document)] == [], path


def test_the_schema_explains_every_field() -> None:
    schema = definition_schema()
    parts = [schema, *schema["$defs"].values()]
    fields = [(name, body) for part in parts for name, body in part.get("properties", {}).items()]
    assert {name for name, _ in fields} >= MetricDefinition.model_fields.keys()
    assert [name for name, body in fields if not body.get("description")] == []
