"""The compose file says what the program understands: settings, commands, volumes, and folders of the image."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML
from typer.main import get_command

from pipeline.cli.app import app
from pipeline.settings import Settings

FOLDER = Path(__file__).parents[2] / ".deploy"
IMAGE = (FOLDER / "Dockerfile").read_text()
SETTING = re.compile(r"(METRIC_STORE_\w+)=(\S+)")


@pytest.fixture(scope="module")
def compose() -> Any:
    return YAML(typ="safe").load((FOLDER / "compose.yaml").read_text())


def test_the_settings_of_image_and_services_make_a_lake(compose: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    services = [service for service in compose["services"].values() if service["image"] == "metric-store"]
    assert len(services) == 3
    for service in services:
        given = dict(SETTING.findall(IMAGE)) | service["environment"]
        names = {f"METRIC_STORE_{name.upper()}" for name in Settings.model_fields}
        assert given.keys() <= names
        for name, value in given.items():
            monkeypatch.setenv(name, value)
        settings = Settings()
        assert settings.catalog is not None
        mounted = {volume.split(":")[1] for volume in service["volumes"]}
        assert {str(settings.data_path), str(settings.landing), str(settings.home)} <= mounted


def test_every_command_exists_and_takes_what_it_is_given(compose: Any) -> None:
    commands = get_command(app).commands  # type: ignore[attr-defined]
    for service in compose["services"].values():
        for verb, *arguments in [service["command"]] if "command" in service else []:
            commands[verb].make_context(verb, list(arguments))


def test_volumes_and_dependencies_are_declared(compose: Any) -> None:
    for service in compose["services"].values():
        named = [v.split(":")[0] for v in service.get("volumes", []) if not v.startswith(".")]
        assert set(named) <= compose["volumes"].keys()
        assert set(service.get("depends_on", {})) <= compose["services"].keys()
    for source in re.findall(r"^COPY (.+) \S+$", IMAGE, re.MULTILINE):
        assert all((FOLDER.parent / name).exists() for name in source.split())
