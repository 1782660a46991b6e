"""What Dagster loads."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from pipeline.catalog import load_catalog
from pipeline.orchestration.catalog_check import build_catalog_check, definitions_asset
from pipeline.orchestration.location import build_definitions
from pipeline.settings import Settings

PROJECT = Path(__file__).parents[2]


def specs_of(settings: Settings) -> dict[str, dg.AssetSpec]:
    return {spec.key.to_user_string(): spec for spec in build_definitions(settings).resolve_all_asset_specs()}


def test_the_location_has_every_asset_schedule_and_sensor(project: Settings) -> None:
    repository = build_definitions(project).get_repository_def()
    keys = {key.to_user_string() for key in repository.asset_graph.get_all_asset_keys()}
    assert keys >= {"definitions", "conversation_events", "call_intelligence", "metric_periods", "published_snapshot"}
    assert keys >= {"metric/probe_turns", "metric/probe_long", "metric/probe_refund", "metric/probe_sync"}
    schedules = {schedule.name: schedule for schedule in repository.schedule_defs}
    assert {name: schedule.cron_schedule for name, schedule in schedules.items()} == {
        "hourly_run_schedule": "5 * * * *",
        "prune_runs_schedule": "30 3 * * *",
        "maintain_store_schedule": "45 3 * * *",
    }
    assert {s.default_status for s in schedules.values()} == {dg.DefaultScheduleStatus.RUNNING}
    assert [sensor.name for sensor in repository.sensor_defs] == ["reload_definitions"]


def test_the_spec_of_a_metric_says_what_it_is(project: Settings) -> None:
    specs = specs_of(project)
    turns = specs["metric/probe_turns"]
    assert turns.group_name == "probe_metrics"
    assert turns.skippable
    assert set(turns.tags) >= {"probe"}
    assert "not a tag" not in turns.tags
    assert len(turns.code_version or "") == 12
    assert {k: turns.metadata[k] for k in ("type", "unit", "aggregation", "mode")} == {
        "type": "numerical",
        "unit": "turns",
        "aggregation": "avg",
        "mode": "static",
    }
    assert {dep.asset_key.to_user_string() for dep in turns.deps} == {"call_intelligence"}
    long = specs["metric/probe_long"]
    assert {dep.asset_key.to_user_string() for dep in long.deps} == {"call_intelligence", "metric/probe_turns"}
    assert {dep.asset_key.to_user_string() for dep in specs["metric/probe_sync"].deps} == {"conversation_events"}


def test_the_code_version_follows_what_can_change_a_value(project: Settings, definitions: Any) -> None:
    before = specs_of(project)["metric/probe_refund"].code_version
    definitions.write(definitions.text.replace("name: Refund", "name: Renamed"))
    assert specs_of(project)["metric/probe_refund"].code_version == before
    definitions.write(definitions.text.replace("[refund, bill]", "[refund]"))
    assert specs_of(project)["metric/probe_refund"].code_version != before


@pytest.mark.parametrize("broken", ["definitions: [", "definitions:\n  - key: Bad Key\n", "nothing: 1\n", "\x00"])
def test_a_broken_file_is_reported_and_keeps_nothing_else_from_loading(
    project: Settings, definitions: Any, broken: str
) -> None:
    definitions.write(broken, name="broken")
    assert "metric/probe_turns" in specs_of(project)
    check = build_catalog_check(load_catalog(project))
    job = dg.define_asset_job("check", selection=dg.AssetSelection.all_asset_checks())
    job = dg.Definitions([definitions_asset(project)], asset_checks=[check], jobs=[job]).resolve_job_def("check")
    (evaluation,) = job.execute_in_process().get_asset_check_evaluations()
    assert not evaluation.passed
    assert evaluation.severity is dg.AssetCheckSeverity.ERROR
    problems = evaluation.metadata["problems"].records
    assert any("broken.yaml" in str(record.data["file"]) for record in problems)


def test_dagster_accepts_the_workspace_file() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "dagster", "definitions", "validate", "-w", "workspace.yaml"],
        cwd=PROJECT,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "Validation successful for code location metric-store" in done.stdout + done.stderr


def test_loading_the_location_imports_nothing_heavy() -> None:
    heavy = ["openai", "polars", "scipy", "plotext", "pandas", "dagster_graphql", "fastapi"]
    code = f"import sys, pipeline.definitions; print([m for m in {heavy} if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], cwd=PROJECT, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
