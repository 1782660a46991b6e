"""Several processes on one lake: nothing is lost, nothing is stored twice, whoever dies lets go."""

from __future__ import annotations

import multiprocessing
import time
from datetime import UTC, datetime
from pathlib import Path

from star import TABLES, assert_same, rows

from pipeline.catalog import load_catalog
from pipeline.hourly import run_hour
from pipeline.ingest import ingest
from pipeline.sample import write_sample
from pipeline.settings import Settings
from pipeline.store import Store
from pipeline.window import HOUR, Window

END = datetime(2026, 3, 12, 15, tzinfo=UTC)
WRITERS = 8
KILLS = 6
KEYS = ("call_count", "avg_turn_count", "escalation_rate", "final_state", "connector_sync_event_count")
PROCESSES = multiprocessing.get_context("forkserver")
PROCESSES.set_forkserver_preload(["pipeline.hourly", "pipeline.catalog", "pipeline.store.lake"])


def work(settings: Settings, urls: list[str], end: datetime, results: multiprocessing.SimpleQueue[object]) -> None:
    """One worker: its files, then its hour."""
    store, catalog = Store(settings), load_catalog(settings)
    report = ingest(store, catalog, settings, urls=urls)
    run = run_hour(store, catalog, settings, Window.ending(end), keys=KEYS, ingest_first=False)
    results.put((report.record_count, report.event_count, report.duplicate_count, report.rejected_count, run.failed))


def test_eight_writers_with_overlapping_files_and_windows_lose_nothing(
    both: dict[str, Settings], tmp_path: Path
) -> None:
    sample = write_sample(tmp_path / "sample", end=END, conversations=30)
    files = sorted(str(path) for path in sample.landing.iterdir())
    ends = [END - number * HOUR for number in range(WRITERS)]

    results = PROCESSES.SimpleQueue()
    # Each has files of its own, and a third of everybody else's.
    shares = [files[n::WRITERS] + files[n % 3 :: 3] for n in range(WRITERS)]
    writers = [
        PROCESSES.Process(target=work, args=(both["lake"], share, end, results))
        for share, end in zip(shares, ends, strict=True)
    ]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    assert [writer.exitcode for writer in writers] == [0] * WRITERS
    reports = [results.get() for _ in writers]
    assert all(report[4] == () for report in reports)

    lake = Store(both["lake"])
    assert not run_hour(
        lake, load_catalog(both["lake"]), both["lake"], Window.ending(END), keys=KEYS, ingest_first=False
    ).failed

    file = Store(both["file"])
    catalog = load_catalog(both["file"])
    ingest(file, catalog, both["file"], urls=files)
    for end in reversed(ends):
        run_hour(file, catalog, both["file"], Window.ending(end), keys=KEYS, ingest_first=False)
    for table in TABLES:
        assert_same(rows(lake, table), rows(file, table))
    with lake.write() as con:
        twice = "SELECT count(*) - count(DISTINCT event_id) FROM events"
        assert con.execute(twice).fetchall() == [(0,)]
        assert sum(report[1] for report in reports) == con.execute("SELECT count(*) FROM events").fetchall()[0][0]
        # What each was handed is stored, was there already, or has a row that says why not.
        assert all(report[0] == report[1] + report[2] + report[3] for report in reports)
        assert con.execute("SELECT count(*) FROM stale_conversations").fetchall() == [(0,)]
        assert con.execute("SELECT count(*) FROM stale_periods").fetchall() == [(0,)]


def test_a_writer_that_is_killed_loses_nothing_and_holds_nobody_up(both: dict[str, Settings], tmp_path: Path) -> None:
    """`kill -9` at instants all over a run, most of them inside a transaction; then the run again."""
    sample = write_sample(tmp_path / "sample", end=END, conversations=30)
    files = sorted(str(path) for path in sample.landing.iterdir())
    lake = both["lake"].model_copy(update={"chunk_records": 150, "lock_seconds": 60})
    started, results = time.monotonic(), PROCESSES.SimpleQueue()
    for kill in range(KILLS):
        writer = PROCESSES.Process(target=work, args=(lake, files, END, results))
        writer.start()
        writer.join(0.4 + 0.5 * kill)
        writer.kill()
        writer.join()
    for settings in (lake, both["file"]):
        store, catalog = Store(settings), load_catalog(settings)
        ingest(store, catalog, settings, urls=files)
        assert not run_hour(store, catalog, settings, Window.ending(END), keys=KEYS, ingest_first=False).failed
    for table in TABLES:
        assert_same(rows(Store(lake), table), rows(Store(both["file"]), table))
    assert time.monotonic() - started < lake.lock_seconds * KILLS  # no lock was waited for until its end
