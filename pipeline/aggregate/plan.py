"""How each metric version is aggregated: one row of the `plan` table that the SQL joins."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass, field, replace
from typing import Literal

import duckdb
import pyarrow as pa
from pydantic import ValidationError

from pipeline.catalog.aggregations import AGGREGATIONS, Family, family_of
from pipeline.catalog.catalog import Catalog, Metric
from pipeline.catalog.models import CAPPED_MODES, MetricDefinition
from pipeline.store import load_sql

Reads = Literal["values", "event_values", "event_counts", "paired_values", "separate_values"]

_SCHEMA = pa.schema(
    [
        ("plan_id", pa.int32()),
        ("metric_key", pa.string()),
        ("definition_version", pa.string()),
        ("metric_type", pa.string()),
        ("aggregation", pa.string()),
        ("family", pa.string()),
        ("unit", pa.string()),
        ("selection", pa.string()),
        ("random", pa.bool_()),
        ("measurable", pa.bool_()),
        ("reads", pa.string()),
        ("clustered", pa.bool_()),
        ("quantile", pa.float64()),
        ("needs_numbers", pa.bool_()),
        ("needs_moments", pa.bool_()),
        ("lowest", pa.float64()),
        ("highest", pa.float64()),
        ("ratio_lowest", pa.float64()),
        ("numerator_event", pa.string()),
        ("denominator_event", pa.string()),
        ("numerator_id", pa.int32()),
        ("denominator_id", pa.int32()),
        ("asked", pa.bool_()),
    ]
)
_WITH_MOMENTS: frozenset[Family] = frozenset({"mean", "sum", "spread"})


@dataclass(frozen=True)
class Plan:
    """How the values of one metric version become period rows.

    Attributes:
        plan_id: stands for the metric version inside one aggregation.
        family: of its aggregation; see `pipeline.catalog.aggregations`.
        selection: `all`, or how the conversations that got a value were chosen.
        random: whether chance decided which conversations were left out, so that the others can stand for them.
        measurable: whether what is at hand tells how its value varies.
        reads: where the values come from. `values`: one for each conversation. `event_values`: one for each event.
            For a ratio, `event_counts`: events of two types; `paired_values`: two other metrics' values of the same
            conversation, which enters when both are `ok`, since a numerator that failed is not a zero;
            `separate_values`: the same when a side has values for events, so that there is nothing to pair.
        clustered: whether one conversation can have several values, which resemble one another.
        quantile: of a percentile; of a trimmed mean, the share cut off at each end.
        needs_numbers: whether its periods are made of the numbers one by one, and not of their sums.
        needs_moments: whether its interval rests on the shape of its values.
        lowest: the least possible value, with `highest`; None where none is known.
        ratio_lowest: 0 for a ratio whose sides are never negative.
        numerator_id: plan of the metric that is summed above the line, with `denominator_id` below it.
        asked: whether rows of it are wanted, not just its values for a ratio.
    """

    plan_id: int
    metric_key: str
    definition_version: str
    metric_type: str
    aggregation: str
    family: Family
    unit: str | None
    selection: str
    random: bool
    measurable: bool
    reads: Reads
    clustered: bool
    quantile: float | None
    needs_numbers: bool
    needs_moments: bool
    lowest: float | None
    highest: float | None
    ratio_lowest: float | None
    numerator_event: str | None
    denominator_event: str | None
    numerator_id: int | None
    denominator_id: int | None
    asked: bool


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
    _ids: dict[tuple[str, str, str], int] = field(default_factory=dict)

    def add_all(self, versions: Iterable[tuple[str, str]]) -> None:
        """Plan metric versions, and the metrics that ratios among them read."""
        for key, version in versions:
            if (metric := self._find(key, version)) is None:
                self.unknown.append((key, version))
            else:
                self.add(metric)

    def add(self, metric: Metric, aggregation: str | None = None) -> int:
        """Plan one metric version, by its own aggregation or by another one; returns its plan's id."""
        return self._add(metric, aggregation or metric.definition.aggregation, asked=True)

    def event_batches(self) -> list[list[Metric]]:
        """The metrics that read events, each version once, in lists that hold no key twice."""
        batches: list[dict[str, Metric]] = []
        read = {
            (metric.key, metric.version): metric
            for plan, metric in zip(self.plans, self.metrics, strict=True)
            if plan.reads in ("event_values", "event_counts")
        }
        for metric in read.values():  # two aggregations of one metric read the same events
            batch = next((batch for batch in batches if metric.key not in batch), None)
            if batch is None:
                batches.append(batch := {})
            batch[metric.key] = metric
        return [list(batch.values()) for batch in batches]

    @property
    def counting_scripts(self) -> list[str]:
        """What has to be run about each span of values, in order."""
        kinds = {plan.reads for plan in self.plans}
        return [
            *(["ratios"] if kinds - {"values", "event_values"} else []),
            *(["pivoted"] if any(plan.needs_moments for plan in self.plans) else []),
            "counted",
            *(["category_counted"] if any(plan.metric_type == "categorical" for plan in self.plans) else []),
            *(["unit_counted"] if any(plan.clustered for plan in self.plans) else []),
        ]

    @property
    def merging_scripts(self) -> list[str]:
        """What has to be run about the parts of all periods, in order."""
        return [
            *(["units"] if any(plan.clustered for plan in self.plans) else []),
            "moments",
            *(["categories"] if any(plan.metric_type == "categorical" for plan in self.plans) else []),
            *(["numbers"] if any(plan.needs_numbers for plan in self.plans) else []),
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

    def _add(self, metric: Metric, aggregation: str, *, asked: bool) -> int:
        identity = (metric.key, metric.version, aggregation)
        if (known := self._ids.get(identity)) is not None:
            if asked and not self.plans[known].asked:
                self.plans[known] = replace(self.plans[known], asked=True)
            return known
        definition = metric.definition
        read = self._sides(metric) if aggregation == "ratio" else []
        ids = [self._add(side, side.definition.aggregation, asked=False) for side in read]
        self._ids[identity] = plan_id = len(self.plans)
        self.metrics.append(metric)
        family = family_of(aggregation, definition.metric_type)
        reads = _reads(definition, aggregation, read)
        selection = _selection(definition, read)
        lowest, highest = _possible_range(definition)
        self.plans.append(
            Plan(
                plan_id=plan_id,
                metric_key=metric.key,
                definition_version=metric.version,
                metric_type=definition.metric_type,
                aggregation=aggregation,
                family=family,
                unit=definition.unit,
                selection=selection,
                random=selection != "recent",
                measurable=True,
                reads=reads,
                clustered=reads not in ("values", "paired_values"),
                quantile=AGGREGATIONS[aggregation].quantile,
                needs_numbers=AGGREGATIONS[aggregation].needs_numbers,
                needs_moments=family in _WITH_MOMENTS,
                lowest=lowest,
                highest=highest,
                ratio_lowest=0.0 if all((_possible_range(side.definition)[0] or -1) >= 0 for side in read) else None,
                numerator_event=definition.ratio_numerator_event,
                denominator_event=definition.ratio_denominator_event,
                numerator_id=ids[0] if ids else None,
                denominator_id=ids[1] if ids else None,
                asked=asked,
            )
        )
        return plan_id

    def _sides(self, ratio: Metric) -> list[Metric]:
        """The two metrics that a ratio divides; none for one of events."""
        keys = (ratio.definition.ratio_numerator_metric, ratio.definition.ratio_denominator_metric)
        found = [self._find(key, self._version_read(ratio, key)) for key in keys if key is not None]
        read = [metric for metric in found if metric is not None]
        return read if len(read) == 2 else []


def _reads(definition: MetricDefinition, aggregation: str, read: list[Metric]) -> Reads:
    if aggregation == "ratio" and definition.ratio_numerator_metric is not None:
        return "separate_values" if any(metric.definition.event_level for metric in read) else "paired_values"
    if aggregation == "ratio":
        return "event_counts"
    return "event_values" if definition.event_level else "values"


def _possible_range(definition: MetricDefinition) -> tuple[float | None, float | None]:
    """The least and the greatest value that a conversation, or an event, can have; None where none is known."""
    if definition.metric_type != "numerical":
        return (0.0, 1.0) if definition.metric_type == "boolean" else (None, None)
    scale = definition.scale
    lowest = scale.min if definition.valid_range_min is None and scale else definition.valid_range_min
    highest = scale.max if definition.valid_range_max is None and scale else definition.valid_range_max
    fold = definition.effective_fold
    if fold == "count":
        return 0.0, None
    if fold == "sum":  # the range is that of a turn
        return (0.0 if lowest is not None and lowest >= 0 else None), None
    return (None if lowest is None else float(lowest)), (None if highest is None else float(highest))


def _selection(definition: MetricDefinition, read: list[Metric]) -> str:
    """How the examined conversations were chosen; of a ratio, as those of the side that says least."""
    if read:
        sides = {_selection(side.definition, []) for side in read}
        return next(name for name in ("recent", "random", "all") if name in sides)
    if definition.cap is not None or definition.extraction_mode in CAPPED_MODES:
        return definition.selection
    return "random" if definition.sampling_rate < 1 else "all"
