"""`kill -9` at random instants of a run, then a rerun: the rows are those of a run that nothing disturbed."""

from __future__ import annotations

import multiprocessing
import random
import shutil
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import duckdb
import pytest

from pipeline.sample import write_sample

# A server that has imported the command line forks a process for each run: the kills then hit work, not imports.
PROCESSES = multiprocessing.get_context("forkserver")
PROCESSES.set_forkserver_preload(["pipeline.cli.app", "pipeline.cli.work"])
COMMAND = """
import os, sys
os.chdir({folder!r})
os.environ |= {{"METRIC_STORE_LANDING": {landing!r}, "METRIC_STORE_CHUNK_RECORDS": "150"}}
sys.stdout = sys.stderr = open("output", "w")
from pipeline.cli.app import run
keys = ["--metric", "k_long", "--metric", "k_bill", "--metric", "k_syncs"]
sys.exit(run(["run", "--at", "2026-03-12T14:00Z", *keys]))
"""
ELSEWHERE = {
    "schema_migrations",  # says when, not what
    "extraction_runs",  # an attempt that was killed is an attempt; its hours are compared below
}
WHEN_AND_WHO = {
    "ingested_at", "first_arrival_at", "last_arrival_at", "computed_at", "superseded_at", "started_at", "finished_at",
    "rejected_at", "run_id", "valid_from", "valid_to", "seconds", "revision", "arrivals_until",
}  # fmt: skip
DEFINITIONS = """\
definitions:
  - {key: k_turns, name: Turns, metric_type: numerical, source: call_intelligence,
     event_types: [call_intelligence.row], extract_path: $.conversation_summary.turn_count, aggregation: avg}
  - {key: k_long, name: Long, metric_type: boolean, source: call_intelligence, event_types: [call_intelligence.row],
     extraction_mode: threshold, threshold: {metric: k_turns, operator: ">", value: 8}, aggregation: rate}
  - {key: k_bill, name: Bill, metric_type: boolean, source: call_intelligence, event_types: [call_intelligence.row],
     extraction_mode: pattern, pattern: {keywords: [bill, refund]}, aggregation: rate}
  - {key: k_syncs, name: Syncs, metric_type: numerical, source: connector_events,
     event_types: [connector.sync_completed], extract_path: $.event_count, aggregation: sum}
"""


class Deployment:
    """A folder with a landing folder and an empty store, worked on by the real command."""

    def __init__(self, folder: Path, landing: Path) -> None:
        self.folder = folder
        custom = folder / "definitions" / "metrics" / "custom"
        custom.mkdir(parents=True)
        (custom / "kill.yaml").write_text(DEFINITIONS)
        self._where = {"folder": str(folder), "landing": str(landing)}

    @property
    def database(self) -> Path:
        return self.folder / ".metric_store" / "metric_store.duckdb"

    def run(self, kill_after: float | None = None) -> bool:
        """Run the command in a process of its own; returns whether it came to its end."""
        process = PROCESSES.Process(target=exec, args=(COMMAND.format(**self._where),))
        process.start()
        process.join(kill_after)
        if process.exitcode is None:
            process.kill()
            process.join()
            return False
        assert process.exitcode == 0, (self.folder / "output").read_text()
        return True

    def rows(self) -> dict[str, list[tuple[object, ...]]]:
        """Every row of every table without ids of runs and times of computing, sorted."""
        with duckdb.connect(str(self.database), read_only=True) as con:
            con.execute("SET TimeZone = 'UTC'")
            tables = [name for (name,) in con.execute("SELECT table_name FROM duckdb_tables()").fetchall()]
            return {
                table: con.execute(
                    f"SELECT {', '.join(self._columns(con, table))} FROM {table} ORDER BY ALL"
                ).fetchall()
                for table in tables
                if table not in ELSEWHERE
            } | {
                "hours done": con.execute(
                    "SELECT DISTINCT metric_key, definition_version, window_end FROM extraction_runs "
                    "WHERE failure IS NULL ORDER BY ALL"
                ).fetchall()
            }

    @staticmethod
    def _columns(con: duckdb.DuckDBPyConnection, table: str) -> Iterator[str]:
        for name, type_ in con.execute(
            "SELECT column_name, data_type FROM duckdb_columns() WHERE table_name = ? ORDER BY column_index", [table]
        ).fetchall():
            if name in WHEN_AND_WHO:
                continue
            yield f"round({name}, 9) AS {name}" if type_ == "DOUBLE" else name


@pytest.fixture(scope="module")
def landing(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("sample")
    return write_sample(folder, end=datetime(2026, 3, 12, 15, tzinfo=UTC), conversations=40).landing


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory, landing: Path) -> tuple[Deployment, float]:
    """A deployment that nothing disturbed, and how long its run took."""
    deployment = Deployment(tmp_path_factory.mktemp("undisturbed"), landing)
    started = time.monotonic()
    assert deployment.run()
    return deployment, time.monotonic() - started


def test_the_reference_is_not_empty(undisturbed: tuple[Deployment, float]) -> None:
    rows = undisturbed[0].rows()
    assert len(rows["conversations"]) >= 40
    assert len(rows["metric_values"]) > 20
    assert len(rows["metric_periods"]) > 20
    assert len(rows["rejected_records"]) == 2
    assert rows["stale_conversations"] == rows["stale_periods"] == []


@pytest.mark.parametrize("kills", [pytest.param(50, marks=[pytest.mark.long, pytest.mark.timeout(3600)]), 8])
def test_killed_anywhere_and_run_again_the_rows_are_the_same(
    undisturbed: tuple[Deployment, float], landing: Path, tmp_path: Path, kills: int
) -> None:
    reference, seconds = undisturbed
    expected = reference.rows()
    dice = random.Random(20)
    killed = cycles = 0
    while killed < kills:
        cycles += 1
        deployment = Deployment(tmp_path / str(cycles), landing)
        for _ in range(1 + (cycles % 3 == 0)):  # some are killed twice
            instant = dice.random() * seconds
            started = time.monotonic()
            if deployment.run(kill_after=instant):
                seconds = min(seconds, time.monotonic() - started)  # it was faster than the measured one
            else:
                killed += 1
        assert deployment.run()
        found = deployment.rows()
        for table, rows in expected.items():
            assert found[table] == rows, f"{table} differs after a kill at {instant:.2f} of {seconds:.2f} s"
        shutil.rmtree(deployment.folder)
