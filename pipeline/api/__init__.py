"""The HTTP API: a thin door onto the published snapshot and the workspace's settings.

`create_app` is imported when it is first asked for: the client and the command line read `models` without a framework.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pipeline.api.app import create_app

__all__ = ["create_app"]


def __getattr__(name: str) -> Any:
    if name != "create_app":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from pipeline.api.app import create_app

    return create_app
