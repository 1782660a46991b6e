"""The Python client: `MetricStore` for programs that wait, `AsyncMetricStore` for those that do not."""

from pipeline.client.clients import AsyncMetricStore, MetricStore
from pipeline.client.errors import RefusedError, UnreachableError
from pipeline.client.rows import Rows

__all__ = ["AsyncMetricStore", "MetricStore", "RefusedError", "Rows", "UnreachableError"]
