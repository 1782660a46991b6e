"""The HTTP API: a thin door onto the published snapshot and the workspace's settings."""

from pipeline.api.app import create_app

__all__ = ["create_app"]
