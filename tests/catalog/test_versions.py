"""A version follows what decides a value, and nothing else."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.catalog import MetricDefinition, load_catalog
from pipeline.catalog.models import UNVERSIONED_FIELDS
from pipeline.catalog.versions import definition_version
from pipeline.settings import Settings

BASE: dict[str, Any] = {
    "key": "base",
    "name": "Base",
    "metric_type": "numerical",
    "source": "call_intelligence",
    "event_types": ["call_intelligence.row"],
    "extraction_mode": "ai_query",
    "ai_query_prompt": "Rate.",
    "scale": {"min": 1, "max": 5, "bands": [{"range_min": 1, "range_max": 2, "label": "low"}]},
}
COSMETIC: dict[str, Any] = {
    "name": "Another",
    "description": "words",
    "unit": "score",
    "tags": ["x"],
    "group": "g",
    "goal": "higher",
    "active": False,
    "builtin": True,
    "freshness_sla_minutes": 5,
    "latency_tier": "streaming",
    "period_granularity": "hourly",
    "granularity": "per_entity",
    "aggregation": "avg",
    "ratio_numerator_event": "a",
    "ratio_denominator_event": "b",
    "ratio_numerator_metric": "a",
    "ratio_denominator_metric": "b",
    "cap": 10,
    "selection": "recent",
    "sampling_rate": 0.5,
}
DECISIVE: dict[str, Any] = {
    "key": "other",
    "metric_type": "boolean",
    "source": "world_events",
    "event_types": ["x"],
    "source_filter": "channel = 'voice'",
    "extraction_mode": "static",
    "extract_path": "$.a",
    "ai_query_prompt": "Rate!",
    "prompt": "Rubric",
    "model_tier": "max",
    "valid_range_min": 0,
    "valid_range_max": 9,
    "channel_scope": "voice",
    "applies_to_product_types": ["intake"],
    "scope": "turn",
    "participant_role": "agent",
    "fold": "max",
    "gate": "other_metric",
    "repeat": 3,
    "scale": {"min": 1, "max": 10},
    "true_label": "yes",
}


def version(**fields: Any) -> str:
    return definition_version(MetricDefinition.model_validate({**BASE, **fields}))


def test_every_unversioned_field_is_tried() -> None:
    assert COSMETIC.keys() == UNVERSIONED_FIELDS


@given(st.sets(st.sampled_from(sorted(COSMETIC))))
def test_a_cosmetic_edit_keeps_the_version(fields: set[str]) -> None:
    assert version(**{field: COSMETIC[field] for field in fields}) == version()


@pytest.mark.parametrize("field", sorted(DECISIVE))
def test_a_decisive_edit_changes_the_version(field: str) -> None:
    assert version(**{field: DECISIVE[field]}) != version()


@given(st.randoms(use_true_random=False))
def test_the_order_of_fields_does_not_matter(shuffle: random.Random) -> None:
    def shuffled(value: Any) -> Any:
        if not isinstance(value, dict):
            return value
        items = list(value.items())
        shuffle.shuffle(items)
        return {key: shuffled(inner) for key, inner in items}

    assert definition_version(MetricDefinition.model_validate(shuffled(BASE))) == version()


def test_a_default_written_out_is_the_default() -> None:
    defaults = {name: field.default for name, field in MetricDefinition.model_fields.items() if not field.is_required()}
    assert version(**{name: value for name, value in defaults.items() if name not in BASE}) == version()
    assert version(valid_range_min=1) == version(valid_range_min=1.0)


def test_the_version_of_a_release_stays() -> None:
    """Changing this hash makes every deployment extract, and pay for, every value again."""
    assert version() == "e0285ec5248132f9688368113528ba9c47ba808b80205b58d3575d7596fc69ce"


def test_what_is_read_and_code_count() -> None:
    definition = MetricDefinition.model_validate(BASE)
    versions = {
        definition_version(definition),
        definition_version(definition, {"a": "1"}),
        definition_version(definition, {"a": "2"}),
        definition_version(definition, {"b": "1"}),
        definition_version(definition, code=b"one"),
        definition_version(definition, code=b"two"),
    }
    assert len(versions) == 6


def _project(settings: Settings, path: str = "$.quality_score", unit: str = "score") -> Path:
    folder = settings.definitions / "metrics" / "custom"
    folder.mkdir(parents=True, exist_ok=True)
    common = "source: call_intelligence, event_types: [call_intelligence.row], name: N"
    (folder / "own.yaml").write_text(
        "definitions:\n"
        f"  - {{key: low, {common}, metric_type: numerical, extract_path: {path}, aggregation: avg, unit: {unit}}}\n"
        f"  - {{key: mid, {common}, metric_type: numerical, aggregation: avg, extraction_mode: formula,\n"
        "     formula: low * 2}\n"
        f"  - {{key: top, {common}, metric_type: boolean, aggregation: rate, extraction_mode: threshold,\n"
        "     threshold: {metric: mid, operator: '>', value: 3}}\n"
        f"  - {{key: gated, {common}, metric_type: numerical, extract_path: $.x, gate: top, aggregation: avg}}\n"
        f"  - {{key: apart, {common}, metric_type: numerical, extract_path: $.x, aggregation: avg}}\n"
        f"  - {{key: share, {common}, metric_type: numerical, aggregation: ratio,\n"
        "     ratio_numerator_metric: low, ratio_denominator_metric: apart}\n"
    )
    return folder


def test_a_change_goes_through_formula_threshold_and_gate(settings: Settings) -> None:
    def versions() -> dict[str, str]:
        catalog = load_catalog(settings)
        assert not catalog.errors
        return {metric.key: metric.version for metric in catalog.metrics}

    _project(settings)
    before = versions()
    _project(settings, unit="points")
    assert versions() == before
    _project(settings, path="$.duration_seconds")
    after = versions()
    assert {key for key in before if before[key] != after[key]} == {"low", "mid", "top", "gated"}


def test_the_file_of_a_python_metric_counts(settings: Settings) -> None:
    folder = _project(settings)
    (folder / "own.yaml").write_text(
        "definitions:\n  - {key: code, name: N, metric_type: numerical, source: call_intelligence, aggregation: avg,\n"
        "     event_types: [call_intelligence.row], extraction_mode: python, python_file: lib/code.py}\n"
    )
    code = settings.definitions / "python" / "lib" / "code.py"
    code.parent.mkdir(parents=True)
    code.write_text("def evaluate(conversation): return 1\n")
    before = load_catalog(settings).get("code").version
    code.write_text("def evaluate(conversation): return 2\n")
    assert load_catalog(settings).get("code").version != before
