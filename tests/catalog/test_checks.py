"""`checks.yaml`: what is shipped can be used, and what is wrong is said with its line."""

from __future__ import annotations

from pathlib import Path

import pytest

from pipeline.settings import Settings
from pipeline.workspace.catalogs import current_catalog

PERIOD = "metric: connector_error_count, over: period, condition: {operator: '<', value: 1}"


def test_the_shipped_checks_can_be_used(settings: Settings) -> None:
    catalog = current_catalog(settings)
    assert not catalog.errors
    assert len(catalog.checks) == 43
    assert all(catalog.by_key[check.metric].definition.active for check in catalog.checks.values())
    assert not catalog.own_checks
    assert all(name.endswith("_check") and check.sets for name, check in catalog.checks.items())


@pytest.mark.parametrize(
    ("text", "field", "advice"),
    [
        ("metric: completed_rat", "checks[0].metric", "did you mean completed_rate"),
        ("metric: avg_engine_ms", "checks[0].condition", "add it: avg_engine_ms is numerical"),
        ("metric: avg_engine_ms, condition: {operator: '<', value: fast}", "checks[0].condition.value", "a number"),
        (
            "metric: avg_engine_ms, condition: {operator: '<', value: .nan}",
            "checks[0].condition.value",
            "a finite number",
        ),
        ("metric: completed_rate, condition: {operator: '<', value: 1}", "checks[0].condition.value", "true or false"),
        ("metric: risk_level, condition: {operator: '<', value: low}", "checks[0].condition.operator", "== or !="),
        ("metric: connector_error_count, condition: {operator: '<', value: 1}", "checks[0].over", "write period"),
        (PERIOD + ", channel: voice", "checks[0].channel", "remove it"),
        (PERIOD + ", min_pass_rate: 0.5", "checks[0].min_pass_rate", "remove it"),
        ("metric: completed_rate, min_pass_rate: 80", "checks[0].min_pass_rate", "1"),
        ("metric: completed_rate, pass_rate: 1", "checks[0].pass_rate", "min_pass_rate"),
    ],
    ids=lambda value: value.split(",")[0] if isinstance(value, str) else None,
)
def test_what_is_wrong_is_said_and_left_out(settings: Settings, text: str, field: str, advice: str) -> None:
    file = Path(settings.definitions) / "checks.yaml"
    file.parent.mkdir(parents=True)
    file.write_text("checks:\n  - {name: it, " + text + "}\n")
    catalog = current_catalog(settings)
    assert "it" not in catalog.checks
    (problem,) = [problem for problem in catalog.errors if problem.field == field]
    assert advice in problem.advice
    assert problem.line == 2


def test_one_of_ones_own_takes_the_place_of_a_shipped_one(settings: Settings) -> None:
    file = Path(settings.definitions) / "checks.yaml"
    file.parent.mkdir(parents=True)
    own = "{name: completed_check, metric: completed_rate, min_pass_rate: 0.99}"
    file.write_text(f"checks: [{own}, {own}]\n")
    catalog = current_catalog(settings)
    assert catalog.checks["completed_check"].pass_rate == 0.99
    assert catalog.own_checks == {"completed_check"}
    assert [problem.field for problem in catalog.errors] == ["checks[1].name"]


@pytest.mark.parametrize("text", ["", "# nothing yet\n"], ids=["empty", "comment"])
def test_a_file_without_anything_in_it_is_no_mistake(settings: Settings, text: str) -> None:
    settings.definitions.mkdir(parents=True)
    for name in ("checks.yaml", "policies.yaml"):
        (settings.definitions / name).write_text(text)
    assert not current_catalog(settings).errors


def test_a_list_whose_items_are_refused_is_not_called_too_short(settings: Settings) -> None:
    sources = settings.definitions / "sources"
    sources.mkdir(parents=True)
    (sources / "s.yaml").write_text("key: s\nname: S\nevents: [{when: 5}]\n")
    assert [problem.field for problem in current_catalog(settings).errors] == ["events[0].when"]
