"""Dagster's folder: configured once for the user, kept small, and usable after a crash."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import dagster as dg
import pytest
from pydantic import SecretStr

from pipeline.errors import SettingsError
from pipeline.orchestration.instance import POOL, fail_abandoned_runs, only_local_server, prepare_dagster_home
from pipeline.orchestration.jobs import prune_runs
from pipeline.orchestration.location import build_definitions
from pipeline.orchestration.reload import WEBSERVER, reload_sensor
from pipeline.settings import Settings


@pytest.fixture
def home(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in ("DAGSTER_HOME", "DAGSTER_POSTGRES_URL"):
        monkeypatch.setenv(name, "")
    return prepare_dagster_home(settings)


@pytest.fixture
def instance(home: Path) -> Iterator[dg.DagsterInstance]:
    with dg.DagsterInstance.from_config(str(home)) as found:
        yield found


def test_runs_never_overlap_and_nothing_is_reported_home(instance: dg.DagsterInstance) -> None:
    pools = instance.get_concurrency_config().pool_config
    assert pools.default_pool_limit == 1
    assert pools.pool_granularity is not None
    assert pools.pool_granularity.value == "run"
    assert not instance.telemetry_enabled
    assert instance.run_monitoring_enabled


def test_every_step_that_writes_is_in_the_pool(project: Settings) -> None:
    job = build_definitions(project).resolve_job_def("hourly_run")
    pools = {node.name: node.definition.pool for node in job.nodes if isinstance(node.definition, dg.OpDefinition)}
    assert pools["metrics"] == pools["conversations"] == POOL


def test_the_users_configuration_is_left_alone(settings: Settings, home: Path) -> None:
    (home / "dagster.yaml").write_text("telemetry: {enabled: false}\n# mine\n")
    assert prepare_dagster_home(settings) == home
    assert "# mine" in (home / "dagster.yaml").read_text()


def test_a_configuration_that_nobody_edited_follows_the_store_to_a_lake(settings: Settings, home: Path) -> None:
    on_a_lake = settings.model_copy(update={"catalog": SecretStr("postgresql://db/x")})
    for there, keeps_runs_in_postgres in ((on_a_lake, True), (settings, False)):
        prepare_dagster_home(there)
        assert ("postgres" in (home / "dagster.yaml").read_text()) == keeps_runs_in_postgres


def test_a_second_server_leaves_the_runs_of_the_first_alone(settings: Settings, instance: dg.DagsterInstance) -> None:
    with only_local_server(settings):
        running = instance.create_run_for_job(small, status=dg.DagsterRunStatus.STARTED).run_id
        with only_local_server(settings):
            assert [run.status for run in instance.get_runs()] == [dg.DagsterRunStatus.STARTED]
    with only_local_server(settings):
        assert {run.run_id: run.status for run in instance.get_runs()} == {running: dg.DagsterRunStatus.FAILURE}


def test_a_home_that_the_user_has_set_is_used(
    settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DAGSTER_HOME", str(tmp_path / "theirs"))
    assert prepare_dagster_home(settings) == tmp_path / "theirs"
    assert (tmp_path / "theirs" / "dagster.yaml").exists()


def test_a_home_that_cannot_be_made_is_said(
    settings: Settings, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("DAGSTER_HOME", str(tmp_path / "file" / "home"))
    with pytest.raises(SettingsError, match="Set DAGSTER_HOME"):
        prepare_dagster_home(settings)


@dg.op
def nothing() -> None: ...


@dg.job
def small() -> None:
    nothing()


def test_old_runs_are_pruned_with_their_files_and_new_ones_kept(instance: dg.DagsterInstance, home: Path) -> None:
    old = [small.execute_in_process(instance=instance).run_id for _ in range(2)]
    border = datetime.now(UTC)
    new = small.execute_in_process(instance=instance).run_id
    unfinished = instance.create_run_for_job(small, status=dg.DagsterRunStatus.STARTED).run_id
    assert prune_runs(instance, border - timedelta(days=1)) == 0
    assert prune_runs(instance, border) == 2
    assert {run.run_id for run in instance.get_runs()} == {new, unfinished}
    assert instance.all_logs(new)
    names = {path.name for path in home.rglob("*")}
    assert not any(run_id in name for run_id in old for name in names)
    assert f"{new}.db" in names


def test_runs_of_a_server_that_died_do_not_hold_the_pool(instance: dg.DagsterInstance) -> None:
    waiting = instance.create_run_for_job(small, status=dg.DagsterRunStatus.NOT_STARTED).run_id
    died = instance.create_run_for_job(small, status=dg.DagsterRunStatus.STARTED).run_id
    assert fail_abandoned_runs(instance) == 1
    statuses = {run.run_id: run.status for run in instance.get_runs()}
    assert statuses == {waiting: dg.DagsterRunStatus.NOT_STARTED, died: dg.DagsterRunStatus.FAILURE}


def test_the_sensor_asks_only_after_a_change(
    project: Settings, instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv(WEBSERVER, raising=False)
    sensor = reload_sensor(project)
    context = dg.build_sensor_context(instance=instance)
    assert "are the loaded ones" in str(sensor(context))
    (project.definitions / "metrics" / "custom" / "probe.yaml").write_text("definitions: []\n")
    assert WEBSERVER in str(sensor(context))
