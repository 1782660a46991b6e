"""How a command ends when somebody stops it, or stops listening; real processes, as in a terminal."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

COMMAND = [sys.executable, "-c", "from pipeline.cli import main; main()"]
RUN = ["run", "--at", "2026-03-12T14:00Z", "--metric", "avg_turn_count", "--metric", "completed_rate", "--json"]


def start(folder: Path, *arguments: str, **environment: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [*COMMAND, *arguments],
        cwd=folder,
        env={name: value for name, value in os.environ.items() if name != "PYTHONUNBUFFERED"} | environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        pipesize=4096,
    )


def end(process: subprocess.Popen[str], code: int) -> str:
    out, err = process.communicate(timeout=120)
    assert process.returncode == code, err
    return out


def numbers(folder: Path) -> list[dict[str, object]]:
    periods = json.loads(end(start(folder, "list", "--json"), 0))
    return [{name: cell for name, cell in row.items() if name not in ("computed_at", "revision")} for row in periods]


def test_ctrl_c_is_one_line_and_130_and_the_next_run_makes_the_same_rows(landing: Path, tmp_path: Path) -> None:
    folders = stopped, whole = tmp_path / "stopped", tmp_path / "whole"
    for folder in folders:
        folder.mkdir()
    process = start(stopped, *RUN, METRIC_STORE_LANDING=str(landing), METRIC_STORE_CHUNK_RECORDS="60")
    database = stopped / ".metric_store" / "metric_store.duckdb"
    while not database.exists():
        assert process.poll() is None
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=60)
    assert (process.returncode, out) == (130, "")
    (line,) = err.splitlines()
    assert line.startswith("metric-store: Interrupted.")
    for folder in folders:
        end(start(folder, *RUN, METRIC_STORE_LANDING=str(landing)), 0)
    found, wanted = numbers(stopped), numbers(whole)
    assert wanted
    for row, other in zip(found, wanted, strict=True):
        close = {name: pytest.approx(cell, rel=1e-7, abs=1e-9) for name, cell in other.items() if type(cell) is float}
        assert row == other | close  # threads add up in any order


def test_a_reader_that_leaves_early_is_no_error(tmp_path: Path) -> None:
    process = start(tmp_path, "catalog", "--json")
    assert process.stdout is not None
    assert process.stderr is not None
    assert process.stdout.readline() == "[\n"
    process.stdout.close()  # as `| head -1` does; the pipe holds less than the catalog
    assert process.stderr.read() == ""
    process.stderr.close()
    assert process.wait(60) == 141
