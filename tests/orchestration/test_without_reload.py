"""Definitions that came after the server: the next run computes them, also where they came over HTTP."""

from __future__ import annotations

import os
import subprocess
import sys
from datetime import UTC, datetime
from typing import Any

import pytest

from pipeline.orchestration.reload import fingerprint
from pipeline.settings import Settings
from pipeline.store import Store
from pipeline.workspace.catalogs import current_catalog
from pipeline.workspace.settings import Change, Revision, change_settings

SENT = {
    "key": "probe_sent",
    "name": "Sent",
    "metric_type": "numerical",
    "source": "call_intelligence",
    "event_types": ["call_intelligence.row"],
    "extract_path": "$.conversation_summary.turn_count",
    "aggregation": "max",
    "unit": "turns",
}
# What Dagster's code server does to start a run that a schedule asked for: a new process loads the location and runs
# the job as the server knew it.
LAUNCHED = """
import dagster as dg
from pipeline.definitions import defs
with dg.DagsterInstance.ephemeral() as instance:
    result = defs.resolve_job_def("hourly_run").execute_in_process(
        instance=instance, partition_key="2026-03-12-14:00",
        run_config={"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}},
    )
print(*sorted(event.asset_key.to_user_string() for event in result.get_asset_materialization_events()))
"""


@pytest.fixture
def few(project: Settings) -> Settings:
    """The project with all but three of the shipped metrics switched off; a run of all takes long."""
    shipped = [metric for metric in current_catalog(project).active if metric.shipped]
    reads = {read for metric in shipped[:3] for read in metric.reads}
    off = [metric.key for metric in shipped[3:] if metric.key not in reads]
    lines = "".join(f"  {key}: {{active: false}}\n" for key in off)
    (project.definitions / "metrics" / "overrides.yaml").write_text(f"overrides:\n{lines}")
    assert not current_catalog(project).errors
    return project


def test_a_definition_sent_after_the_start_is_computed_by_the_next_run(few: Settings, definitions: Any) -> None:
    loaded = fingerprint(few)
    definitions.write("definitions: [{key: probe_new, name: New, metric_type: boolean, source: call_intelligence,"
                      " event_types: [call_intelligence.row], extraction_mode: pattern, pattern: {keywords: [bill]},"
                      " aggregation: rate}]", name="new")  # fmt: skip
    edited = fingerprint(few)
    store = Store(few)
    change = Change("settings.replace", definitions=[SENT])
    change_settings(few, store, store.workspace_id, change, Revision(), actor="test", now=datetime.now(UTC))
    assert len({loaded, edited, fingerprint(few)}) == 3, "the sensor sees both changes"
    done = subprocess.run(
        [sys.executable, "-c", LAUNCHED],
        env=os.environ
        | {
            "METRIC_STORE_HOME": str(few.home),
            "METRIC_STORE_DEFINITIONS": str(few.definitions),
            "METRIC_STORE_LANDING": str(few.landing),
            "METRIC_STORE_START": few.start.isoformat(),
        },
        capture_output=True,
        text=True,
        timeout=180,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert {"metric/probe_new", "metric/probe_sent", "metric/probe_turns"} <= set(done.stdout.split())
    with store.read() as con:
        (sent,) = con.execute("SELECT count(*) FROM metric_values WHERE metric_key = 'probe_sent'").fetchall()[0]
    assert sent > 0
