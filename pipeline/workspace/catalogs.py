"""The catalog of a workspace: what is shipped, what its files define, what was sent over HTTP."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import duckdb

from pipeline.catalog import load_catalog
from pipeline.catalog.catalog import Catalog
from pipeline.settings import Settings
from pipeline.store import Store
from pipeline.store.definitions import api_definitions, builtin_overrides

_NO_FILES = Path("/nonexistent")


def current_catalog(settings: Settings, store: Store) -> Catalog:
    """The catalog that a run uses, with the definitions that are in force at this instant."""
    with store.write() as con:
        return workspace_catalog(settings, store.workspace_id, con)


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
    catalog = load_catalog(settings, api_definitions=sent)
    changed = {
        key: replace(metric, definition=metric.definition.model_copy(update=dict(fields)))
        for key, fields in (overrides or {}).items()
        if (metric := catalog.by_key.get(key)) is not None and metric.managed_by == "builtin"
    }
    if not changed:
        return catalog
    return replace(catalog, metrics=tuple(changed.get(metric.key, metric) for metric in catalog.metrics))
