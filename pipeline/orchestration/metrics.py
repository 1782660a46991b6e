"""The metrics: one asset for each active definition, all computed in one step, and what becomes of their values.

One step, because a step of its own costs each definition two seconds. A failing definition fails alone: the rows of the
others are committed, aggregated and published before any result is yielded, and one failure at the very end names it.
That is also why period rows and the snapshot are results of this step: Dagster would not start a later one.
"""

import re
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime

import dagster as dg
from dagster._core.execution.context.metadata_logging import OutputMetadataAccumulator
from dagster._core.storage.tags import BACKFILL_ID_TAG

from pipeline.aggregate import aggregate
from pipeline.aggregate.queries import Row, hour_rows
from pipeline.catalog.catalog import Catalog, Metric
from pipeline.extract import ExtractReport, MetricOutcome, extract, warn_without_model
from pipeline.orchestration.conversations import CONVERSATIONS, EVENTS
from pipeline.orchestration.freshness import freshness_result, freshness_spec
from pipeline.orchestration.instance import POOL
from pipeline.orchestration.metadata import hour_metadata, period_metadata, reconciliation
from pipeline.orchestration.partitions import partition_key, windows_of
from pipeline.settings import Settings
from pipeline.status.freshness import hour_freshness
from pipeline.store import Store
from pipeline.window import HOUR, Window
from pipeline.workspace.after_run import tell

PERIODS = dg.AssetKey("metric_periods")
SNAPSHOT = dg.AssetKey("published_snapshot")
RECONCILED = "reconciled"

Outcomes = dict[str, dict[Window, MetricOutcome]]
"""What became of each metric in each window."""


def metric_asset(key: str) -> dg.AssetKey:
    """The asset of the metric with this key."""
    return dg.AssetKey(["metric", key])


def build_metrics(settings: Settings, catalog: Catalog, hours: dg.HourlyPartitionsDefinition) -> dg.AssetsDefinition:
    """The assets of every active definition, the period rows and the published snapshot."""
    active = catalog.active
    assets = [metric_asset(metric.key) for metric in active]

    @dg.multi_asset(
        name="metrics",
        can_subset=True,
        partitions_def=hours,
        backfill_policy=dg.BackfillPolicy.single_run(),
        pool=POOL,
        specs=[
            *(_spec(metric) for metric in active),
            dg.AssetSpec(
                PERIODS,
                deps=[CONVERSATIONS, *assets],
                skippable=True,
                group_name="published",
                kinds={"duckdb"},
                description="Hour and day rows of every metric, each with its n, coverage and interval.",
            ),
            dg.AssetSpec(
                SNAPSHOT,
                deps=[PERIODS],
                skippable=True,
                group_name="published",
                kinds={"duckdb"},
                description="What readers see of the store.",
            ),
        ],
        check_specs=[
            *(
                dg.AssetCheckSpec(
                    RECONCILED,
                    asset=asset,
                    description="Every eligible conversation ended in exactly one state, and the definition could run.",
                )
                for asset in assets
            ),
            *(freshness_spec(metric_asset(metric.key), metric.definition.freshness_sla_minutes) for metric in active),
        ],
    )
    def metrics(
        context: dg.AssetExecutionContext,
    ) -> Iterator[dg.MaterializeResult[None] | dg.AssetCheckResult]:
        store = Store(settings)
        selected = [metric.key for metric in active if metric_asset(metric.key) in context.selected_asset_keys]
        outcomes = _extract(context, store, settings, catalog, selected) if selected else {}
        aggregated = aggregate(store, catalog, settings)
        snapshot = store.publish()
        tell(settings, store, catalog, [context.run.run_id] if outcomes else [], datetime.now(UTC))
        failed = {key: failure for key, hours in outcomes.items() if (failure := _failure(hours))}
        with store.read() as con:
            chosen = [metric for metric in active if metric.key in outcomes]
            ends = [window.end for window in windows_of(context, settings)]
            fresh = hour_freshness(con, store.workspace_id, chosen, ends, datetime.now(UTC))
            rows = hour_rows(con, store.workspace_id, selected, (min(ends) - HOUR, max(ends)))
        for key in selected:
            checked = freshness_result(metric_asset(key), {window: fresh[key, window.end] for window in outcomes[key]})
            yield from _results(context, key, outcomes[key], rows, failed.get(key), checked)
        if PERIODS in context.selected_asset_keys:
            yield dg.MaterializeResult(asset_key=PERIODS, metadata=period_metadata(aggregated))
        if SNAPSHOT in context.selected_asset_keys:
            yield dg.MaterializeResult(asset_key=SNAPSHOT, metadata={"bytes": snapshot})
        if failed:
            raise dg.Failure(
                f"{len(failed)} of {len(outcomes)} metrics failed; the others are published. "
                f"Failed: {', '.join(sorted(failed))}",
                metadata={"failed": dg.MetadataValue.json(failed)},
                allow_retries=False,
            )

    return metrics


def _spec(metric: Metric) -> dg.AssetSpec:
    definition = metric.definition
    return dg.AssetSpec(
        metric_asset(metric.key),
        deps=[EVENTS if definition.event_level else CONVERSATIONS, *map(metric_asset, metric.reads)],
        skippable=True,
        group_name=_group(definition.group),
        code_version=metric.short_version,
        description=definition.description or definition.name,
        metadata={
            "name": definition.name,
            "type": definition.metric_type,
            "aggregation": definition.aggregation,
            "unit": definition.unit or "",
            "source": definition.source,
            "mode": definition.extraction_mode,
        },
        tags={tag: "" for tag in definition.tags if _TAG.fullmatch(tag)},
    )


_TAG = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,62}")


def _group(name: str | None) -> str:
    """A group name that Dagster accepts."""
    return re.sub(r"\W+", "_", name.lower()).strip("_") if name else "metrics"


def _extract(
    context: dg.AssetExecutionContext, store: Store, settings: Settings, catalog: Catalog, keys: Sequence[str]
) -> Outcomes:
    outcomes: Outcomes = defaultdict(dict)
    reports: list[ExtractReport] = []
    windows = windows_of(context, settings)
    backfill = len(windows) > 1 or BACKFILL_ID_TAG in context.run.tags
    for window in windows:
        reports.append(
            extract(store, catalog, settings, window, keys=keys, run_id=context.run.run_id, redecide=backfill)
        )
        for outcome in reports[-1].outcomes:
            outcomes[outcome.key][window] = outcome
    warn_without_model(reports, catalog, settings)
    return outcomes


def _failure(hours: dict[Window, MetricOutcome]) -> str | None:
    return next((outcome.failure for outcome in hours.values() if outcome.failure), None)


def _results(
    context: dg.AssetExecutionContext,
    key: str,
    hours: dict[Window, MetricOutcome],
    rows: Mapping[tuple[str, datetime], Row],
    failure: str | None,
    freshness: dg.AssetCheckResult,
) -> Iterator[dg.MaterializeResult[None] | dg.AssetCheckResult]:
    asset = metric_asset(key)
    passed, counts = reconciliation(hours.values())
    check = dg.AssetCheckResult(
        asset_key=asset,
        check_name=RECONCILED,
        passed=passed and failure is None,
        metadata=counts,
        description=failure,
    )
    if failure is not None:
        context.log.error("Metric %s failed: %s", key, failure)
        yield check
        yield freshness
        return
    for window, outcome in hours.items():
        context.add_asset_metadata(
            hour_metadata(outcome, rows.get((key, window.hour))), asset_key=asset, partition_key=partition_key(window)
        )
    yield dg.MaterializeResult(asset_key=asset, check_results=[check, freshness])
    # Dagster copies all metadata that was ever added with each addition, and what is yielded is not needed again.
    context.get_step_execution_context()._metadata_accumulator = OutputMetadataAccumulator.empty()
