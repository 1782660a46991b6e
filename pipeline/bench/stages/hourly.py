"""One hour, everything included, beside the SQL that it runs."""

from __future__ import annotations

import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import duckdb

from pipeline.aggregate import aggregate
from pipeline.bench.history import (
    DAY_ENDS,
    HOUR_AFTER,
    Deployment,
    copy_of,
    make_day,
    make_history,
    values_found,
    write_hour,
)
from pipeline.bench.stage import Answer, Competitor, Place, Run, Stage, over
from pipeline.extract import extract
from pipeline.hourly import run_hour
from pipeline.ingest import ingest
from pipeline.window import HOUR

_DEFINITIONS = 100


def prepare(at: Place) -> None:
    """A deployment with a day behind it, and 500 conversations that land in the next hour."""
    day = make_day(at, at.folder / "template", definitions=_DEFINITIONS, conversations=at.scaled(274, 2), length=40)
    make_history(at, at.folder / "day", day, 1)
    write_hour(at.folder / "hour.ndjson", conversations=min(at.scaled(5000), 500), length=40)


def _landed(run: Run) -> Deployment:
    on = copy_of(run.folder / "day", run, run.scratch)
    shutil.copy(run.folder / "hour.ndjson", run.scratch / "landing")
    return on


def dagster(run: Run) -> Answer:
    """The hourly job as the schedule and the backfill page run it."""
    from pipeline.orchestration.in_process import run_in_process

    on = _landed(run)
    with run.clock():
        failed = run_in_process(on.settings, DAY_ENDS, DAY_ENDS + HOUR)
    assert not failed, failed
    return values_found(on.store)


def command(run: Run) -> Answer:
    """The same without Dagster: `metric-store run`."""
    on = _landed(run)
    with run.clock():
        run_hour(on.store, on.catalog, on.settings, HOUR_AFTER)
    return values_found(on.store)


def its_sql(run: Run) -> Answer:
    """Dagster's run again, of which only the time inside DuckDB counts."""
    from pipeline.orchestration.in_process import run_in_process

    on = _landed(run)
    with _stopwatch() as seconds:
        failed = run_in_process(on.settings, DAY_ENDS, DAY_ENDS + HOUR)
    assert not failed, failed
    run.parts["all"] = seconds[0]
    return values_found(on.store)


class _Timed:
    """A connection whose calls are timed."""

    def __init__(self, con: duckdb.DuckDBPyConnection, seconds: list[float]) -> None:
        self._con, self._seconds = con, seconds

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._con, name)
        if not callable(found):
            return found

        def timed(*arguments: Any, **named: Any) -> Any:
            start = time.perf_counter()
            try:
                return found(*arguments, **named)
            finally:
                self._seconds[0] += time.perf_counter() - start

        return timed


@contextmanager
def _stopwatch() -> Iterator[list[float]]:
    seconds = [0.0]
    connect = duckdb.connect

    def timed(*arguments: Any, **named: Any) -> Any:
        start = time.perf_counter()
        con = connect(*arguments, **named)
        seconds[0] += time.perf_counter() - start
        return _Timed(con, seconds)

    duckdb.connect = timed
    try:
        yield seconds
    finally:
        duckdb.connect = connect


def op_for_each(run: Run) -> Answer:
    """A Dagster op for each definition, which extracts it and what it reads."""
    import dagster as dg

    on = _landed(run)

    def op_of(key: str) -> dg.OpDefinition:
        @dg.op(name=key, ins={"start": dg.In(dg.Nothing)})
        def compute() -> None:
            extract(on.store, on.catalog, on.settings, HOUR_AFTER, keys=[key])

        return compute

    @dg.op
    def begin() -> None:
        ingest(on.store, on.catalog, on.settings)

    @dg.op(ins={"start": dg.In(dg.Nothing)})
    def end() -> None:
        aggregate(on.store, on.catalog, on.settings)
        on.store.publish()

    ops = [op_of(metric.key) for metric in on.catalog.active]

    @dg.job(executor_def=dg.in_process_executor)
    def hour() -> None:
        first = begin()
        end(start=[op(start=first) for op in ops])

    silent = {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}
    with run.clock():
        assert hour.execute_in_process(run_config=silent).success
    return values_found(on.store)


_FLOOR = "floor: its SQL alone"

STAGE = Stage(
    name="hourly",
    work="500 conversations x 100 deterministic definitions, from files to snapshot",
    cost="6 minutes, 1 GB",
    prepare=prepare,
    competitors=(
        Competitor(_FLOOR, its_sql, rounds=5),
        Competitor("Dagster, in process", dagster, floor=_FLOOR, rounds=5),
        Competitor("metric-store run", command, floor=_FLOOR, rounds=5),
        Competitor("naive: op per definition", op_for_each, floor=_FLOOR, rounds=1, warm_up=False),
    ),
    bars=(over("Dagster, in process", _FLOOR, 3),),
)
