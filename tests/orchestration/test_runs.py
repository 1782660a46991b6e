"""What a run does: by the hour, over a range, for one metric; the rows are the same, and a failure stays alone."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from pipeline.orchestration.location import build_definitions
from pipeline.orchestration.metrics import metric_asset
from pipeline.orchestration.partitions import range_tags
from pipeline.settings import Settings
from pipeline.store import Store
from pipeline.window import HOUR

LAST = "2026-03-12-14:00"
OURS = ("probe_turns", "probe_long", "probe_refund", "probe_sync")
SILENT = {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}


def launch(settings: Settings, keys: list[str] | None = None, **how: Any) -> dg.ExecuteInProcessResult:
    """Run the probe metrics (or some of them) with everything around them, as a click in the user interface does."""
    definitions = build_definitions(settings)
    around = [dg.AssetKey(name) for name in ("conversation_events", "call_intelligence")]
    after = [dg.AssetKey(name) for name in ("metric_periods", "published_snapshot")]
    selection = [metric_asset(key) for key in keys] if keys else [*around, *map(metric_asset, OURS), *after]
    with dg.DagsterInstance.ephemeral() as instance:
        result = definitions.resolve_job_def("hourly_run").execute_in_process(
            run_config=SILENT, instance=instance, asset_selection=selection, raise_on_error=False, **how
        )
    for event in result.all_events:
        if event.is_step_failure:
            print(event.step_failure_data.error_display_string)  # noqa: T201
    return result


def reconciled(result: dg.ExecuteInProcessResult) -> dict[dg.AssetKey, bool]:
    checks = result.get_asset_check_evaluations()
    return {check.asset_key: check.passed for check in checks if check.check_name == "reconciled"}


def rows(settings: Settings) -> dict[str, list[tuple[object, ...]]]:
    with Store(settings).read() as con:
        found = {
            "values": con.execute(
                "SELECT metric_key, definition_version, entity_id, value_number, value_boolean, status, content_hash "
                "FROM metric_values WHERE metric_key LIKE 'probe_%' ORDER BY ALL"
            ).fetchall(),
            "periods": con.execute(
                "SELECT * EXCLUDE (computed_at, revision, revision_reason, superseded_at, value_sum_cubes) "
                "FROM metric_periods "
                "WHERE superseded_at IS NULL AND metric_key LIKE 'probe_%' ORDER BY ALL"
            ).fetchall(),
        }
    # The order of a sum is not fixed.
    return {
        table: [tuple(f"{cell:.9g}" if isinstance(cell, float) else cell for cell in row) for row in some]
        for table, some in found.items()
    }


END = datetime(2026, 3, 12, 15, tzinfo=UTC)
FIRST = END - 3 * HOUR


def at_home(settings: Settings, folder: Path) -> Settings:
    return settings.model_copy(update={"home": folder})


def test_hours_in_order_a_range_and_one_metric_at_a_time_give_the_same_rows(
    project: Settings,
    tmp_path: Path,
) -> None:
    one_by_one = at_home(project, tmp_path / "hours")
    hour = FIRST
    while hour < END:
        assert launch(one_by_one, partition_key=f"{hour:%Y-%m-%d-%H:%M}").success
        hour += HOUR
    at_once = at_home(project, tmp_path / "range")
    assert launch(at_once, tags=range_tags(FIRST, END)).success
    assert rows(at_once) == rows(one_by_one)
    assert len(rows(at_once)["values"]) > 50

    by_metric = at_home(project, tmp_path / "metrics")
    upstream = [dg.AssetKey("conversation_events"), dg.AssetKey("call_intelligence")]
    with dg.DagsterInstance.ephemeral() as instance:
        job = build_definitions(by_metric).resolve_job_def("hourly_run")
        assert job.execute_in_process(
            run_config=SILENT, instance=instance, asset_selection=upstream, partition_key=LAST
        ).success
    for key in ("probe_long", "probe_refund", "probe_sync"):  # probe_long reads probe_turns
        result = launch(by_metric, keys=[key], tags=range_tags(FIRST, END))
        assert result.success
        assert {event.asset_key for event in result.get_asset_materialization_events()} == {metric_asset(key)}
    assert rows(by_metric) == rows(at_once)


@pytest.mark.both_stores
def test_every_partition_has_its_own_numbers_and_nothing_anyone_said(project: Settings) -> None:
    result = launch(project, tags=range_tags(FIRST, END))
    events = [e for e in result.get_asset_materialization_events() if e.asset_key == metric_asset("probe_turns")]
    by_partition = {event.partition: event.materialization.metadata for event in events}
    assert sorted(by_partition) == ["2026-03-12-12:00", "2026-03-12-13:00", LAST]
    for metadata in by_partition.values():
        states = {record.data["state"]: record.data["conversations"] for record in metadata["window_states"].records}
        assert metadata["window_eligible"].value == sum(states.values())
        assert metadata["window_ok"].value == states["ok"]
        # What stands beside a value belongs to it: the hour's own counts, not those of the window.
        assert metadata["n"].value <= metadata["eligible"].value <= metadata["window_eligible"].value
    assert len({metadata["window_eligible"].value for metadata in by_partition.values()}) > 1
    assert any("value" in metadata for metadata in by_partition.values())
    with Store(project).read() as con:
        spoken = [t for (t,) in con.execute("SELECT unnest(turns).text FROM conversations LIMIT 200").fetchall() if t]
    shown = " ".join(str(event.materialization.metadata) for event in result.get_asset_materialization_events())
    assert len(spoken) > 20
    assert not any(text in shown for text in spoken if len(text) > 20)
    checks = reconciled(result)
    assert checks[metric_asset("probe_turns")]


def test_a_failing_definition_fails_alone_and_is_named(project: Settings, definitions: Any) -> None:
    assert launch(project, partition_key=LAST).success
    changed = definitions.text.replace(
        "metric_type: boolean\n    source: call_intelligence\n    event_types: [call_intelligence.row]\n"
        "    extraction_mode: pattern",
        "metric_type: numerical\n    source: call_intelligence\n    event_types: [call_intelligence.row]\n"
        "    extraction_mode: pattern",
    ).replace(
        "pattern: {keywords: [refund, bill]}\n    aggregation: rate",
        "pattern: {keywords: [refund], result: count}\n    aggregation: sum",
    )
    definitions.write(changed)
    result = launch(project, partition_key=LAST)
    assert not result.success
    (failed,) = [event for event in result.all_events if event.is_step_failure]
    data = failed.step_failure_data.user_failure_data
    assert data is not None
    assert data.description is not None
    assert "Failed: probe_refund" in data.description
    done = {event.asset_key for event in result.get_asset_materialization_events()}
    assert {metric_asset("probe_turns"), metric_asset("probe_long"), metric_asset("probe_sync")} <= done
    assert {dg.AssetKey("metric_periods"), dg.AssetKey("published_snapshot")} <= done
    assert metric_asset("probe_refund") not in done
    checks = reconciled(result)
    assert not checks[metric_asset("probe_refund")]
    assert checks[metric_asset("probe_turns")]


def test_a_damaged_file_costs_neither_the_run_nor_its_neighbours(project: Settings, tmp_path: Path) -> None:
    landing = tmp_path / "landing"
    landing.mkdir()
    (landing / "damaged.json.gz").write_bytes(b"\x1f\x8b damaged")
    result = launch(project.model_copy(update={"landing": str(landing)}), partition_key=LAST)
    assert result.success
    checks = {check.check_name: check for check in result.get_asset_check_evaluations()}
    assert not checks["files_read"].passed
    assert "damaged.json.gz" in str(checks["files_read"].metadata["failed"].value)
