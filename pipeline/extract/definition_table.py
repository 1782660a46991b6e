"""The definitions as a temporary table, so that one query serves any number of them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import duckdb
import pyarrow as pa

from pipeline.catalog.catalog import Metric
from pipeline.catalog.models import CAPPED_MODES, EVENT_DOMAINS, MetricDefinition
from pipeline.judge.plan import endpoint_of
from pipeline.settings import Settings

_SCHEMA = pa.schema(
    [
        ("metric_key", pa.string()),
        ("definition_version", pa.string()),
        ("metric_type", pa.string()),
        ("scope", pa.string()),
        ("participant_role", pa.string()),
        ("fold", pa.string()),
        ("elements", pa.bool_()),
        ("event_types", pa.list_(pa.string())),
        ("domain", pa.string()),
        ("channel_scope", pa.string()),
        ("product_types", pa.list_(pa.string())),
        ("range_min", pa.float64()),
        ("range_max", pa.float64()),
        ("categories", pa.list_(pa.string())),
        ("true_label", pa.string()),
        ("false_label", pa.string()),
        ("multi_label", pa.bool_()),
        ("max_labels", pa.int64()),
        ("sampling_rate", pa.float64()),
        ("selection", pa.string()),
        ("cap", pa.int64()),
        ("answerable", pa.bool_()),
    ]
)


def create_definition_table(
    con: duckdb.DuckDBPyConnection, metrics: Iterable[Metric], settings: Settings | None = None
) -> None:
    """Create the temporary table `definition`, a row for each metric.

    Args:
        con: any connection.
        metrics: those to hold.
        settings: cap and models of the modes that cost money.
    """
    rows = [_row(metric, settings) for metric in metrics]
    con.register("definition_rows", pa.Table.from_pylist(rows, schema=_SCHEMA))
    con.execute("CREATE OR REPLACE TEMP TABLE definition AS FROM definition_rows")
    con.unregister("definition_rows")


def cap_of(definition: MetricDefinition, settings: Settings) -> int | None:
    """How many conversations one hourly partition may examine anew for a metric; None: all."""
    return definition.cap or (settings.cap if definition.extraction_mode in CAPPED_MODES else None)


def _row(metric: Metric, settings: Settings | None) -> dict[str, Any]:
    definition = metric.definition
    low, high = definition.bounds
    domain = definition.custom_source_key if definition.source == "custom" else EVENT_DOMAINS.get(definition.source)
    ratio_ends = (definition.ratio_numerator_event, definition.ratio_denominator_event)
    return {
        "metric_key": metric.key,
        "definition_version": metric.version,
        "metric_type": definition.metric_type,
        "scope": definition.scope,
        "participant_role": definition.participant_role,
        "fold": definition.effective_fold,
        "elements": definition.fold is not None and not definition.multi_label,
        "event_types": sorted({*definition.event_types, *filter(None, ratio_ends)}),
        "domain": domain,
        "channel_scope": definition.channel_scope,
        "product_types": definition.applies_to_product_types,
        "range_min": low,
        "range_max": high,
        "categories": definition.categories,
        "true_label": definition.true_label,
        "false_label": definition.false_label,
        "multi_label": definition.multi_label,
        "max_labels": definition.max_labels,
        "sampling_rate": definition.sampling_rate,
        "selection": definition.selection,
        "cap": cap_of(definition, settings) if settings else definition.cap,
        "answerable": not (settings and definition.judged and isinstance(endpoint_of(settings.models, metric), str)),
    }
