"""Whether memory grows with the data."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

from pipeline.bench.data import FIRST, write_events
from pipeline.bench.stage import Answer, Bar, Competitor, Place, Results, Run, Stage
from pipeline.catalog import load_catalog
from pipeline.hourly import run_hour
from pipeline.ingest import ingest
from pipeline.store import Store
from pipeline.window import Window

_DAY = timedelta(days=1)
_LENGTH = 20
_MILLIONS = (1, 5, 10)


def prepare(at: Place) -> None:
    """A file for each million events, each of a day of its own."""
    for day in range(max(_MILLIONS)):
        write_events(
            at.folder / f"{day:02}.ndjson",
            conversations=at.scaled(1_000_000) // _LENGTH,
            length=_LENGTH,
            words=24,
            prefix=f"day-{day}-",
            first=FIRST + day * _DAY,
            span_seconds=82_000,
        )


def ours(millions: int) -> Callable[[Run], Answer]:
    """Ingest so many million events and run the last hour of the last day."""

    def work(run: Run) -> Answer:
        settings = run.settings(run.scratch)
        store, catalog = Store(settings), load_catalog(settings)
        files = sorted(map(str, run.folder.glob("*.ndjson")))[:millions]
        with run.clock("ingest"):
            report = ingest(store, catalog, settings, urls=files)
        with run.clock("run"):
            run_hour(store, catalog, settings, Window.ending(FIRST + millions * _DAY), ingest_first=False)
        assert report.event_count == millions * (run.scaled(1_000_000) // _LENGTH) * _LENGTH
        return {}

    return work


def _name(millions: int) -> str:
    return f"{millions}M events"


def _flat(results: Results) -> float:
    return results[_name(_MILLIONS[-1])].peak_bytes / results[_name(_MILLIONS[0])].peak_bytes


STAGE = Stage(
    name="memory",
    work="ingest and run at 1M, 5M and 10M events of 400 bytes",
    cost="60 minutes, 15 GB",
    prepare=prepare,
    competitors=tuple(Competitor(_name(size), ours(size), rounds=1, warm_up=False) for size in _MILLIONS),
    bars=(Bar(_name(_MILLIONS[-1]), "memory ≤ 1.2x that of 1M", _flat, 1.2),),
)
