"""Which settings are in force, and where each was set."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel
from pydantic_settings import EnvSettingsSource, TomlConfigSettingsSource

from pipeline.settings import SETTINGS_FILE, Settings

_CREDENTIALS = re.compile(r"//[^/@\s]+@")


@dataclass(frozen=True)
class Origin:
    """One setting: its dotted name, its value as text, and `environment`, `metric-store.toml` or `default`."""

    name: str
    value: str | None
    origin: str
    description: str


def origins(settings: Settings) -> list[Origin]:
    """Every setting in the order of its declaration. Credentials inside URLs are not shown."""
    layers = {"environment": EnvSettingsSource(Settings)(), str(SETTINGS_FILE): TomlConfigSettingsSource(Settings)()}
    return list(_flatten(settings, "", layers))


def _flatten(model: BaseModel, prefix: str, layers: Mapping[str, Any]) -> Iterator[Origin]:
    for name, field in type(model).model_fields.items():
        value = getattr(model, name)
        inner = {label: layer[name] for label, layer in layers.items() if isinstance(layer, Mapping) and name in layer}
        if isinstance(value, BaseModel):
            yield from _flatten(value, f"{prefix}{name}.", inner)
        else:
            yield Origin(f"{prefix}{name}", _text(value), next(iter(inner), "default"), field.description or "")


def _text(value: Any) -> str | None:
    if value is None:
        return None
    return _CREDENTIALS.sub("//…@", str(value))
