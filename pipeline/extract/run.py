"""One run: which definitions, which conversations, in which order, and what is written at the end of each step."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from uuid import uuid4

from pipeline.catalog.catalog import Catalog
from pipeline.extract.event_level import extract_event_level
from pipeline.extract.planning import stages_of
from pipeline.extract.registry import sync_definitions
from pipeline.extract.report import ExtractReport, MetricOutcome
from pipeline.extract.run_context import RunContext
from pipeline.extract.stage import run_stage
from pipeline.settings import Settings
from pipeline.store import Store
from pipeline.window import Window

OnMetric = Callable[[MetricOutcome], None]


def extract(
    store: Store,
    catalog: Catalog,
    settings: Settings,
    window: Window,
    *,
    keys: Sequence[str] | None = None,
    run_id: str | None = None,
    now: datetime | None = None,
    on_metric: OnMetric | None = None,
    dry_run: bool = False,
) -> ExtractReport:
    """Give every conversation of the window a value, or the state that says why not, for every definition.

    What has a value already is reused. A definition that fails leaves the others alone and is tried again by the next
    run. Values, the hours that became stale and the ledger rows of a step are one transaction.

    Args:
        store: the database.
        catalog: the definitions.
        settings: cap, error attempts and models.
        window: which conversations are looked at.
        keys: only these metrics, and what they read; default all active ones.
        run_id: default a new one.
        now: default the present instant.
        on_metric: called with each metric's outcome once it is stored.
        dry_run: plan, report and write nothing.

    Raises:
        UnknownMetricError: a key that the catalog does not have.
        LedgerError: an invariant does not hold.
    """
    started = time.perf_counter()
    asked = catalog.select(keys)
    if not dry_run:
        with store.transaction() as con:
            catalog = sync_definitions(con, store.workspace_id, catalog)
    run = RunContext(store, settings, catalog, window, run_id or uuid4().hex, now or datetime.now(UTC))
    selected = [metric for metric in asked if metric.key in catalog.by_key]
    outcomes: list[MetricOutcome] = []

    def report(outcome: MetricOutcome) -> None:
        outcomes.append(outcome)
        if on_metric is not None:
            on_metric(outcome)

    for metric in asked:
        if metric.key not in catalog.by_key:
            refusal = "Its type, or that of a metric it reads, is not the one of the stored values; pick a new key."
            report(MetricOutcome(metric.key, metric.version, failure=refusal))
    straight = [metric for metric in selected if metric.definition.event_level]
    for outcome in extract_event_level(run, straight, dry_run=dry_run):
        report(outcome)
    for stage in stages_of([metric for metric in selected if not metric.definition.event_level]):
        for outcome in run_stage(run, stage, dry_run=dry_run):
            report(outcome)
    return ExtractReport(run.run_id, window, tuple(outcomes), time.perf_counter() - started, dry_run)
