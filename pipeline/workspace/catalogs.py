"""The catalog of a workspace: what is shipped, what its files define, what was sent over HTTP."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import duckdb

from pipeline.catalog import load_catalog
from pipeline.catalog.catalog import Catalog
from pipeline.settings import Settings
from pipeline.store.database import Store
from pipeline.store.definitions import api_definitions, builtin_overrides
from pipeline.store.snapshot import snapshot_reader

_NO_FILES = Path("/nonexistent")


def current_catalog(settings: Settings) -> Catalog:
    """The catalog that every door uses: the definitions that are in force at this instant.

    Takes no lock and works before anything was written.

    Raises:
        StoreUnavailableError: the control tables were published and cannot be opened.
    """
    return load_workspace_catalog(settings, settings.workspace_id, *published_definitions(settings))


def published_definitions(settings: Settings) -> tuple[list[dict[str, Any]], dict[str, dict[str, Any]]]:
    """What was sent over HTTP, from the published control tables: custom definitions, and changes to built-ins by key.

    Raises:
        StoreUnavailableError: the control tables were published and cannot be opened.
    """
    if not Store(settings).is_published("control"):
        return [], {}
    control = snapshot_reader(settings, "control", {"threads": 1, "memory_limit": "100MB"})
    try:
        with control.cursor() as (con, _):
            return api_definitions(con, settings.workspace_id), builtin_overrides(con, settings.workspace_id)
    finally:
        control.close()


def workspace_catalog(settings: Settings, workspace_id: str, con: duckdb.DuckDBPyConnection) -> Catalog:
    """The catalog of a workspace as a connection sees it: the live file's or that of the published control tables."""
    sent, overrides = api_definitions(con, workspace_id), builtin_overrides(con, workspace_id)
    return load_workspace_catalog(settings, workspace_id, sent, overrides)


def load_workspace_catalog(
    settings: Settings,
    workspace_id: str,
    sent: Sequence[Mapping[str, Any]] = (),
    overrides: Mapping[str, Mapping[str, Any]] | None = None,
) -> Catalog:
    """The catalog with the given custom definitions and changes to built-ins.

    Definition files belong to the workspace of the settings; any other has the built-ins and what it sent.
    """
    if workspace_id != settings.workspace_id:
        settings = settings.model_copy(update={"definitions": _NO_FILES})
    return load_catalog(settings, api_definitions=sent, api_overrides=overrides)
