"""The code location: everything Dagster loads."""

from __future__ import annotations

import dagster as dg

from pipeline.orchestration.catalog_check import build_catalog_check, definitions_asset
from pipeline.orchestration.conversations import build_conversations
from pipeline.orchestration.jobs import build_schedules
from pipeline.orchestration.metrics import build_metrics
from pipeline.orchestration.partitions import hourly_partitions
from pipeline.orchestration.reload import reload_sensor
from pipeline.settings import Settings
from pipeline.workspace.catalogs import current_catalog


def build_definitions(settings: Settings) -> dg.Definitions:
    """Assets, checks, jobs, schedules and the sensor for one deployment.

    A definition that cannot be used is left out here and reported by the check `definitions_catalog`.
    """
    catalog = current_catalog(settings)
    hours = hourly_partitions(settings)
    return dg.Definitions.merge(
        dg.Definitions(
            assets=[
                definitions_asset(settings),
                build_conversations(settings, catalog, hours),
                build_metrics(settings, catalog, hours),
            ],
            asset_checks=[build_catalog_check(catalog)],
            sensors=[reload_sensor(settings)],
            executor=dg.in_process_executor,  # on Definitions, so that runs launched from the UI use it too
        ),
        build_schedules(settings),
    )
