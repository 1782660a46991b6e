"""Dagster's instance: its folder and configuration, its storage, and what a killed process left behind."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.resources import files
from importlib.util import find_spec
from pathlib import Path

import dagster as dg
from dagster._core.storage.tags import GRPC_INFO_TAG

from pipeline.errors import SettingsError
from pipeline.settings import Settings
from pipeline.store.database import engine_of

POOL = "metric_store"
"""Every asset is in it; `dagster.yaml` limits it to one run at a time."""

_STORAGE = "DAGSTER_POSTGRES_URL"
"""The variable in which `postgres.yaml` looks for the address, so that no password stands in a file."""

_FILE, _POSTGRES = ("dagster.yaml",), ("dagster.yaml", "postgres.yaml")
_RUNNING = [dg.DagsterRunStatus.STARTING, dg.DagsterRunStatus.STARTED, dg.DagsterRunStatus.CANCELING]


def prepare_dagster_home(settings: Settings) -> Path:
    """Make the instance folder, write its `dagster.yaml` unless the user has, and set DAGSTER_HOME.

    A DAGSTER_HOME that the user has set is used instead of `settings.dagster_home`. With a catalog, runs and events are
    kept in its database, so that every machine sees them; a store that has moved takes a file that nobody edited along.

    Raises:
        SettingsError: the folder cannot be written, or the extra `lake` is not installed.
    """
    home = Path(os.environ.get("DAGSTER_HOME") or settings.dagster_home).expanduser().absolute()
    config = home / "dagster.yaml"
    try:
        home.mkdir(parents=True, exist_ok=True)
        text, moved_from = map(_text, (_FILE, _POSTGRES) if settings.catalog is None else (_POSTGRES, _FILE))
        if not config.exists() or config.read_text(encoding="utf-8") == moved_from:
            fresh = config.with_name(f"{config.name}.{os.getpid()}.tmp")
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


def _text(parts: tuple[str, ...]) -> str:
    return "".join(files(__package__).joinpath(part).read_text(encoding="utf-8") for part in parts)


@contextmanager
def only_local_server(settings: Settings) -> Iterator[None]:
    """Mark runs as failed that a killed `metric-store dev` left behind; no other `dev` does while the block lasts.

    Nothing is marked while another `dev` works on the same store: those runs may be its own. With a catalog, runs of
    other servers (`compose.yaml`, Kubernetes) are left to these.
    """
    with engine_of(settings).only_one("dev") as alone:
        if alone:
            with dg.DagsterInstance.get() as instance:
                fail_abandoned_runs(instance, of_local_servers=settings.catalog is not None)
        yield


def fail_abandoned_runs(instance: dg.DagsterInstance, *, of_local_servers: bool = False) -> int:
    """Mark runs as failed whose process died with the last server; they would hold the pool for ever.

    Call it only while no other server works on the instance.

    Args:
        instance: what the server worked on.
        of_local_servers: only those that a `metric-store dev` launched; other servers may be at work.

    Returns:
        How many there were.
    """
    abandoned = instance.get_runs(filters=dg.RunsFilter(statuses=_RUNNING))
    if of_local_servers:
        abandoned = [run for run in abandoned if is_local(run)]
    for run in abandoned:
        instance.report_run_failed(run, "The server stopped during this run. What it had committed is kept.")
    return len(abandoned)


def is_local(run: dg.DagsterRun) -> bool:
    """Whether a `metric-store dev` launched it: its code server listens on a socket file, all others on a port."""
    return "socket" in json.loads(run.tags.get(GRPC_INFO_TAG, "{}"))
