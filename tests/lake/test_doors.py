"""Every door on a lake: the command line, Dagster with its storage in PostgreSQL, the HTTP API."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import dagster as dg
import httpx2
import pytest
from api_server import Server, fill, serving
from dagster._core.storage.tags import GRPC_INFO_TAG

from pipeline.cli.app import run
from pipeline.orchestration.instance import only_local_server, prepare_dagster_home
from pipeline.orchestration.location import build_definitions
from pipeline.orchestration.metrics import metric_asset
from pipeline.sample import write_sample
from pipeline.settings import Settings
from pipeline.store import Store
from pipeline.workspace.keys import create_key, revoke_key

AT = "2026-03-12T14:00Z"
METRICS = """\
definitions:
  - {key: c_turns, name: Turns, metric_type: numerical, source: call_intelligence, unit: turns,
     event_types: [call_intelligence.row], extract_path: $.conversation_summary.turn_count, aggregation: avg,
     period_granularity: hourly}
"""


@pytest.fixture
def deployment(lake: Settings, tmp_path: Path) -> Settings:
    """A lake with the sample in its landing folder and one custom metric."""
    custom = tmp_path / "definitions" / "metrics" / "custom"
    custom.mkdir(parents=True)
    (custom / "c.yaml").write_text(METRICS)
    sample = write_sample(tmp_path / "sample", end=datetime(2026, 3, 12, 15, tzinfo=UTC), conversations=40)
    return lake.model_copy(update={"landing": str(sample.landing), "start": datetime(2026, 3, 10, tzinfo=UTC)})


def test_the_command_line(
    deployment: Settings, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert deployment.catalog is not None
    for name, value in {
        "catalog": deployment.catalog.get_secret_value(),
        "data_path": deployment.data_path,
        "landing": deployment.landing,
        "home": deployment.home,
    }.items():
        monkeypatch.setenv(f"METRIC_STORE_{name.upper()}", str(value))

    def shell(*arguments: str) -> Any:
        capsys.readouterr()
        assert run([*arguments, "--json"]) == 0
        return json.loads(capsys.readouterr().out)

    done = shell("run", "--at", AT, "--metric", "c_turns")
    (outcome,) = done["windows"][0]["metrics"]
    assert outcome["eligible"] == sum(outcome["states"].values()) > 0
    (row,) = shell("list")
    assert (row["metric_key"], row["unit"]) == ("c_turns", "turns")
    assert shell("maintain")["bytes"] > 0
    assert shell("get", "c_turns", "--grain", "hour")
    assert "*" in next(setting["value"] for setting in shell("settings") if setting["name"] == "catalog")


def test_dagster_keeps_runs_and_events_in_postgres(deployment: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("DAGSTER_HOME", "DAGSTER_POSTGRES_URL"):
        monkeypatch.setenv(name, "")
    home = prepare_dagster_home(deployment)
    assert deployment.catalog is not None
    assert deployment.catalog.get_secret_value().partition("//")[2] not in (home / "dagster.yaml").read_text()
    job = build_definitions(deployment).resolve_job_def("hourly_run")
    around = ["conversation_events", "call_intelligence", "metric_periods", "published_snapshot"]
    with dg.DagsterInstance.from_config(str(home)) as instance:
        result = job.execute_in_process(
            run_config={"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}},
            instance=instance,
            asset_selection=[metric_asset("c_turns"), *map(dg.AssetKey, around)],
            partition_key="2026-03-12-14:00",
        )
        assert result.success
    with dg.DagsterInstance.from_config(str(home)) as another:  # nothing of it is in the folder
        (found,) = another.get_runs()
        assert found.status == dg.DagsterRunStatus.SUCCESS
        assert another.get_materialized_partitions(metric_asset("c_turns")) == {"2026-03-12-14:00"}
        launched_by = {"dev": {"host": "localhost", "socket": "/tmp/s"}, "compose": {"host": "code", "port": 4000}}
        runs = {
            name: another.create_run_for_job(
                job, status=dg.DagsterRunStatus.STARTED, tags={GRPC_INFO_TAG: json.dumps(where)}
            ).run_id
            for name, where in launched_by.items()
        }
        with only_local_server(deployment):  # the next `dev`, after one that was killed
            statuses = {name: another.get_run_by_id(run_id).status for name, run_id in runs.items()}
        assert statuses == {"dev": dg.DagsterRunStatus.FAILURE, "compose": dg.DagsterRunStatus.STARTED}
    assert not list(home.rglob("*.db"))
    with Store(deployment).read() as con:
        values = con.execute("SELECT count(*) FROM metric_values WHERE metric_key = 'c_turns'").fetchall()
    assert values[0][0] > 0


def test_the_server_answers_as_from_one_file(both: dict[str, Settings]) -> None:
    """Every list that takes no identifier, SQL behind its wall, and a key that stops working at once."""
    answers: dict[str, dict[str, Any]] = {}
    for name, settings in both.items():
        store = Store(settings)
        fill(settings, store)
        key_id, key = create_key(store, "owner", "owner", actor="cli", now=datetime.now(UTC))
        with serving(settings) as url, Server(url, settings, store, {"owner": key}).client() as client:
            paths = [
                path.partition("{workspace_id}")[2]
                for path, operations in httpx2.get(f"{url}/openapi.json", timeout=60).json()["paths"].items()
                if "get" in operations and path.startswith("/v1/{workspace_id}/") and path.count("{") == 1
            ]
            answers[name] = {path: client.get(path) for path in paths}
            query = {"sql": "SELECT metric_key, count(*) AS n FROM metric_periods GROUP BY ALL ORDER BY ALL"}
            answers[name]["SQL"] = client.post("/query", json=query)
            outside = client.post("/query", json={"sql": "SELECT * FROM read_text('/etc/hostname')"})
            assert outside.status_code == 400 or outside.status_code == 422
            revoke_key(store, key_id, actor="cli", now=datetime.now(UTC))
            assert client.get("/metrics").status_code == 401
    assert len(answers["lake"]) > 8
    for path, answer in answers["lake"].items():
        expected = answers["file"][path]
        assert (path, answer.status_code) == (path, expected.status_code)
        if not path.endswith(("/keys", "/audit", "/settings/history")):  # which hold when and who
            assert answer.json() == expected.json(), path
