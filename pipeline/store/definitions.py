"""The custom definitions that came over HTTP, as the newest settings revision holds them."""

from __future__ import annotations

from typing import Any

import duckdb
import orjson

_NEWEST = """
SELECT definitions, overrides FROM settings_revisions WHERE workspace_id = ? ORDER BY revision DESC LIMIT 1
"""


def api_definitions(con: duckdb.DuckDBPyConnection, workspace_id: str) -> list[dict[str, Any]]:
    """The custom definitions in force, without what equals its default, in the order in which they were sent."""
    found = con.execute(_NEWEST, [workspace_id]).fetchall()
    return list(orjson.loads(found[0][0])) if found else []


def builtin_overrides(con: duckdb.DuckDBPyConnection, workspace_id: str) -> dict[str, dict[str, Any]]:
    """What was changed about built-in metrics, by key: `active`, `freshness_sla_minutes`."""
    found = con.execute(_NEWEST, [workspace_id]).fetchall()
    return dict(orjson.loads(found[0][1])) if found else {}
