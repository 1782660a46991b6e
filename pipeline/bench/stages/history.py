"""Whether an hourly run depends on what it has to do, or on all that was ever done."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from datetime import UTC, datetime

from pipeline.aggregate import aggregate
from pipeline.bench.history import HOUR_AFTER, Deployment, copy_of, make_day, make_history, values_found, write_hour
from pipeline.bench.stage import Answer, Bar, Competitor, Place, Results, Run, Stage, ratio, times
from pipeline.extract import extract
from pipeline.hourly import run_hour
from pipeline.ingest import ingest
from pipeline.workspace.after_run import tell

_DAYS = 365
_DEFINITIONS = 100
_CONVERSATIONS = 274  # a day; with 100 events each 10M events, and with 100 definitions 10M values a year
_LENGTH = 100


def prepare(at: Place) -> None:
    """A day, a year, and the file that lands in the next hour."""
    conversations = at.scaled(_CONVERSATIONS, least=2)
    day = make_day(at, at.folder / "template", definitions=_DEFINITIONS, conversations=conversations, length=_LENGTH)
    make_history(at, at.folder / "day", day, 1)
    make_history(at, at.folder / "year", day, _DAYS if at.scale >= 0.1 else 14)
    write_hour(at.folder / "hour.ndjson", conversations=min(at.scaled(5000), 500), length=40)


def _landed(run: Run, history: str) -> Deployment:
    deployment = copy_of(run.folder / history, run, run.scratch)
    for _ in range(2):  # a deployment with a history has been published before
        deployment.store.publish()
    shutil.copy(run.folder / "hour.ndjson", run.scratch / "landing")
    return deployment


def hourly(history: str) -> Callable[[Run], Answer]:
    """What `metric-store run` does, with so much history in the file."""

    def work(run: Run) -> Answer:
        on = _landed(run, history)
        with run.clock():
            run_hour(on.store, on.catalog, on.settings, HOUR_AFTER)
        return values_found(on.store)

    return work


def by_steps(history: str) -> Callable[[Run], Answer]:
    """The same steps one by one, to see which of them depends on the history."""

    def work(run: Run) -> Answer:
        on = _landed(run, history)
        with run.clock("ingest"):
            ingest(on.store, on.catalog, on.settings)
        with run.clock("extract"):
            report = extract(on.store, on.catalog, on.settings, HOUR_AFTER)
        with run.clock("aggregate"):
            aggregate(on.store, on.catalog, on.settings)
        with run.clock("publish"):
            on.store.publish()
        with run.clock("tell"):
            tell(on.settings, on.store, on.catalog, [report.run_id], datetime.now(UTC))
        return values_found(on.store)

    return work


def _step(step: str) -> Bar:
    def found(results: Results) -> float:
        return ratio(results["1 year, by steps"].parts[step], results["1 day, by steps"].parts[step])

    return Bar("1 year, by steps", f"{step} ≤ 1.2x that with a day", found, 1.2)


STAGE = Stage(
    name="history",
    work="an hourly run of 500 conversations and 100 definitions, with a year in the file: 10M events, 10M values",
    cost="15 minutes, 15 GB",
    prepare=prepare,
    competitors=(
        Competitor("floor: 1 day", hourly("day")),
        Competitor("1 year", hourly("year"), floor="floor: 1 day"),
        Competitor("1 day, by steps", by_steps("day"), floor="floor: 1 day", warm_up=False),
        Competitor("1 year, by steps", by_steps("year"), floor="floor: 1 day", warm_up=False),
    ),
    bars=(
        times("1 year", "floor: 1 day", 1.2),
        *(_step(step) for step in ("ingest", "extract", "aggregate", "publish")),
    ),
)
