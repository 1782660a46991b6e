"""A lake holds the rows that one file holds: of late files, restated hours, another zone's days, and of real data."""

from __future__ import annotations

import shutil
import tarfile
from datetime import UTC, datetime
from pathlib import Path

from star import TABLES, Row, assert_same, deployment, rows, this_hour

from pipeline.catalog import load_catalog
from pipeline.hourly import backfill, run_hour
from pipeline.ingest import ingest
from pipeline.sample import write_sample
from pipeline.settings import Settings
from pipeline.store import Store
from pipeline.window import HOUR, Window

END = datetime(2026, 3, 12, 15, tzinfo=UTC)
LEDGER = (
    "SELECT * EXCLUDE (run_id, arrivals_until, started_at, seconds) FROM extraction_runs "
    "ORDER BY window_end, metric_key"
)
VIEWS = ("current_values", "current_periods", "latest_periods")
DIALOGUES = 400


def everything(store: Store) -> dict[str, list[Row]]:
    found = {table: rows(store, table) for table in TABLES}
    with store.read() as con:
        found["ledger"] = con.execute(LEDGER).fetchall()
        found["superseded"] = con.execute("SELECT count(*) FROM metric_periods WHERE revision > 1").fetchall()
        for view in VIEWS:
            found[view] = con.execute(f"SELECT metric_key, count(*) FROM {view} GROUP BY ALL ORDER BY ALL").fetchall()
        assert con.execute("SELECT count(*) FROM stale_periods").fetchall() == [(0,)]
    return found


def assert_same_tables(found: dict[str, list[Row]], expected: dict[str, list[Row]]) -> None:
    for table, wanted in expected.items():
        assert wanted, table
        assert_same(found[table], wanted)


def test_the_sample_with_late_files_and_a_backfill(both: dict[str, Settings], tmp_path: Path) -> None:
    found = {}
    for name, settings in both.items():
        sample = write_sample(tmp_path / f"sample-{name}", end=END, conversations=60)
        settings = settings.model_copy(update={"landing": str(sample.landing), "timezone": "Asia/Kolkata"})
        store, catalog = Store(settings), load_catalog(settings)
        first = run_hour(store, catalog, settings, Window.ending(END - 2 * HOUR))
        assert first.ingest is not None
        assert not first.failed
        assert not first.ingest.failed
        for file in sample.late.iterdir():
            shutil.copy(file, sample.landing)
        backfill(store, catalog, settings, Window.each_hour(END - 2 * HOUR, END))
        found[name] = everything(store)
    assert found["file"]["superseded"] != [(0,)]
    assert_same_tables(found["lake"], found["file"])


def test_real_conversations(lake: Settings, shared_data: Path, tmp_path: Path) -> None:
    with tarfile.open(shared_data / "star" / "dialogues.tar.gz") as tar:
        members = tar.getmembers()
        tar.extractall(tmp_path / "star", members=members[:: len(members) // DIALOGUES], filter="data")
    found = {}
    for name, where in (("file", {}), ("lake", {"catalog": lake.catalog, "data_path": lake.data_path})):
        settings, _, catalog, keys = deployment(tmp_path / name)
        settings = settings.model_copy(update=where)
        store = Store(settings)
        report = ingest(store, catalog, settings, urls=[str(tmp_path / "star")], source="star")
        assert not report.failed
        run_hour(store, catalog, settings, this_hour(), keys=keys, ingest_first=False)
        found[name] = {table: rows(store, table) for table in TABLES}
    assert len(found["lake"]["conversations"]) >= DIALOGUES
    assert_same_tables(found["lake"], found["file"])
