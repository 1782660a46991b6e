"""Dagster's instance: its folder and configuration, its storage, and what a killed process left behind."""

from __future__ import annotations

import os
from importlib.resources import files
from importlib.util import find_spec
from pathlib import Path

import dagster as dg

from pipeline.errors import SettingsError
from pipeline.settings import Settings

POOL = "metric_store"
"""Every asset is in it; `dagster.yaml` limits it to one run at a time."""

_STORAGE = "DAGSTER_POSTGRES_URL"
"""The variable in which `postgres.yaml` looks for the address, so that no password stands in a file."""

_RUNNING = [dg.DagsterRunStatus.STARTING, dg.DagsterRunStatus.STARTED, dg.DagsterRunStatus.CANCELING]


def prepare_dagster_home(settings: Settings) -> Path:
    """Make the instance folder, write its `dagster.yaml` unless there is one, and set DAGSTER_HOME.

    A DAGSTER_HOME that the user has set is used instead of `settings.dagster_home`. With a catalog, runs and events are
    kept in its database, so that every machine sees them.

    Raises:
        SettingsError: the folder cannot be written, or the extra `lake` is not installed.
    """
    home = Path(os.environ.get("DAGSTER_HOME") or settings.dagster_home).expanduser().absolute()
    config = home / "dagster.yaml"
    try:
        home.mkdir(parents=True, exist_ok=True)
        if not config.exists():
            fresh = config.with_name(f"{config.name}.{os.getpid()}.tmp")
            parts = ["dagster.yaml"] if settings.catalog is None else ["dagster.yaml", "postgres.yaml"]
            text = "".join(files(__package__).joinpath(part).read_text(encoding="utf-8") for part in parts)
            fresh.write_text(text, encoding="utf-8")
            fresh.replace(config)
    except OSError as error:
        raise SettingsError(f"Cannot write Dagster's folder {home}: {error.strerror}. Set DAGSTER_HOME.") from error
    os.environ["DAGSTER_HOME"] = str(home)
    if settings.catalog is not None:
        if find_spec("dagster_postgres") is None:
            raise SettingsError("METRIC_STORE_CATALOG needs the package dagster-postgres: install metric-store[lake].")
        _, _, address = settings.catalog.get_secret_value().partition("://")
        os.environ[_STORAGE] = f"postgresql+psycopg2://{address}"  # SQLAlchemy 2.1 would take another driver
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
