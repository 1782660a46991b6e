"""The stages, each in a module of its own that is imported when it is measured."""

from __future__ import annotations

from importlib import import_module

from pipeline.bench.stage import Stage

STAGES = (
    "ingest",
    "static",
    "pattern",
    "aggregate",
    "hourly",
    "history",
    "restate",
    "fanout",
    "shards",
    "rerun",
    "cost",
    "read",
    "snapshot",
    "growth",
    "memory",
)
"""Their names, in the order of the table; a module each."""


def stage_named(name: str) -> Stage:
    """The stage with this name."""
    stage: Stage = import_module(f"{__name__}.{name}").STAGE
    return stage
