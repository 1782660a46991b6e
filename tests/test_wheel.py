"""The built wheel in an empty environment: a project of one's own, from `init` to numbers."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

PROJECT = Path(__file__).parents[1]
SAID = ["I want a refund", "hello", "thanks", "my money back, please"]
EVENTS = [
    {
        "event_id": f"e{n}",
        "conversation_id": f"c{n}",
        "event_type": "user.turn",
        "occurred_at": f"2026-03-12T14:0{n}:00Z",
        "channel": "text",
        "traffic": "production",
        "data": {"text": text},
    }
    for n, text in enumerate(SAID)
]

pytestmark = [pytest.mark.skipif(shutil.which("uv") is None, reason="uv is not installed"), pytest.mark.wheel]


@pytest.fixture(scope="module")
def command(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """`metric-store` of a wheel that was built from this checkout."""
    folder = tmp_path_factory.mktemp("wheel")
    pins = tomllib.loads((PROJECT / "pyproject.toml").read_text())["tool"]["uv"]["constraint-dependencies"]
    (folder / "constraints.txt").write_text("\n".join(pins))
    uv("build", "--wheel", "--out-dir", str(folder), str(PROJECT))
    (wheel,) = folder.glob("*.whl")
    uv("venv", "--python", sys.executable, str(folder / "venv"))
    python = folder / "venv" / "bin" / "python"
    uv("pip", "install", "--python", str(python), "-c", str(folder / "constraints.txt"), str(wheel))
    return python.with_name("metric-store")


def uv(*arguments: str) -> None:
    environment = {name: value for name, value in os.environ.items() if name != "VIRTUAL_ENV"}
    done = subprocess.run(["uv", *arguments], env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_init_ingest_run_and_get_from_an_installed_wheel(command: Path, tmp_path: Path) -> None:
    def metric_store(*arguments: str, folder: Path = tmp_path / "mine") -> str:
        environment = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "VIRTUAL"))}
        done = subprocess.run(
            [command, *arguments], cwd=folder, env=environment, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    metric_store("init", "mine", folder=tmp_path)
    metric_store("definitions", "validate")
    catalog = {metric["key"]: metric["managed_by"] for metric in json.loads(metric_store("catalog", "--json"))}
    assert catalog["refund_mention_rate"] == "file"
    assert catalog["voice_quality_score"] == "builtin"
    (tmp_path / "mine" / "chats.ndjson").write_text("".join(json.dumps(event) + "\n" for event in EVENTS))
    assert json.loads(metric_store("ingest", "chats.ndjson", "--json"))["conversation_count"] == 4
    metric_store("run", "--at", "2026-03-12T14:00Z")
    (row,) = json.loads(metric_store("get", "refund_mention_rate", "--grain", "hour", "--json"))
    assert (row["value"], row["event_count"], row["eligible_count"]) == (0.5, 4, 4)
    assert json.loads(metric_store("ingest", "--source", "star", "--json"))["files"] == []

    dagster = subprocess.run(
        [command.with_name("dagster"), "definitions", "validate", "-w", "workspace.yaml"],
        cwd=tmp_path / "mine",
        capture_output=True,
        text=True,
        check=False,
    )
    assert dagster.returncode == 0, dagster.stderr
