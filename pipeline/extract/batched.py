"""Many windows whose questions go through the Batch API: collect, submit, wait, then give the values."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from uuid import uuid4

from pipeline.catalog.catalog import Catalog
from pipeline.extract.report import ExtractReport
from pipeline.extract.run import extract
from pipeline.judge.batch import BatchDesk, BatchProgress
from pipeline.settings import Settings
from pipeline.store import Store
from pipeline.window import Window


@dataclass(frozen=True)
class BatchedReport:
    """What became of it: the last report of each window, and how the batches ended."""

    windows: tuple[ExtractReport, ...]
    progress: BatchProgress


def extract_in_batches(
    store: Store,
    catalog: Catalog,
    settings: Settings,
    windows: Sequence[Window],
    *,
    keys: Sequence[str] | None = None,
    report: Callable[[BatchProgress], None] | None = None,
    first_poll: float = 1.0,
) -> BatchedReport:
    """Extract windows like `extract`, with the models' questions asked through the Batch API at its lower price.

    May be interrupted or killed at any instant and called again: open batches are gone on with, nothing is submitted
    twice. Questions that a batch leaves unanswered stay `pending` for the next run.
    An endpoint that takes no batches or refuses the key leaves `error` on its questions; the others go on.

    Args:
        store: the database.
        catalog: the definitions.
        settings: models and budget.
        windows: in the order in which they are extracted.
        keys: only these metrics and what they read.
        report: called after each poll.
        first_poll: seconds to the second look at the batches; the pause then grows to a minute.
    """
    run_id = uuid4().hex
    with BatchDesk(store, settings.models, run_id) as desk:
        for window in windows:
            extract(store, catalog, settings, window, keys=keys, run_id=run_id, batch=desk, redecide=True)
        desk.submit()
        progress = desk.wait(report, first_poll=first_poll)
        desk.closed = True
        reports = [
            extract(store, catalog, settings, window, keys=keys, batch=desk, redecide=True) for window in windows
        ]
    return BatchedReport(tuple(reports), progress)
