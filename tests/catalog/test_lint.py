"""Naming advice: warnings that keep nothing out."""

from __future__ import annotations

from typing import Any

import pytest

from pipeline.catalog import Problem, load_catalog
from pipeline.settings import Settings

BODY: dict[str, Any] = {
    "name": "N",
    "metric_type": "numerical",
    "source": "call_intelligence",
    "event_types": ["call_intelligence.row"],
    "extract_path": "$.quality_score",
    "aggregation": "avg",
    "unit": "score",
}


def warnings(settings: Settings, *definitions: dict[str, Any]) -> list[Problem]:
    catalog = load_catalog(settings, api_definitions=[{**BODY, **fields} for fields in definitions])
    assert not catalog.errors
    assert all(catalog.get(fields["key"]) for fields in definitions)
    return [problem for problem in catalog.problems if problem.severity == "warning"]


@pytest.mark.parametrize(
    ("definitions", "field", "advice"),
    [
        ([{"key": "mean_call_length"}], "mean_call_length.key", "avg_call_duration_seconds"),
        ([{"key": "failed_tools_number"}], "failed_tools_number.key", "tool_failure_count"),
        ([{"key": "late_reply", "unit": None}], "late_reply.unit", "what the number counts"),
        (
            [{"key": key} for key in ("sms_offered", "sms_sent", "sms_read", "refused_sms")],
            "refused_sms.key",
            "begin it with sms_",
        ),
        (
            [{"key": "topic", "metric_type": "categorical", "aggregation": "count",
              "categories": ["billing", "other_thing", "NewVisit"]}],
            "topic.categories",
            "write it in snake_case",
        ),
    ],
)  # fmt: skip
def test_what_will_confuse_is_said(
    settings: Settings, definitions: list[dict[str, Any]], field: str, advice: str
) -> None:
    (warning,) = warnings(settings, *definitions)
    assert warning.field == field
    assert advice in warning.advice


def test_good_names_are_left_alone(settings: Settings) -> None:
    assert warnings(settings, {"key": "refund_amount"}, {"key": "refund_days"}, {"key": "greeting_score"}) == []
