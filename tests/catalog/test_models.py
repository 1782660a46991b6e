"""What a definition says of itself where the file does not."""

from __future__ import annotations

from typing import Any

import pytest

from pipeline.catalog import MetricDefinition


def definition(**fields: Any) -> MetricDefinition:
    base = {"key": "k", "name": "N", "metric_type": "numerical", "source": "call_intelligence", "event_types": ["x"]}
    return MetricDefinition.model_validate({**base, **fields})


@pytest.mark.parametrize(
    ("fields", "fold"),
    [
        ({}, "last"),
        ({"scope": "turn"}, "avg"),
        ({"scope": "turn", "metric_type": "boolean"}, "any"),
        ({"scope": "participant", "metric_type": "categorical"}, "last"),
        ({"scope": "turn", "fold": "p95"}, "p95"),
        ({"source": "voice_judge_results"}, "last"),
        ({"source": "emotion_events", "fold": "max"}, "max"),
        ({"extraction_mode": "written", "source": "world_events", "repeated": "sum"}, "sum"),
    ],
)
def test_how_readings_become_one_value(fields: dict[str, Any], fold: str) -> None:
    assert definition(**fields).effective_fold == fold


@pytest.mark.parametrize(
    ("fields", "event_level"),
    [
        ({}, False),
        ({"source": "surface_events"}, True),
        ({"source": "surface_events", "fold": "count"}, False),
        ({"source": "voice_judge_results"}, False),
        ({"source": "world_events", "extraction_mode": "written"}, False),
    ],
)
def test_which_metrics_count_single_events(fields: dict[str, Any], event_level: bool) -> None:
    assert definition(**fields).event_level is event_level
