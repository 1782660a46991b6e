"""`metric-store dev` for real: the page answers, a backfill launched from it runs, a signal ends all of it."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from typing import Any

import dagster as dg
import pytest
import requests

from pipeline.orchestration.instance import is_local
from pipeline.settings import Settings
from pipeline.store import Store

PATIENCE = 180.0
LAUNCH = """
mutation ($backfill: LaunchBackfillParams!) {
  launchPartitionBackfill(backfillParams: $backfill) {
    __typename
    ... on LaunchBackfillSuccess { backfillId }
    ... on PythonError { message }
  }
}
"""
RUNS = "{ runsOrError { ... on Runs { results { status tags { key value } } } } }"
LOCATIONS = """
{ repositoriesOrError { ... on RepositoryConnection { nodes { name location { name }
  schedules { name scheduleState { status } } sensors { name sensorState { status } } } } } }
"""


@pytest.fixture
def url(project: Settings) -> Iterator[tuple[str, subprocess.Popen[str]]]:
    environment = {name: value for name, value in os.environ.items() if name != "DAGSTER_HOME"} | {
        "METRIC_STORE_HOME": str(project.home),
        "METRIC_STORE_DEFINITIONS": str(project.definitions),
        "METRIC_STORE_LANDING": str(project.landing),
        "METRIC_STORE_START": project.start.isoformat(),
    }
    server = subprocess.Popen(
        [sys.executable, "-c", "from pipeline.cli import main; main()", "dev", "--port", "0"],
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    assert server.stdout is not None
    try:
        line = server.stdout.readline()
        found = re.search(r"http://\S+", line)
        assert found, line
        yield found[0], server
    finally:
        server.terminate()
        server.wait(60)
        server.stdout.close()


def ask(url: str, query: str, **variables: Any) -> Any:
    answer = requests.post(f"{url}/graphql", json={"query": query, "variables": variables}, timeout=60).json()
    assert "errors" not in answer, answer
    return answer["data"]


def test_a_backfill_launched_from_the_page_writes_rows_and_a_signal_ends_everything(
    url: tuple[str, subprocess.Popen[str]], project: Settings
) -> None:
    page, server = url
    (node,) = ask(page, LOCATIONS)["repositoriesOrError"]["nodes"]
    assert {schedule["scheduleState"]["status"] for schedule in node["schedules"]} == {"RUNNING"}
    assert {sensor["sensorState"]["status"] for sensor in node["sensors"]} == {"RUNNING"}
    names = ["conversation_events"], ["call_intelligence"], ["metric", "probe_long"], ["metric_periods"]
    launched = ask(
        page,
        LAUNCH,
        backfill={
            "assetSelection": [{"path": list(name)} for name in names],
            "partitionNames": ["2026-03-12-13:00", "2026-03-12-14:00"],
        },
    )["launchPartitionBackfill"]
    assert launched["__typename"] == "LaunchBackfillSuccess", launched
    deadline = time.monotonic() + PATIENCE
    runs: list[dict[str, Any]] = []
    while time.monotonic() < deadline and not any(run["status"] in ("SUCCESS", "FAILURE") for run in runs):
        time.sleep(1)
        runs = [
            run
            for run in ask(page, RUNS)["runsOrError"]["results"]
            if any(tag["value"] == launched["backfillId"] for tag in run["tags"])
        ]
    assert [run["status"] for run in runs] == ["SUCCESS"], "the range is one run"
    with Store(project).read() as con:
        windows = con.execute(
            "SELECT DISTINCT window_end FROM extraction_runs WHERE metric_key = 'probe_long'"
        ).fetchall()
        (values,) = con.execute("SELECT count(*) FROM metric_values WHERE metric_key = 'probe_long'").fetchall()[0]
    # The schedule adds an hour of its own when the test runs over a full hour.
    assert len([end for (end,) in windows if end.year == 2026 and end.month == 3]) == 2
    assert values > 0
    with dg.DagsterInstance.from_config(str(project.home / "dagster")) as instance:
        assert all(is_local(run) for run in instance.get_runs()), "the next `dev` may mark what this one leaves behind"

    server.send_signal(signal.SIGTERM)
    assert server.wait(60) == 0
    with pytest.raises(requests.ConnectionError):
        requests.get(page, timeout=5)
