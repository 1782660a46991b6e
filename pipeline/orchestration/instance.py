"""Dagster's instance folder: its configuration, and what a killed process left behind."""

from __future__ import annotations

import os
from importlib.resources import files
from pathlib import Path

import dagster as dg

from pipeline.errors import SettingsError
from pipeline.settings import Settings

POOL = "metric_store"
"""Every asset is in it; `dagster.yaml` limits it to one run at a time."""

_RUNNING = [dg.DagsterRunStatus.STARTING, dg.DagsterRunStatus.STARTED, dg.DagsterRunStatus.CANCELING]


def prepare_dagster_home(settings: Settings) -> Path:
    """Make the instance folder, write its `dagster.yaml` unless there is one, and set DAGSTER_HOME.

    A DAGSTER_HOME that the user has set is used instead of `settings.dagster_home`.

    Raises:
        SettingsError: the folder cannot be written.
    """
    home = Path(os.environ.get("DAGSTER_HOME") or settings.dagster_home).expanduser().absolute()
    config = home / "dagster.yaml"
    try:
        home.mkdir(parents=True, exist_ok=True)
        if not config.exists():
            fresh = config.with_name(f"{config.name}.{os.getpid()}.tmp")
            fresh.write_text(files(__package__).joinpath("dagster.yaml").read_text(encoding="utf-8"), encoding="utf-8")
            fresh.replace(config)
    except OSError as error:
        raise SettingsError(f"Cannot write Dagster's folder {home}: {error.strerror}. Set DAGSTER_HOME.") from error
    os.environ["DAGSTER_HOME"] = str(home)
    return home


def fail_abandoned_runs(instance: dg.DagsterInstance) -> int:
    """Mark runs as failed whose process died with the last server; they would hold the pool for ever.

    Call it only while no other server works on the instance.

    Returns:
        How many there were.
    """
    abandoned = instance.get_runs(filters=dg.RunsFilter(statuses=_RUNNING))
    for run in abandoned:
        instance.report_run_failed(run, "The server stopped during this run. What it had committed is kept.")
    return len(abandoned)
