"""Running the hourly job in this process, without a server and without keeping Dagster's history."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

import dagster as dg
from dagster._core.instance.types import InstanceType
from dagster._core.launcher.sync_in_memory_run_launcher import SyncInMemoryRunLauncher
from dagster._core.run_coordinator import DefaultRunCoordinator
from dagster._core.storage.event_log import InMemoryEventLogStorage
from dagster._core.storage.event_log.base import AssetRecord
from dagster._core.storage.noop_compute_log_manager import NoOpComputeLogManager
from dagster._core.storage.root import TemporaryLocalArtifactStorage
from dagster._core.storage.runs import InMemoryRunStorage

from pipeline.orchestration.jobs import HOURLY_RUN
from pipeline.orchestration.location import build_definitions
from pipeline.orchestration.partitions import range_tags
from pipeline.settings import Settings

_SILENT = {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}


class UnkeptEventLog(InMemoryEventLogStorage):
    """Dagster's event log, kept nowhere: two days of every metric are 7,000 events, and storing them is a third of it.

    What a run yields and whether it succeeded do not pass through here.
    """

    def store_event(self, event: dg.EventLogEntry) -> None:
        """Forget the event."""

    def get_asset_records(self, asset_keys: Sequence[dg.AssetKey] | None = None) -> Sequence[AssetRecord]:  # noqa: ARG002
        """Nothing is known of any asset; Dagster asks several times for each."""
        return []


def run_in_process(settings: Settings, first: datetime, last: datetime) -> list[str]:
    """Run the hourly partitions of `[first, last)` as one backfill, as the user interface would.

    Returns:
        What failed, in Dagster's words; empty when nothing did.
    """
    job = build_definitions(settings).resolve_job_def(HOURLY_RUN)
    with _instance() as instance:
        result = job.execute_in_process(
            run_config=_SILENT, instance=instance, tags=range_tags(first, last), raise_on_error=False
        )
    return [_reason(event) for event in result.all_events if event.is_step_failure]


def _instance() -> dg.DagsterInstance:
    """As `DagsterInstance.ephemeral`, in memory, but for the event log."""
    return dg.DagsterInstance(
        instance_type=InstanceType.EPHEMERAL,
        local_artifact_storage=TemporaryLocalArtifactStorage(),  # type: ignore[no-untyped-call]
        run_storage=InMemoryRunStorage(),
        event_storage=UnkeptEventLog(),
        compute_log_manager=NoOpComputeLogManager(),
        run_coordinator=DefaultRunCoordinator(),
        run_launcher=SyncInMemoryRunLauncher(),
        settings={"telemetry": {"enabled": False}},
    )


def _reason(event: dg.DagsterEvent) -> str:
    failure = event.step_failure_data
    if failure.user_failure_data is not None and failure.user_failure_data.description:
        return failure.user_failure_data.description
    return failure.error_display_string.strip().splitlines()[0]
