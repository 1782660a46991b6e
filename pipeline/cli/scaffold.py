"""A new project folder around an installed wheel: the user's own definitions, settings and Dagster's workspace file."""

from __future__ import annotations

import json
from importlib.resources import files
from pathlib import Path

from pydantic import BaseModel

from pipeline.catalog.schema import definition_schema
from pipeline.errors import SettingsError
from pipeline.settings import SETTINGS_FILE, Settings

LANDING = Path(".metric_store/landing")
"""Where the settings of a new project look for files."""
_FILES = {
    "README.md": "README.md",
    "gitignore": ".gitignore",
    "workspace.yaml": "workspace.yaml",
    "refunds.yaml": "definitions/metrics/custom/refunds.yaml",
    "helpdesk.yaml": "definitions/sources/helpdesk.yaml",
}
"""Where each file of `template/` goes."""


_MODEL = """\
# The model that judged metrics ask, on any OpenAI-compatible server. The key stays in the environment.
# [models.default]
# model = "gpt-5-mini"
# base_url = "https://api.openai.com/v1"
# key_variable = "OPENAI_API_KEY"
# usd_in = 0.25
# usd_out = 2.0
#
# [models.budget]
# usd_per_day = 5.0
"""


def write_project(folder: Path) -> list[Path]:
    """Write the files of a new project.

    Returns:
        What was written.

    Raises:
        SettingsError: the folder holds something already, or cannot be written.
    """
    try:
        if folder.exists() and any(folder.iterdir()):
            raise SettingsError(f"{folder} is not empty; nothing was written. Name a folder that does not exist yet.")
        template = files("pipeline.cli").joinpath("template")
        contents = {target: template.joinpath(name).read_text(encoding="utf-8") for name, target in _FILES.items()}
        contents[str(SETTINGS_FILE)] = settings_template()
        contents["definitions/metrics.schema.json"] = json.dumps(definition_schema(), indent=2) + "\n"
        for target, text in contents.items():
            (folder / target).parent.mkdir(parents=True, exist_ok=True)
            (folder / target).write_text(text, encoding="utf-8")
        (folder / LANDING).mkdir(parents=True)
    except OSError as error:
        raise SettingsError(f"Cannot write {folder}: {error.strerror}. Name a folder that you may write.") from error
    return [folder / target for target in contents]


def settings_template() -> str:
    """A settings file in which every setting stands with its meaning and its default, commented out."""
    lines = ["# Settings of this project. METRIC_STORE_<NAME> in the environment wins over this file.", ""]
    for name, field in Settings.model_fields.items():
        default = field.get_default(call_default_factory=True)
        if isinstance(default, BaseModel | dict):
            continue  # groups follow in their own tables, which only a project that uses them needs
        lines += [f"# {field.description}", f"# {name} = {_toml(default)}", ""]
    return "\n".join([*lines, _MODEL])


def _toml(value: object) -> str:
    match value:
        case None:
            return '""'
        case bool():
            return str(value).lower()
        case int() | float():
            return str(value)
        case _:
            return json.dumps(str(value))
