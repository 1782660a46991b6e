"""A store with hand-written values, and the plain ways to look at what became of them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import duckdb
import pyarrow as pa
import pytest
from lots import named

from pipeline.aggregate import AggregateReport, aggregate
from pipeline.catalog.catalog import Catalog, Metric
from pipeline.catalog.models import MetricDefinition
from pipeline.settings import Settings
from pipeline.store import Store

NOON = datetime(2026, 3, 10, 12, 10, tzinfo=UTC)


def metric(key: str = "m", version: str = "v1", **fields: Any) -> Metric:
    """A metric over conversations, numerical and averaged unless the fields say otherwise."""
    defaults = {
        "key": key,
        "name": key,
        "metric_type": "numerical",
        "source": "call_intelligence",
        "event_types": ("call_intelligence.row",),
        "aggregation": "avg",
    }
    return Metric(MetricDefinition.model_validate(defaults | fields), version, "file", "")


def value(result: Any = None, *, at: datetime | None = NOON, key: str = "m", **columns: Any) -> dict[str, Any]:
    """A row of `metric_values`; the state is `ok` unless it is named."""
    typed = {bool: "value_boolean", float: "value_number", int: "value_number", str: "value_text", list: "value_list"}
    row = {"metric_key": key, "observed_at": at, "status": "ok", "traffic": "production"} | columns
    return row if result is None else row | {typed[type(result)]: result}


_SCHEMA = pa.schema(
    [
        ("workspace_id", pa.string()),
        ("metric_key", pa.string()),
        ("definition_version", pa.string()),
        ("entity_type", pa.string()),
        ("entity_id", pa.string()),
        ("participant", pa.string()),
        ("segment_from", pa.int64()),
        ("sample_index", pa.int64()),
        ("observed_at", pa.timestamp("us", tz="UTC")),
        ("traffic", pa.string()),
        ("service_id", pa.string()),
        ("value_number", pa.float64()),
        ("value_text", pa.string()),
        ("value_boolean", pa.bool_()),
        ("value_list", pa.list_(pa.string())),
        ("status", pa.string()),
        ("confidence", pa.float64()),
        ("attempts", pa.int64()),
        ("content_hash", pa.string()),
        ("computed_at", pa.timestamp("us", tz="UTC")),
        ("run_id", pa.string()),
    ]
)


@dataclass
class Bench:
    """One store that a test may fill and aggregate many times."""

    store: Store
    settings: Settings
    written: int = 0
    metric = staticmethod(metric)
    value = staticmethod(value)

    def put(self, values: Iterable[dict[str, Any]], *, clear: bool = False) -> None:
        """Insert values and mark their hours stale, as extraction does; `clear` empties the store first."""
        rows = []
        for row in values:
            self.written += 1
            filler = {
                "workspace_id": self.store.workspace_id,
                "definition_version": "v1",
                "entity_type": "conversation",
                "entity_id": named(f"c{self.written}", row["status"]),
                "sample_index": 0,
                "attempts": 0,
                "content_hash": "",
                "computed_at": NOON,
                "run_id": "r",
            }
            rows.append(filler | row)
        with self.store.transaction() as con:
            if clear:
                for table in ("metric_values", "metric_periods", "stale_periods"):
                    con.execute(f"DELETE FROM {table}")
            con.register("rows", pa.Table.from_pylist(rows, _SCHEMA))
            con.execute("INSERT INTO metric_values BY NAME FROM rows")
            con.execute(
                "INSERT INTO stale_periods BY NAME SELECT DISTINCT workspace_id, metric_key, definition_version,"
                " date_trunc('hour', observed_at) AS hour FROM rows WHERE observed_at IS NOT NULL"
            )

    def define(
        self, *metrics: Metric, since: datetime = datetime(2020, 1, 1, tzinfo=UTC), until: datetime | None = None
    ):
        """Store definitions, as a run does before it extracts."""
        with self.store.transaction() as con:
            for metric in metrics:
                row = [
                    *(self.store.workspace_id, metric.key, metric.version, metric.definition.metric_type),
                    *(metric.managed_by, metric.definition.model_dump_json(), since, until),
                ]
                con.execute("INSERT INTO metric_definitions VALUES (?, ?, ?, ?, ?, ?, ?, ?)", row)

    def publish(self) -> AbstractContextManager[duckdb.DuckDBPyConnection]:
        """A connection to a snapshot of the store as it is now."""
        self.store.publish()
        return self.store.read()

    def aggregate(
        self, *metrics: Metric, zone: str = "UTC", keys: Sequence[str] | None = None, now: datetime | None = None
    ) -> AggregateReport:
        settings = self.settings.model_copy(update={"timezone": zone})
        return aggregate(self.store, Catalog(metrics), settings, keys=keys, now=now)

    def query(self, sql: str, parameters: Sequence[Any] = ()) -> list[dict[str, Any]]:
        with self.store.write() as con:
            cursor = con.execute(sql, list(parameters))
            names = [column[0] for column in cursor.description or ()]
            return [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]

    def periods(self, where: str = "true", *, current: bool = True) -> list[dict[str, Any]]:
        """Period rows in a fixed order; the current ones unless all are asked for."""
        return self.query(
            f"FROM metric_periods WHERE ({where}) AND (superseded_at IS NULL OR NOT $1) ORDER BY metric_key,"
            " granularity, traffic, service_id NULLS FIRST, period_start, category NULLS FIRST,"
            " definition_version, revision",
            [current],
        )

    def one(self, where: str = "true") -> dict[str, Any]:
        """The only current row over all services that meets the condition."""
        (row,) = self.periods(f"({where}) AND service_id IS NULL")
        return row


@pytest.fixture
def bench(store: Store, settings: Settings) -> Bench:
    return Bench(store, settings)
