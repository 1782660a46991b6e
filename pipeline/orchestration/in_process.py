"""Running the hourly job in this process, without a server and without keeping Dagster's history."""

from __future__ import annotations

from datetime import datetime

import dagster as dg
from dagster._core.storage.event_log import InMemoryEventLogStorage

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


_INSTANCE = {
    "event_log_storage": {"module": __name__, "class": UnkeptEventLog.__name__},
    "compute_logs": {"module": "dagster._core.storage.noop_compute_log_manager", "class": "NoOpComputeLogManager"},
    "telemetry": {"enabled": False},
}


def run_in_process(settings: Settings, first: datetime, last: datetime) -> list[str]:
    """Run the hourly partitions of `[first, last)` as one backfill, as the user interface would.

    Returns:
        What failed, in Dagster's words; empty when nothing did.
    """
    job = build_definitions(settings).resolve_job_def(HOURLY_RUN)
    with dg.DagsterInstance.local_temp(overrides=_INSTANCE) as instance:
        result = job.execute_in_process(
            run_config=_SILENT, instance=instance, tags=range_tags(first, last), raise_on_error=False
        )
    return [_reason(event) for event in result.all_events if event.is_step_failure]


def _reason(event: dg.DagsterEvent) -> str:
    failure = event.step_failure_data
    if failure.user_failure_data is not None and failure.user_failure_data.description:
        return failure.user_failure_data.description
    return failure.error_display_string.strip().splitlines()[0]
