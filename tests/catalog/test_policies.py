"""`policies.yaml`: what each operator lets in, what is covered, and what is refused."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import duckdb
import pytest

from pipeline.catalog.policies import Policy, PolicyCondition
from pipeline.settings import Settings, builtin_definitions
from pipeline.workspace.catalogs import current_catalog

ROWS = """
CREATE TABLE conversations AS SELECT * FROM (VALUES
    ('a', 'voice', 'clinic', ['vip', 'new'], 120.0, true, '{"tier": {"name": "gold's"}, "score": 5, "flag": true}'),
    ('b', 'text', 'desk', []::VARCHAR[], 30.0, false, '{"tier": {"name": "silver"}, "score": "high"}'),
    ('c', NULL, NULL, NULL, NULL, NULL, '{}')
) t (id, channel, service_id, tags, duration_seconds, escalated, intelligence)
""".replace("gold's", "gold''s")


@pytest.mark.parametrize(
    ("name", "operator", "value", "expected"),
    [
        ("channel", "EQUALS", "voice", "a"),
        ("channel", "NOT_EQUALS", "voice", "bc"),
        ("service", "CONTAINS", "lin", "a"),
        ("service", "CONTAINS", "%", ""),
        ("service", "STARTS_WITH", "de", "b"),
        ("tags", "CONTAINS", "vip", "a"),
        ("tags", "NOT_EQUALS", "vip", "bc"),
        ("duration_seconds", "GREATER_THAN", 30, "a"),
        ("duration_seconds", "GREATER_THAN_OR_EQUALS", 30, "ab"),
        ("duration_seconds", "LESS_THAN", 30, ""),
        ("duration_seconds", "LESS_THAN_OR_EQUALS", 30, "b"),
        ("escalated", "EQUALS", False, "b"),
        ("tier.name", "EQUALS", "gold's", "a"),
        ("intelligence.tier.name", "STARTS_WITH", "sil", "b"),
        ("score", "GREATER_THAN", 4, "a"),
        ("flag", "EQUALS", True, "a"),
        ("tier.name", "EQUALS", "x' OR TRUE --", ""),
    ],
)
def test_a_condition_lets_in(name: str, operator: str, value: Any, expected: str) -> None:
    condition = PolicyCondition.model_validate({"property": name, "operator": operator, "value": value})
    with duckdb.connect() as con:
        con.execute(ROWS)
        found = con.execute(f"SELECT id FROM conversations WHERE {condition.to_sql()} ORDER BY id").fetchall()
    assert "".join(found_id for (found_id,) in found) == expected


def test_groups_are_or_of_and() -> None:
    def condition(name: str, value: Any) -> dict[str, Any]:
        return {"property": name, "operator": "EQUALS", "value": value}

    policy = Policy.model_validate(
        {
            "name": "some",
            "metrics": ["*"],
            "active_from": datetime(2026, 1, 1, tzinfo=UTC),
            "any_of": [
                {"all_of": [condition("channel", "voice"), condition("service", "desk")]},
                {"all_of": [condition("channel", "text"), condition("service", "desk")]},
            ],
        }
    )
    with duckdb.connect() as con:
        con.execute(ROWS)
        assert con.execute(f"SELECT id FROM conversations WHERE {policy.to_sql()}").fetchall() == [("b",)]
        everything = policy.model_copy(update={"any_of": ()}).to_sql()
        assert len(con.execute(f"SELECT id FROM conversations WHERE {everything}").fetchall()) == 3


def write(settings: Settings, policy: str) -> None:
    settings.definitions.mkdir(parents=True, exist_ok=True)
    (settings.definitions / "policies.yaml").write_text(f"policies:\n  - {{{policy}}}\n")


@pytest.mark.parametrize(
    ("policy", "field", "advice"),
    [
        ("name: p, metrics: [avg_turn_cont], active_from: 2026-01-01T00:00:00Z", "metrics[0]", "avg_turn_count"),
        ("name: p, metrics: [connector_error_count], active_from: 2026-01-01T00:00:00Z", "metrics[0]", "single events"),
        ("name: p, metrics: ['*']", "active_from", ""),
        ("name: p, metrics: ['*'], active_from: 2026-01-01T00:00:00", "active_from", ""),
    ],
    ids=["unknown", "events", "no start", "no zone"],
)
def test_what_is_wrong_is_said(settings: Settings, policy: str, field: str, advice: str) -> None:
    write(settings, policy)
    catalog = current_catalog(settings)
    assert catalog.policies == ()
    (problem,) = catalog.errors
    assert problem.field == f"policies[0].{field}"
    assert advice in problem.advice


@pytest.mark.parametrize(
    "condition",
    [
        "property: channel, operator: EQUALS, value: 3",
        "property: channel, operator: GREATER_THAN, value: voice",
        "property: tags, operator: STARTS_WITH, value: v",
        "property: duration_seconds, operator: CONTAINS, value: 3",
        "property: 'a\"b', operator: EQUALS, value: x",
        "property: intelligence, operator: EQUALS, value: x",
    ],
)
def test_a_comparison_that_makes_no_sense_is_refused(settings: Settings, condition: str) -> None:
    start = "active_from: 2026-01-01T00:00:00Z"
    write(settings, f"name: p, metrics: ['*'], {start}, any_of: [{{all_of: [{{{condition}}}]}}]")
    (problem,) = current_catalog(settings).errors
    assert problem.field == "policies[0].any_of[0].all_of[0]"


def test_what_a_policy_covers(settings: Settings) -> None:
    group = next(m.definition.group for m in current_catalog(settings).metrics if m.key == "avg_loop_count")
    write(settings, f"name: p, metrics: ['p95_*', 'group:{group}'], active_from: 2026-01-01T00:00:00Z")
    catalog = current_catalog(settings)
    (policy,) = catalog.policies
    covered = {metric.key for metric in catalog.metrics if policy.covers(metric)}
    assert {"p95_engine_ms", "p95_audio_ttfb_ms", "avg_loop_count"} <= covered
    assert not any(catalog.by_key[key].definition.event_level for key in covered)


def test_the_commented_examples_can_be_used(settings: Settings) -> None:
    shipped = builtin_definitions()
    if not (shipped / "policies.yaml").is_file():
        pytest.skip("the examples are part of the repository, not of the package")
    text = (shipped / "policies.yaml").read_text(encoding="utf-8").replace("policies: []", "policies:")
    text = re.sub(r"^#  ", "  ", text, flags=re.MULTILINE)
    custom = Path(settings.definitions) / "metrics" / "custom"
    custom.mkdir(parents=True)
    for file in (shipped / "metrics" / "custom").glob("*.yaml"):
        (custom / file.name).write_bytes(file.read_bytes())
    (settings.definitions / "policies.yaml").write_text(text)
    catalog = current_catalog(settings)
    assert not catalog.errors
    assert [policy.name for policy in catalog.policies] == ["judge_voice_calls_only", "protocol_of_long_calls"]
