"""A sensor that asks the webserver to load the definitions again after an edit, so that a new metric gets its button.

Values do not wait for it: every run loads the definitions anew.
"""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

import dagster as dg

from pipeline.settings import Settings, builtin_definitions
from pipeline.workspace.catalogs import published_definitions

WEBSERVER = "METRIC_STORE_WEBSERVER"
"""Environment variable `host:port` of the webserver; `metric-store dev` sets it."""


def fingerprint(settings: Settings) -> str:
    """Hash over the names and contents of every definition file, and over what was sent over HTTP."""
    digest = hashlib.sha256(repr(published_definitions(settings)).encode())
    for folder in sorted({builtin_definitions().resolve(), settings.definitions.resolve()}):
        for file in sorted(folder.rglob("*")):
            if file.suffix in (".yaml", ".yml", ".py") and file.is_file():
                digest.update(f"{file.relative_to(folder)}\0".encode())
                digest.update(_content(file))
    return digest.hexdigest()


def reload_sensor(settings: Settings) -> dg.SensorDefinition:
    """Compare the definitions that were loaded with those in force, and ask for a reload once for each difference."""
    loaded = fingerprint(settings)

    @dg.sensor(
        name="reload_definitions",
        description="Asks the webserver to reload when a definition has changed, in a file or over HTTP.",
        minimum_interval_seconds=30,
        default_status=dg.DefaultSensorStatus.RUNNING,
    )
    def reload_definitions(context: dg.SensorEvaluationContext) -> dg.SkipReason:
        found = fingerprint(settings)
        if found == loaded:
            return dg.SkipReason("The definitions are the loaded ones.")
        if found == context.cursor:
            return dg.SkipReason("A reload was asked for; the webserver has not loaded the change yet.")
        webserver = os.environ.get(WEBSERVER)
        origin = context.code_location_origin
        if webserver is None or origin is None:
            return dg.SkipReason(
                f"The definitions changed. Reload the code location by hand, or set {WEBSERVER}=host:port."
            )
        _reload(webserver, origin.location_name)
        context.update_cursor(found)
        return dg.SkipReason("The definitions changed; the webserver was asked to reload them.")

    return reload_definitions


def _reload(webserver: str, location: str) -> None:
    from dagster_graphql import DagsterGraphQLClient, ReloadRepositoryLocationStatus

    host, _, port = webserver.rpartition(":")
    answer = DagsterGraphQLClient(host, port_number=int(port), timeout=30).reload_repository_location(location)
    if answer.status is not ReloadRepositoryLocationStatus.SUCCESS:
        raise dg.Failure(f"The webserver could not reload {location}: {answer.message}")


def _content(file: Path) -> bytes:
    try:
        return file.read_bytes()
    except OSError:
        return b""  # being replaced; the next tick sees it
