"""Completion in the shell: `metric-store --install-completion`, then Tab after the first letters of a metric's key."""

from __future__ import annotations


def metric_keys(incomplete: str) -> list[str]:
    """Keys of the active local metrics that begin so; nothing where definitions or settings cannot be read."""
    from pipeline.errors import MetricStoreError
    from pipeline.settings import load_settings
    from pipeline.workspace.catalogs import current_catalog

    try:
        found = current_catalog(load_settings()).active
    except MetricStoreError:
        return []
    return sorted(metric.key for metric in found if metric.key.startswith(incomplete))
