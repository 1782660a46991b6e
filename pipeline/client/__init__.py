"""The Python client: `MetricStore` for programs that wait, `AsyncMetricStore` for those that do not.

`open_store` reads a store on this machine, without a server.
"""

from pipeline.client.clients import AsyncMetricStore, MetricStore
from pipeline.client.errors import RefusedError, UnreachableError
from pipeline.client.notebook import open_store
from pipeline.client.rows import Rows

__all__ = ["AsyncMetricStore", "MetricStore", "RefusedError", "Rows", "UnreachableError", "open_store"]
