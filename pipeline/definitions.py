"""Dagster's entry point: the code location `pipeline.definitions`."""

from pipeline.orchestration.location import build_definitions
from pipeline.settings import load_settings

defs = build_definitions(load_settings())
