"""The freshness check of every metric, in real runs: passed, late, and nothing to look at."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import dagster as dg

from pipeline.orchestration.location import build_definitions
from pipeline.orchestration.metrics import metric_asset
from pipeline.orchestration.partitions import range_tags
from pipeline.settings import Settings
from pipeline.store import Store
from pipeline.window import HOUR

SILENT = {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}
END = datetime.fromisoformat("2026-03-12T15:00:00+00:00")


def launch(settings: Settings, **how: Any) -> dict[str, dg.AssetCheckEvaluation]:
    """The freshness checks of two metrics after a run, by metric."""
    definitions = build_definitions(settings)
    assets = [dg.AssetKey("conversation_events"), dg.AssetKey("call_intelligence")]
    with dg.DagsterInstance.ephemeral() as instance:
        result = definitions.resolve_job_def("hourly_run").execute_in_process(
            run_config=SILENT,
            instance=instance,
            asset_selection=[*assets, metric_asset("probe_turns"), metric_asset("probe_sync")],
            **how,
        )
    assert result.success  # a warning fails no run
    evaluations = [each for each in result.get_asset_check_evaluations() if each.check_name == "freshness"]
    assert all(each.severity == dg.AssetCheckSeverity.WARN for each in evaluations)
    return {each.asset_key.path[-1]: each for each in evaluations}


def test_an_hour_passes_warns_when_late_and_says_when_there_was_nothing(project: Settings) -> None:
    checks = launch(project, partition_key="2026-03-12-14:00")
    turns = checks["probe_turns"]
    assert turns.passed  # the hour closed before the metric was defined: nobody could have been in time
    assert turns.metadata["state"].value == "fresh"
    # As though the metric had been there all the time; the hour was done months after it closed.
    with Store(project).transaction() as con:
        con.execute("UPDATE metric_definitions SET valid_from = '2026-01-01T00:00:00Z'")
    turns = launch(project, partition_key="2026-03-12-14:00")["probe_turns"]
    assert not turns.passed
    assert turns.metadata["state"].value == "stale"
    assert turns.description == "1 of 1 hours were done late or not at all."
    (row,) = turns.metadata["hours"].records
    assert row.data["partition"] == "2026-03-12-14:00"
    assert row.data["due_at"] == "2026-03-12T16:00:00+00:00"


def test_no_data_is_a_state_of_its_own(project: Settings) -> None:
    landing = project.home / "landing"
    landing.mkdir(parents=True)
    empty = project.model_copy(update={"landing": str(landing)})
    for check in launch(empty, tags=range_tags(END - 2 * HOUR, END)).values():
        assert not check.passed
        assert check.metadata["state"].value == "no_data"
        assert check.metadata["no_data"].value == 2
        assert check.description == "No data in 2 of 2 hours: done, with nothing to look at."
