"""Publishing, while others read."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

import duckdb

from pipeline.bench.data import FIRST, SQL
from pipeline.bench.history import copy_of, copy_rows
from pipeline.bench.stage import Answer, Competitor, Place, Run, Stage, measured, times
from pipeline.store import Store, load_sql, run_script

_METRICS = 50
_SIZES = {"1M": 1_000_000, "10M": 10_000_000}


def prepare(at: Place) -> None:
    """Stores with so many values."""
    for name, values in _SIZES.items():
        with Store(at.settings(at.folder / name)).transaction() as con:
            metrics = [{"key": f"bench_{n}", "version": f"{n:064}", "type": "numerical"} for n in range(_METRICS)]
            parameters = {
                "workspace_id": at.settings(at.folder).workspace_id,
                "metrics": metrics,
                "conversations": at.scaled(values) // _METRICS,
                "days": 365,
                "first": FIRST,
            }
            run_script(con, load_sql(SQL, "values"), parameters)


def copied(name: str) -> Callable[[Run], Answer]:
    """COPY FROM DATABASE, and nothing else."""

    def work(run: Run) -> Answer:
        on = copy_of(run.folder / name, run, run.scratch)
        path = run.scratch / "copied.duckdb"
        with on.store.write() as con, run.clock():
            copy_rows(con, path)
        with duckdb.connect(str(path), read_only=True) as con:
            return {name: con.execute("SELECT count(*) FROM metric_values").fetchall()[0][0]}

    return work


def published(name: str) -> Callable[[Run], Answer]:
    """What every run does at its end, with somebody who reads all the time."""

    def work(run: Run) -> Answer:
        on = copy_of(run.folder / name, run, run.scratch)
        for _ in range(2):  # as after any run but the first
            on.store.publish()
        longest, stop = [0.0], threading.Event()
        reader = threading.Thread(target=_read, args=(Store(on.settings), longest, stop))
        reader.start()
        with on.store.transaction() as con:
            con.execute("UPDATE metric_values SET run_id = 'later' WHERE entity_id = 'c0'")
        with run.clock():
            on.store.publish()
        stop.set()
        reader.join()
        run.measures["longest_read"] = longest[0]
        with on.store.read() as con:
            ((rows,),) = con.execute("SELECT count(*) FROM metric_values").fetchall()
        return {name: rows}

    return work


def _read(store: Store, longest: list[float], stop: threading.Event) -> None:
    while not stop.is_set():
        start = time.perf_counter()
        with store.read() as con:
            con.execute("SELECT count(*) FROM metric_values WHERE entity_id = 'c0'").fetchall()
        longest[0] = max(longest[0], time.perf_counter() - start)
        time.sleep(0.01)


STAGE = Stage(
    name="snapshot",
    work="publishing a store with 1M and with 10M values while somebody reads",
    cost="10 minutes, 6 GB",
    prepare=prepare,
    competitors=tuple(
        competitor
        for name in _SIZES
        for competitor in (
            Competitor(f"floor: COPY FROM DATABASE, {name}", copied(name)),
            Competitor(f"publish, {name} values", published(name), floor=f"floor: COPY FROM DATABASE, {name}"),
        )
    ),
    bars=tuple(
        bar
        for name in _SIZES
        for bar in (
            times(f"publish, {name} values", f"floor: COPY FROM DATABASE, {name}", 1.1),
            measured(f"publish, {name} values", "longest_read", "longest read meanwhile ≤ 0.5 s", 0.5, " s"),
        )
    ),
)
