"""What a metric is: models, loading, validation, versions and expressions."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pipeline.catalog.catalog import Catalog, ManagedBy, Metric, Problem
    from pipeline.catalog.loading import load_catalog
    from pipeline.catalog.models import MetricDefinition
    from pipeline.catalog.source_models import SourceMapping

__all__ = ["Catalog", "ManagedBy", "Metric", "MetricDefinition", "Problem", "SourceMapping", "load_catalog"]

_MODULES = {
    "Catalog": "catalog",
    "ManagedBy": "catalog",
    "Metric": "catalog",
    "Problem": "catalog",
    "load_catalog": "loading",
    "MetricDefinition": "models",
    "SourceMapping": "source_models",
}


def __getattr__(name: str) -> Any:
    """Load a part of the catalog when it is asked for; whoever reads numbers parses no definition."""
    if name in _MODULES:
        return getattr(import_module(f"pipeline.catalog.{_MODULES[name]}"), name)
    raise AttributeError(name)
