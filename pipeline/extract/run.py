"""One run: which definitions, which conversations, in which order, and what is written at the end of each step."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime
from uuid import uuid4

from pipeline.catalog.catalog import Catalog, Metric
from pipeline.extract.capped import evaluate_capped
from pipeline.extract.event_level import extract_event_level
from pipeline.extract.planning import stages_of
from pipeline.extract.registry import sync_definitions
from pipeline.extract.report import ExtractReport, MetricOutcome
from pipeline.extract.run_context import RunContext
from pipeline.extract.stage import extract_stage
from pipeline.judge.batch import BatchDesk
from pipeline.judge.engine import Counters
from pipeline.judge.plan import endpoint_of
from pipeline.settings import Settings
from pipeline.store import Store
from pipeline.window import Window

logger = logging.getLogger(__name__)

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
    on_judged: Callable[[Counters], None] | None = None,
    batch: BatchDesk | None = None,
    redecide: bool = False,
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
        on_judged: called with the judge's live counters, on another thread.
        batch: asks the models' questions later, through the Batch API.
        redecide: decide anew about conversations that a policy left out, as a backfill does.
        dry_run: plan, report and write nothing.

    Raises:
        UnknownMetricError: a key that the catalog does not have.
        LedgerError: an invariant does not hold.
    """
    started = time.perf_counter()
    asked = catalog.select(keys)
    outcomes: list[MetricOutcome] = []

    def report(finished: Iterable[MetricOutcome]) -> None:
        for outcome in finished:
            outcomes.append(outcome)
            if on_metric is not None:
                on_metric(outcome)

    # One connection serves all that asks no model; opening one costs as much as extracting a dozen definitions.
    with store.write() as con:
        if not dry_run:
            catalog = sync_definitions(con, store.workspace_id, catalog)
        run = RunContext(
            store,
            settings,
            catalog,
            window,
            run_id or uuid4().hex,
            now or datetime.now(UTC),
            batch,
            on_judged,
            redecide,
        )
        selected = [metric for metric in asked if metric.key in catalog.by_key]
        first, *later = stages_of([metric for metric in selected if not metric.definition.event_level])
        straight = [metric for metric in selected if metric.definition.event_level]
        finished = [_refused(metric) for metric in asked if metric.key not in catalog.by_key]
        finished += extract_event_level(con, run, straight, dry_run=dry_run)
        result = extract_stage(con, run, first, dry_run=dry_run)
    report(finished)
    report(result.outcomes)
    report(evaluate_capped(run, result.work, dry_run=dry_run))
    for stage in later:
        with store.write() as con:
            result = extract_stage(con, run, stage, dry_run=dry_run)
        report(result.outcomes)
        report(evaluate_capped(run, result.work, dry_run=dry_run))
    return ExtractReport(run.run_id, window, tuple(outcomes), time.perf_counter() - started, dry_run)


def _refused(metric: Metric) -> MetricOutcome:
    reason = "Its type, or that of a metric it reads, is not the one of the values in the store; pick a new key."
    return MetricOutcome(metric.key, metric.version, failure=reason)


def warn_without_model(reports: Iterable[ExtractReport], catalog: Catalog, settings: Settings) -> None:
    """Log one line for each way in which a model is not configured, with the metrics that lack it.

    Args:
        reports: of all windows that were extracted together, so that nothing is said once for each hour.
        catalog: that they were extracted with.
        settings: in which the models are configured.
    """
    keys = {outcome.key for report in reports for outcome in report.outcomes if "no_model" in outcome.states}
    lacking: dict[str, list[str]] = {}
    for key in sorted(keys):
        lacking.setdefault(str(endpoint_of(settings.models, catalog.by_key[key])), []).append(key)
    for message, metrics in lacking.items():
        logger.warning("%s: %s", ", ".join(metrics), message)
