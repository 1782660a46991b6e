"""What a thousand runs leave in the file."""

from __future__ import annotations

import shutil
import statistics
import time
from datetime import timedelta

from pipeline.bench.data import FIRST, write_events
from pipeline.bench.definitions import catalog_of
from pipeline.bench.history import copy_of, copy_rows
from pipeline.bench.stage import Answer, Competitor, Place, Run, Stage, measured
from pipeline.hourly import run_hour
from pipeline.window import HOUR, Window

_RUNS = 1000
_DEFINITIONS = 50
_CONVERSATIONS = 10  # an hour
_LENGTH = 12


def prepare(at: Place) -> None:
    """An empty deployment, and a file for each hour."""
    catalog_of(at.settings(at.folder / "empty", max_custom_metrics=1000), _DEFINITIONS)
    runs = at.scaled(_RUNS, least=4)
    everything = at.folder / "everything.ndjson"
    write_events(everything, conversations=runs * _CONVERSATIONS, length=_LENGTH, words=16, span_seconds=runs * 3600)
    with everything.open("rb") as stream:
        for hour in range(runs):
            lines = [next(stream) for _ in range(_CONVERSATIONS * _LENGTH)]
            (at.folder / f"{hour:04}.ndjson").write_bytes(b"".join(lines))
    everything.unlink()


def ours(run: Run) -> Answer:
    """One run after the other, each with its own file and a window that overlaps 23 hours with the one before.

    Once a day there is maintenance, as Dagster's schedule has it.
    """
    on = copy_of(run.folder / "empty", run, run.scratch)
    files = sorted(run.folder.glob("*.ndjson"))
    landing = run.scratch / "landing"
    landing.mkdir()
    took: list[float] = []
    with run.clock():
        for number, file in enumerate(files):
            shutil.copy(file, landing)
            start = time.perf_counter()
            run_hour(on.store, on.catalog, on.settings, Window.ending(FIRST + timedelta(hours=number) + HOUR))
            took.append(time.perf_counter() - start)
            if number % 24 == 23:
                on.store.maintain()
    live = on.store.path.stat().st_size
    copied = run.scratch / "copied.duckdb"
    with on.store.write() as con:
        copy_rows(con, copied)
    run.measures["file_ratio"] = live / copied.stat().st_size
    run.measures["bytes_a_run"] = live / len(files)
    tenth = max(len(took) // 10, 1)
    run.measures["late_ratio"] = statistics.median(took[-tenth:]) / statistics.median(took[tenth : 2 * tenth])
    return {}


_OURS = "hourly runs"

STAGE = Stage(
    name="growth",
    work="1,000 hourly runs with overlapping windows, 10 conversations an hour, 50 definitions",
    cost="25 minutes, 1 GB",
    prepare=prepare,
    competitors=(Competitor(_OURS, ours, rounds=1, warm_up=False, note="its floor is a copy of the live rows"),),
    bars=(
        measured(_OURS, "file_ratio", "file ≤ 1.5x a copy of its live rows", 1.5, "x"),
        measured(_OURS, "late_ratio", "the last tenth of the runs ≤ 1.2x the second tenth", 1.2, "x"),
    ),
)
