"""JSONPath over one document of a conversation."""

from __future__ import annotations

from typing import Any

from pipeline.catalog.paths import parse_path


def find(path: str, document: Any) -> Any:
    """What stands at a path: None for nothing, a list for several matches.

    Args:
        path: a JSONPath, or a bare name such as `caller.name`.
        document: what JSON holds.

    Raises:
        ExpressionError: the path is malformed.
    """
    found = parse_path(path if path.startswith("$") else f"$.{path}").find(document)
    return found[0] if len(found) == 1 else (found or None)
