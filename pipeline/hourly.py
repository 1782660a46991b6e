"""The steps of a run in order: ingest, extract, aggregate, publish, tell those who asked."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from pipeline.aggregate import AggregateReport, aggregate
from pipeline.catalog import Catalog
from pipeline.errors import NotBegunError
from pipeline.extract import ExtractReport, MetricOutcome, extract, warn_without_model
from pipeline.extract.batched import extract_in_batches
from pipeline.ingest import IngestProgress, IngestReport, ingest, unread_files
from pipeline.judge.batch import BatchProgress
from pipeline.judge.engine import Counters
from pipeline.scratch import scratch_of
from pipeline.settings import Settings
from pipeline.store import Store
from pipeline.window import Window
from pipeline.workspace.after_run import tell
from pipeline.workspace.intake import adopt_intake

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class RunReport:
    """What the steps did.

    Attributes:
        ingest: None when the run did not ingest; of a dry run, what it read into a copy of the store.
        extracts: one for each window, in order.
        aggregate: None after a dry run.
        refused_batches: one line for each batch that an endpoint would not take or has lost; their questions are
            `error` and asked again by a later run.
    """

    ingest: IngestReport | None
    extracts: tuple[ExtractReport, ...]
    aggregate: AggregateReport | None
    refused_batches: tuple[str, ...] = ()

    @property
    def failed(self) -> tuple[MetricOutcome, ...]:
        """Outcomes of metrics that could not be extracted."""
        return tuple(outcome for report in self.extracts for outcome in report.failed)


def run_hour(
    store: Store,
    catalog: Catalog,
    settings: Settings,
    window: Window,
    *,
    keys: Sequence[str] | None = None,
    ingest_first: bool = True,
    dry_run: bool = False,
    on_ingest: Callable[[IngestProgress], None] | None = None,
    on_metric: Callable[[MetricOutcome], None] | None = None,
    on_judged: Callable[[Counters], None] | None = None,
) -> RunReport:
    """Do everything that one hourly partition needs.

    Args:
        store: the database.
        catalog: definitions and source mappings.
        settings: of the deployment.
        window: the span that the partition looks at.
        keys: only these metrics, and what they read.
        ingest_first: whether new files are read first; a dry run reads them into a copy of the store in a file.
        dry_run: plan the extraction, report, and write nothing.
        on_ingest: called after each ingestion transaction.
        on_metric: called when a metric is stored.
        on_judged: called with the judge's live counters, on another thread.
    """
    return backfill(
        store,
        catalog,
        settings,
        [window],
        keys=keys,
        ingest_first=ingest_first,
        dry_run=dry_run,
        on_ingest=on_ingest,
        on_metric=on_metric,
        on_judged=on_judged,
        redecide=False,
    )


def backfill(
    store: Store,
    catalog: Catalog,
    settings: Settings,
    windows: Iterable[Window],
    *,
    keys: Sequence[str] | None = None,
    ingest_first: bool = True,
    dry_run: bool = False,
    on_ingest: Callable[[IngestProgress], None] | None = None,
    on_metric: Callable[[MetricOutcome], None] | None = None,
    on_window: Callable[[ExtractReport], None] | None = None,
    on_judged: Callable[[Counters], None] | None = None,
    in_batches: bool = False,
    on_batch: Callable[[BatchProgress], None] | None = None,
    redecide: bool = True,
) -> RunReport:
    """Do the windows in order, each selecting for itself, then aggregate and publish once.

    The period rows are those of one run per hour; only revisions that nobody could have read in between are not made.
    A crash is mended by the next run of any kind: what is stale is a row. Windows of hours that have not begun are left
    out: they would only be marked as done.

    Args:
        store: the database.
        catalog: definitions and source mappings.
        settings: of the deployment.
        windows: oldest first, for example from `Window.each_hour`.
        keys: only these metrics, and what they read.
        ingest_first: whether new files are read first; a dry run reads them into a copy of the store in a file.
        dry_run: plan the extraction, report, and write nothing.
        on_ingest: called after each ingestion transaction.
        on_metric: called when a metric is stored.
        on_window: called when a window is done.
        on_judged: called with the judge's live counters, on another thread.
        in_batches: models are asked through the Batch API, once for all windows; waits until it has answered.
        on_batch: called after each look at the open batches.
        redecide: whether conversations that a policy left out are decided anew.

    Raises:
        NotBegunError: none of the hours has begun.
    """
    windows = _begun(windows, datetime.now(UTC))
    if dry_run and ingest_first and unread_files(store, settings):
        if settings.catalog is None:
            with scratch_of(store, settings) as (scratch, there):
                read = ingest(scratch, catalog, there, on_progress=on_ingest)
                told = backfill(
                    scratch, catalog, there, windows, keys=keys, ingest_first=False, dry_run=True, on_metric=on_metric,
                    on_window=on_window, redecide=redecide,
                )  # fmt: skip
                return replace(told, ingest=read)
        logger.warning("Files in the landing folder are not read yet and not counted: run `metric-store ingest` first.")
    ingested = None
    if ingest_first and not dry_run:
        adopt_intake(settings)
        ingested = ingest(store, catalog, settings, on_progress=on_ingest)
    reports: list[ExtractReport] = []
    refused: tuple[str, ...] = ()
    if in_batches and not dry_run:
        batched = extract_in_batches(store, catalog, settings, windows, keys=keys, report=on_batch)
        reports.extend(batched.windows)
        refused = tuple(batched.progress.failures)
        windows = []
    for window in windows:
        report = extract(
            store,
            catalog,
            settings,
            window,
            keys=keys,
            on_metric=on_metric,
            on_judged=on_judged,
            redecide=redecide,
            dry_run=dry_run,
        )
        reports.append(report)
        if on_window is not None:
            on_window(report)
    warn_without_model(reports, catalog, settings)
    if dry_run:
        return RunReport(None, tuple(reports), None)
    # All that is stale, also what an interrupted run or another selection of metrics left behind.
    aggregated = aggregate(store, catalog, settings)
    store.publish()
    tell(settings, store, catalog, [report.run_id for report in reports], datetime.now(UTC))
    return RunReport(ingested, tuple(reports), aggregated, refused)


def _begun(windows: Iterable[Window], now: datetime) -> list[Window]:
    """Those of the windows whose hour has begun."""
    asked = list(windows)
    begun = [window for window in asked if window.hour <= now]
    if asked and not begun:
        raise NotBegunError(
            f"The hour {asked[0].hour:%F %H:%M} UTC has not begun; it is {now:%F %H:%M} UTC. Nothing was done."
        )
    if len(begun) < len(asked):
        logger.warning(
            "%d of %d hours have not begun and are left out, from %s UTC on.",
            len(asked) - len(begun),
            len(asked),
            f"{begun[-1].end:%F %H:%M}",
        )
    return begun
