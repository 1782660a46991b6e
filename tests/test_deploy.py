"""The files of `.deploy/`: their formats, and that all they name exists."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator
from importlib.metadata import entry_points
from itertools import takewhile
from pathlib import Path
from typing import Any

import pytest
from compose_spec import PyOptions
from dagster._config import process_config, resolve_to_config_type
from dagster._core.instance.config import dagster_instance_config
from dagster_k8s.launcher import K8sRunLauncher
from dagster_k8s.models import k8s_model_from_dict, k8s_snake_case_dict
from kubernetes.client import models as kubernetes
from ruamel.yaml import YAML

from pipeline.orchestration.reload import WEBSERVER
from pipeline.settings import Settings

PROJECT = Path(__file__).parents[1]
DEPLOY = PROJECT / ".deploy"
FILES = sorted(path for path in DEPLOY.rglob("*") if path.is_file())
# Variables of these files, and not of the settings.
OTHERS = {"API_LISTEN", "CODE_SERVER", "DAGSTER_LISTEN", "IMAGE", "PROJECT", WEBSERVER.removeprefix("METRIC_STORE_")}
KINDS = {"Deployment": "V1Deployment", "PersistentVolumeClaim": "V1PersistentVolumeClaim", "Service": "V1Service"}


def read(name: str) -> Any:
    return YAML(typ="safe").load(DEPLOY / name)


def compose() -> dict[str, Any]:
    return read("compose.yaml")  # type: ignore[no-any-return]


def user_code() -> dict[str, Any]:
    (deployment,) = read("kubernetes/values.yaml")["dagster-user-deployments"]["deployments"]
    return deployment  # type: ignore[no-any-return]


def manifests() -> list[dict[str, Any]]:
    return list(YAML(typ="safe").load_all(DEPLOY / "kubernetes/api.yaml"))


def test_compose_file_follows_the_specification() -> None:
    filled = re.sub(r"\$\{\w+(?::-([^}]*)|:\?[^}]*)\}", r"\1", (DEPLOY / "compose.yaml").read_text())
    PyOptions(apply_merge=True).from_yaml(filled).validate()


def test_the_check_of_the_specification_finds_something() -> None:
    with pytest.raises(ValueError, match="heathcheck"):
        PyOptions(apply_merge=True).from_yaml("services: {api: {image: x, heathcheck: {}}}")


def test_docker_reads_the_compose_file(tmp_path: Path) -> None:
    if (
        shutil.which("docker") is None
        or subprocess.run(["docker", "compose", "version"], capture_output=True).returncode
    ):
        pytest.skip("docker compose is not installed")
    command = ["docker", "compose", "--file", str(DEPLOY / "compose.yaml"), "config", "--quiet"]
    given = os.environ | {"POSTGRES_PASSWORD": "secret"}
    done = subprocess.run(command, env=given, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    without = {name: value for name, value in os.environ.items() if name != "POSTGRES_PASSWORD"}
    assert subprocess.run(command, env=without, cwd=tmp_path, capture_output=True, check=False).returncode != 0


def test_every_service_is_checked_limited_and_unprivileged() -> None:
    services = compose()["services"]
    for name, service in services.items():
        assert service["deploy"]["resources"]["limits"].keys() == {"cpus", "memory"}, name
        for other, condition in service.get("depends_on", {}).items():
            assert condition == {"condition": "service_healthy"}
            assert "healthcheck" in services[other], f"{name} waits for {other}, which nothing checks"
        if name != "postgres":
            assert service["user"] == "10001:10001"
            assert service["read_only"] is True
    for published in (port for service in services.values() for port in service.get("ports", [])):
        assert ":-127.0.0.1:" in published, "a port is open to the network unless somebody closes it"


@pytest.mark.parametrize("manifest", manifests(), ids=lambda manifest: manifest["kind"])
def test_manifests_fit_the_types_of_kubernetes(manifest: dict[str, Any]) -> None:
    """Unknown and missing fields are errors of the official client's types."""
    model = getattr(kubernetes, KINDS[manifest["kind"]])
    k8s_model_from_dict(model, k8s_snake_case_dict(model, manifest))
    assert manifest["apiVersion"] == ("apps/v1" if manifest["kind"] == "Deployment" else "v1")


def test_manifests_belong_together() -> None:
    volume, deployment, service = manifests()
    pod = deployment["spec"]["template"]
    assert deployment["spec"]["selector"]["matchLabels"] == pod["metadata"]["labels"] == service["spec"]["selector"]
    (container,) = pod["spec"]["containers"]
    assert service["spec"]["ports"][0]["targetPort"] in {port["name"] for port in container["ports"]}
    for spec, mounts in ((pod["spec"], container["volumeMounts"]), (user_code(), user_code()["volumeMounts"])):
        volumes = {each["name"]: each for each in spec["volumes"]}
        assert {mount["name"] for mount in mounts} == set(volumes)
        assert volumes["data"]["persistentVolumeClaim"]["claimName"] == volume["metadata"]["name"]
    assert container["image"] == "{repository}:{tag}".format(**user_code()["image"])


def test_pods_of_the_chart_fit_the_types_of_kubernetes() -> None:
    """What the chart copies into pods: environment, volumes, security, resources."""
    code, values = user_code(), read("kubernetes/values.yaml")
    run = values["runLauncher"]["config"]["k8sRunLauncher"]["runK8sConfig"]
    container = {name: code[name] for name in ("env", "volumeMounts", "securityContext", "resources")}
    container |= {"name": "code", "envFrom": [{"secretRef": each} for each in code["envSecrets"]]}
    pods: list[dict[str, Any]] = [
        {"containers": [container], "volumes": code["volumes"], "securityContext": code["podSecurityContext"]},
        {"containers": [{"name": "run", **run["containerConfig"]}], **run["podSpecConfig"]},
        *(
            {"containers": [{"name": part, "resources": values[part]["resources"]}]}
            for part in ("dagsterWebserver", "dagsterDaemon")
        ),
    ]
    for pod in pods:
        k8s_model_from_dict(kubernetes.V1PodSpec, k8s_snake_case_dict(kubernetes.V1PodSpec, pod))
    k8s_model_from_dict(
        kubernetes.V1JobSpec,
        k8s_snake_case_dict(kubernetes.V1JobSpec, {"template": {}, **run["jobSpecConfig"]}),
    )


def test_the_run_launcher_takes_its_settings() -> None:
    """As the chart writes them into dagster.yaml."""
    given = read("kubernetes/values.yaml")["runLauncher"]
    assert given["type"] == K8sRunLauncher.__name__
    launcher = given["config"]["k8sRunLauncher"]
    run = {_snake(name): value for name, value in launcher["runK8sConfig"].items()}
    config = {_snake(name): value for name, value in launcher.items()} | {"run_k8s_config": run}
    config |= {"service_account_name": "x", "instance_config_map": "x", "postgres_password_secret": "x"}
    result = process_config(resolve_to_config_type(K8sRunLauncher.config_type()), config)
    assert result.success, result.errors


@pytest.mark.parametrize("deployment", ["compose", "chart"])
def test_dagster_takes_the_instance(deployment: str, tmp_path: Path) -> None:
    """Runs do not overlap in either; the chart writes a run coordinator, which must not contradict that."""
    if deployment == "compose":
        config = read("dagster.yaml")
    else:
        values = read("kubernetes/values.yaml")
        queue = values["dagsterDaemon"]["runCoordinator"]["config"]["queuedRunCoordinator"]
        assert not any(queue.values()), "the chart would write max_concurrent_runs"
        coordinator = {"module": "dagster.core.run_coordinator", "class": "QueuedRunCoordinator"}
        config = values["additionalInstanceConfig"] | {"run_coordinator": coordinator}
    with (tmp_path / "dagster.yaml").open("w") as file:
        YAML().dump(config, file)
    found, _ = dagster_instance_config(str(tmp_path))
    assert found["concurrency"]["pools"] == {"granularity": "run", "default_limit": 1}


def test_the_instance_is_that_of_one_process() -> None:
    folder = PROJECT / "pipeline" / "orchestration"
    packaged = [YAML(typ="safe").load(folder / name) for name in ("dagster.yaml", "postgres.yaml")]
    assert read("dagster.yaml") == packaged[0] | packaged[1]
    for name in ("code", "webserver", "daemon"):
        assert compose()["services"][name]["configs"][0]["target"] == "/var/lib/dagster/dagster.yaml"
        assert "dagster:/var/lib/dagster" in compose()["services"][name]["volumes"]
    assert "DAGSTER_HOME=/var/lib/dagster " in (DEPLOY / "Dockerfile").read_text()


def test_every_variable_is_a_setting() -> None:
    named = {name for file in FILES for name in re.findall(r"\bMETRIC_STORE_([A-Z0-9_]+)", file.read_text())}
    assert named > OTHERS
    assert {name for name in named - OTHERS if not is_setting(name.lower().split("__"))} == set()


def is_setting(path: list[str]) -> bool:
    model: Any = Settings
    for name in path:
        fields = getattr(model, "model_fields", {})
        if name not in fields:
            return False
        inner = fields[name].annotation
        model = next((kind for kind in getattr(inner, "__args__", (inner,)) if hasattr(kind, "model_fields")), None)
    return True


def commands() -> Iterator[list[str]]:
    """Every command that a container runs, and every one of ours in a block of the documents."""
    for service in compose()["services"].values():
        command = service.get("command", [])
        if command[:1] == ["sh"]:
            yield from (shlex.split(line.removeprefix("exec ")) for line in command[-1].splitlines())
        yield command
        yield service.get("healthcheck", {}).get("test", [""])[1:]
    (container,) = manifests()[1]["spec"]["template"]["spec"]["containers"]
    yield container["command"]
    yield ["dagster", "code-server", "start", *user_code()["codeServerArgs"]]
    for line in re.findall(r"^ *CMD (\[.*\])$", (DEPLOY / "Dockerfile").read_text(), re.MULTILINE):
        yield YAML(typ="safe").load(line)
    for document in DEPLOY.glob("*.md"):
        for block in re.findall(r"```sh\n(.*?)```", document.read_text(), re.DOTALL):
            for line in re.findall(r"\bmetric-store (?:run|keys|serve|bench|maintain|move)\b.*", block):
                yield shlex.split(line, comments=True)


def test_every_command_exists_with_its_options(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    wanted: dict[tuple[str, ...], set[str]] = {}
    for command in commands():
        verbs = tuple(takewhile(lambda word: re.fullmatch(r"[a-z][a-z-]*", word), command))
        if verbs and verbs[0].startswith(("dagster", "metric-store")):
            wanted.setdefault(verbs, set()).update(word for word in command if word.startswith("--"))
    assert {("metric-store", "serve"), ("dagster", "code-server", "start"), ("dagster-daemon", "run")} <= wanted.keys()
    monkeypatch.setenv("COLUMNS", "200")
    for verbs, options in wanted.items():
        (program,) = entry_points(group="console_scripts", name=verbs[0])
        monkeypatch.setattr(sys, "argv", [*verbs, "--help"])
        with pytest.raises(SystemExit) as ended:
            program.load()()
        assert not ended.value.code, verbs
        assert options <= set(re.findall(r"--[a-z-]+", capsys.readouterr().out)), verbs


UNITS = {
    "ms CPU": 1e-3,
    "s CPU": 1,
    "s": 1,
    "min": 60,
    "h": 3600,
    "bytes": 1,
    "GB": 1e9,
    "TB": 1e12,
    "M": 1e6,
    "USD": 1,
    "": 1,
}


def test_the_page_on_sizing_agrees_with_its_own_figures() -> None:
    """The cost of one unit is measured; all else is worked out from it."""
    page = (DEPLOY / "sizing.md").read_text()
    cells = {
        row[0]: row[1:]
        for row in ([cell.strip() for cell in line.strip("|").split("|")] for line in page.splitlines() if "|" in line)
    }
    one = {sign: amount(row[1]) for sign, row in cells.items() if re.fullmatch(r"[A-Z][fl]?", sign)}
    given = re.search(r"With e = (\d+), d = (\d+), w = (\d+), and j = (\d+)", page)
    assert given
    e, d, w, j = map(int, given.groups())
    price = float(re.search(r"([\d.]+) USD a conversation", page)[1])  # type: ignore[index]
    hourly = [amount(cell) for cell in cells["conversations an hour"]]
    assert (hourly[0], hourly[-1]) == (500, 1_000_000)
    for at, c in enumerate(hourly):
        cpu = {
            hours: one["R"] + c * (e * one["E"] + one["C"] + d * one["V"] + d * hours * one["W"]) for hours in (2, w)
        }
        a_day = [24 * c * (e * one[f"E{kind}"] + d * one[f"V{kind}"]) for kind in "fl"]
        expected = {
            "events an hour": [c * e],
            "CPU an hour without models, extrapolated beyond the first": [cpu[w]],
            "the same with w = 2": [cpu[2]],
            "disk a day, file / lake": a_day,
            "disk a year, file / lake": [365 * size for size in a_day],
            "model money a day, cap 500": [24 * price * min(c, 500)],
            "model money a day, all": [24 * price * c],
            "calls a second, all": [c * j / 3600],
        }
        for row, numbers in expected.items():
            *others, last = cells[row][at].split(" / ")
            unit = re.sub(r"^[\d.,]+", "", last)
            found = [amount(cell if re.search(r"[a-zA-Z]", cell) else cell + unit) for cell in (*others, last)]
            assert found == pytest.approx(numbers, rel=0.08), f"{row}, {c:,.0f} an hour"  # cells are rounded


def amount(cell: str) -> float:
    """A number with its unit, as bytes, seconds or what it is."""
    number, unit = re.match(r"([\d.,]+) ?(M\b|[A-Za-z -]*)", cell).groups()  # type: ignore[union-attr]
    return float(number.replace(",", "")) * UNITS[unit.strip()]


def test_what_the_image_copies_exists() -> None:
    text = (DEPLOY / "Dockerfile").read_text()
    ignored = (DEPLOY / "Dockerfile.dockerignore").read_text().splitlines()
    let_through = {line.removeprefix("!") for line in ignored if line.startswith("!")}
    copied = [line.split()[1:-1] for line in text.splitlines() if line.startswith("COPY ") and "--from" not in line]
    sources = {source for line in copied for source in line}
    assert sources == let_through
    assert all((PROJECT / source).exists() for source in sources)
    assert re.search(r"^USER 10001:10001$", text, re.MULTILINE)
    assert text.index("USER 10001") > text.rindex("\nRUN ")


def test_no_secret_stands_in_a_file() -> None:
    for file in FILES:
        for name, value in re.findall(r"(\w*(?:PASSWORD|API_KEY|password))(?:=|: +)\"?([^\s\"]*)", file.read_text()):
            assert value[:1] in ("", "$"), f"{file.name}: {name}"


def _snake(name: str) -> str:
    return re.sub(r"(?<=[a-z0-9])([A-Z])", lambda found: f"_{found[1].lower()}", name)
