"""The mapping language: how a foreign format becomes events, declared in YAML."""

from __future__ import annotations

from pipeline.catalog.models import Key, Model


class SourceMapping(Model):
    """One file under `definitions/sources/`."""

    key: Key
