"""What runs by itself: the hourly run, and once a day the pruning of old runs and the upkeep of the store."""

import shutil
from datetime import UTC, datetime, timedelta
from pathlib import Path

import dagster as dg

from pipeline.erasure import retention
from pipeline.settings import Settings
from pipeline.store import Store

HOURLY_RUN = "hourly_run"
PRUNE_RUNS = "prune_runs"
MAINTAIN_STORE = "maintain_store"

_FINISHED = [dg.DagsterRunStatus.SUCCESS, dg.DagsterRunStatus.FAILURE, dg.DagsterRunStatus.CANCELED]
_MINUTE = 5
"""Of the hour, when the hour before it is run: late events have landed, and conversations have settled."""


def build_schedules(settings: Settings) -> dg.Definitions:
    """All schedules are on from the start: a store without the first has no numbers, without the others no disk.

    The hourly job names no metric: a run loads the definitions again, and computes those added since the server began.
    """
    hourly = dg.define_asset_job(
        HOURLY_RUN,
        selection=dg.AssetSelection.all() | dg.AssetSelection.all_asset_checks(),
        description="Ingest what has landed, extract every active metric, aggregate, publish.",
    )
    return dg.Definitions(
        schedules=[
            dg.build_schedule_from_partitioned_job(
                hourly, minute_of_hour=_MINUTE, default_status=dg.DefaultScheduleStatus.RUNNING
            ),
            dg.ScheduleDefinition(
                job=_prune_job(settings), cron_schedule="30 3 * * *", default_status=dg.DefaultScheduleStatus.RUNNING
            ),
            dg.ScheduleDefinition(
                job=_upkeep_job(settings), cron_schedule="45 3 * * *", default_status=dg.DefaultScheduleStatus.RUNNING
            ),
        ]
    )


def _prune_job(settings: Settings) -> dg.JobDefinition:
    @dg.op
    def prune(context: dg.OpExecutionContext) -> None:
        count = prune_runs(context.instance, datetime.now(UTC) - timedelta(days=settings.keep_runs_days))
        context.log.info("Deleted %d runs older than %d days.", count, settings.keep_runs_days)

    @dg.job(
        name=PRUNE_RUNS,
        description=f"Delete runs older than {settings.keep_runs_days} days. The ledger of values stays in the store.",
    )
    def prune_job() -> None:
        prune()

    return prune_job


def _upkeep_job(settings: Settings) -> dg.JobDefinition:
    @dg.op
    def maintain(context: dg.OpExecutionContext) -> None:
        context.log.info("The store's data has %d bytes.", retention.maintain(Store(settings), settings))

    @dg.job(name=MAINTAIN_STORE, description="Merge small files, and remove what neither runs nor readers need.")
    def upkeep_job() -> None:
        maintain()

    return upkeep_job


def prune_runs(instance: dg.DagsterInstance, before: datetime) -> int:
    """Delete finished runs created before an instant, with their events and logs.

    Dagster itself keeps them for ever, at about 12 KB for each metric of each run.

    Returns:
        How many were deleted.
    """
    old = dg.RunsFilter(statuses=_FINISHED, created_before=before)
    count = 0
    while records := instance.get_run_records(filters=old, limit=100):
        for record in records:
            run_id = record.dagster_run.run_id
            instance.delete_run(run_id)
            _delete_files(instance, run_id)
            count += 1
    return count


def _delete_files(instance: dg.DagsterInstance, run_id: str) -> None:
    """Remove what `delete_run` leaves: the emptied event log of the run (SQLite only) and captured output."""
    if path_for_shard := getattr(instance.event_log_storage, "path_for_shard", None):
        for file in Path(path_for_shard(run_id)).parent.glob(f"{run_id}.db*"):
            file.unlink(missing_ok=True)
    shutil.rmtree(Path(instance.storage_directory()) / run_id, ignore_errors=True)
