"""How each metric version is aggregated: one row of the `plan` table that the SQL joins."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from typing import Literal

import duckdb
import pyarrow as pa
from pydantic import ValidationError

from pipeline.catalog.catalog import Catalog, Metric
from pipeline.catalog.models import CAPPED_MODES, MetricDefinition
from pipeline.store import load_sql

QUANTILES = {"median": 0.5, "p50": 0.5, "p90": 0.9, "p95": 0.95, "p99": 0.99}

Reads = Literal["values", "event_values", "event_counts", "paired_values", "separate_values"]

_SCHEMA = pa.schema(
    [
        ("plan_id", pa.int32()),
        ("metric_key", pa.string()),
        ("definition_version", pa.string()),
        ("metric_type", pa.string()),
        ("aggregation", pa.string()),
        ("unit", pa.string()),
        ("selection", pa.string()),
        ("reads", pa.string()),
        ("quantile", pa.float64()),
        ("needs_numbers", pa.bool_()),
        ("numerator_event", pa.string()),
        ("denominator_event", pa.string()),
        ("numerator_id", pa.int32()),
        ("denominator_id", pa.int32()),
    ]
)


@dataclass(frozen=True)
class Plan:
    """How the values of one metric version become period rows.

    Attributes:
        plan_id: stands for the metric version inside one aggregation.
        selection: `all`, or how the conversations that got a value were chosen.
        reads: where the values come from. `values`: one for each conversation. `event_values`: one for each event.
            For a ratio, `event_counts`: events of two types; `paired_values`: two other metrics' values of the same
            conversation, which enters when both are `ok`, since a numerator that failed is not a zero;
            `separate_values`: the same when a side has values for events, so that there is nothing to pair.
        quantile: of a percentile.
        needs_numbers: whether its periods are made of the numbers one by one, and not of their sums.
        numerator_id: plan of the metric that is summed above the line, with `denominator_id` below it.
    """

    plan_id: int
    metric_key: str
    definition_version: str
    metric_type: str
    aggregation: str
    unit: str | None
    selection: str
    reads: Reads
    quantile: float | None
    needs_numbers: bool
    numerator_event: str | None
    denominator_event: str | None
    numerator_id: int | None
    denominator_id: int | None


@dataclass
class Plans:
    """The plans of one aggregation, each metric version once.

    Attributes:
        con: a connection to the store, to look up versions that the catalog no longer holds.
        unknown: the metric versions, as (key, version), that neither the catalog nor `metric_definitions` has.
    """

    con: duckdb.DuckDBPyConnection
    workspace_id: str
    catalog: Catalog
    plans: list[Plan] = field(default_factory=list)
    metrics: list[Metric] = field(default_factory=list)
    unknown: list[tuple[str, str]] = field(default_factory=list)
    _ids: dict[tuple[str, str], int] = field(default_factory=dict)

    def add_all(self, versions: Iterable[tuple[str, str]]) -> None:
        """Plan metric versions, and the metrics that ratios among them read."""
        for key, version in versions:
            if (metric := self._find(key, version)) is None:
                self.unknown.append((key, version))
            else:
                self._add(metric)

    def event_batches(self) -> list[list[Metric]]:
        """The metrics that read events, in lists that hold no key twice."""
        batches: list[dict[str, Metric]] = []
        for plan, metric in zip(self.plans, self.metrics, strict=True):
            if plan.reads in ("event_values", "event_counts"):
                batch = next((batch for batch in batches if metric.key not in batch), None)
                if batch is None:
                    batches.append(batch := {})
                batch[metric.key] = metric
        return [list(batch.values()) for batch in batches]

    @property
    def scripts(self) -> list[str]:
        """What has to be run about each span of values, in order."""
        kinds = {plan.reads for plan in self.plans}
        return [
            *(["ratios"] if kinds - {"values", "event_values"} else []),
            "counted",
            *(["category_counted"] if any(plan.metric_type == "categorical" for plan in self.plans) else []),
        ]

    def register(self) -> None:
        """Make the plans readable on the connection as `plan`."""
        self.con.register("plan_rows", pa.Table.from_pylist([asdict(plan) for plan in self.plans], schema=_SCHEMA))
        self.con.execute("CREATE OR REPLACE TEMP TABLE plan AS FROM plan_rows")
        self.con.unregister("plan_rows")

    def _find(self, key: str, version: str | None) -> Metric | None:
        """The metric version in the catalog, else as it was stored; without a version the current or newest one."""
        metric = self.catalog.by_key.get(key)
        if metric is not None and version in (None, metric.version):
            return metric
        rows = self.con.execute(
            load_sql("pipeline.aggregate.sql", "stored_definition"),
            {"workspace_id": self.workspace_id, "key": key, "version": version},
        ).fetchall()
        try:
            return Metric(MetricDefinition.model_validate_json(rows[0][1]), rows[0][0], "file", "") if rows else None
        except ValidationError:  # stored by a release whose definitions had other fields
            return None

    def _version_read(self, ratio: Metric, key: str) -> str | None:
        """The version of a metric that a past version of a ratio reads; None: the current one."""
        if self.catalog.by_key.get(ratio.key) is ratio:
            return None
        rows = self.con.execute(
            load_sql("pipeline.aggregate.sql", "read_version"),
            {"workspace_id": self.workspace_id, "key": ratio.key, "version": ratio.version, "read_key": key},
        ).fetchall()
        return str(rows[0][0]) if rows else None

    def _add(self, metric: Metric) -> int:
        identity = (metric.key, metric.version)
        if identity in self._ids:
            return self._ids[identity]
        definition = metric.definition
        sides = (definition.ratio_numerator_metric, definition.ratio_denominator_metric)
        numerator, denominator = sides if definition.aggregation == "ratio" else (None, None)
        found = [
            self._find(key, self._version_read(metric, key)) for key in (numerator, denominator) if key is not None
        ]
        read = [metric for metric in found if metric is not None]
        ids = [self._add(metric) for metric in read] if len(read) == 2 else [None, None]
        self._ids[identity] = plan_id = len(self.plans)
        self.metrics.append(metric)
        self.plans.append(
            Plan(
                plan_id=plan_id,
                metric_key=metric.key,
                definition_version=metric.version,
                metric_type=definition.metric_type,
                aggregation=definition.aggregation,
                unit=definition.unit,
                selection=_selection(definition),
                reads=_reads(definition, read),
                quantile=QUANTILES.get(definition.aggregation),
                needs_numbers=definition.aggregation in (*QUANTILES, "count_distinct"),
                numerator_event=definition.ratio_numerator_event,
                denominator_event=definition.ratio_denominator_event,
                numerator_id=ids[0],
                denominator_id=ids[1],
            )
        )
        return plan_id


def _reads(definition: MetricDefinition, read: list[Metric]) -> Reads:
    if definition.aggregation == "ratio" and definition.ratio_numerator_metric is not None:
        return "separate_values" if any(metric.definition.event_level for metric in read) else "paired_values"
    if definition.aggregation == "ratio":
        return "event_counts"
    return "event_values" if definition.event_level else "values"


def _selection(definition: MetricDefinition) -> str:
    chosen = definition.cap is not None or definition.sampling_rate < 1 or definition.extraction_mode in CAPPED_MODES
    return definition.selection if chosen else "all"
