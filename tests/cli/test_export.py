"""`metric-store export`: files that are whole or not there, and standard output for the next program."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pyarrow.parquet
import pytest

from pipeline.cli.app import run
from pipeline.settings import load_settings
from pipeline.store import Store

AT = "2026-03-12T14:00Z"
UNDATED = {"event_id": "u", "conversation_id": "undated", "event_type": "agent.turn", "occurred_at": None}


@pytest.fixture(scope="module")
def project(landing: Path, tmp_path_factory: pytest.TempPathFactory, stored_in: str) -> Path:
    """A home with one hour of the sample, run once for all tests of this file."""
    home = tmp_path_factory.mktemp("export")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(home)
        patch.setenv("METRIC_STORE_HOME", str(home))
        patch.setenv("METRIC_STORE_LANDING", str(landing))
        (home / "undated.ndjson").write_text(json.dumps(UNDATED))
        assert run(["ingest", "undated.ndjson"]) == 0
        assert run(["run", "--at", AT, "--metric", "call_count", "--metric", "avg_turn_count"]) == 0
    return home


@pytest.fixture(autouse=True)
def _home(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("METRIC_STORE_HOME", str(project))


@pytest.mark.both_stores
def test_conversations_go_to_standard_output_as_ndjson(capsys: pytest.CaptureFixture[str]) -> None:
    capsys.readouterr()
    assert run(["export", "conversations", "--metric", "avg_turn_count", "--traffic", "all"]) == 0
    out, err = capsys.readouterr()
    rows = [json.loads(line) for line in out.splitlines()]
    with Store(load_settings()).read() as con:
        assert con.execute(
            "SELECT list(conversation_id ORDER BY started_at, conversation_id) FROM conversations"
        ).fetchall() == [([row["conversation_id"] for row in rows],)]
    assert {key for row in rows for key in row["metrics"] | row["metric_status"]} == {"avg_turn_count"}
    counted = [row for row in rows if row["metrics"]]
    assert counted
    assert all(row["metrics"]["avg_turn_count"] == row["turn_count"] for row in counted)
    assert f"{len(rows)} conversations written." in err


@pytest.mark.both_stores
def test_a_file_is_replaced_whole_and_its_ending_says_the_format(tmp_path: Path) -> None:
    target = tmp_path / "periods.parquet"
    target.write_text("what was there before")
    assert run(["export", "periods", "-o", str(target), "--from", "2026-03-01", "--to", "2026-04-01"]) == 0
    table = pyarrow.parquet.read_table(target)
    assert set(table["metric_key"].to_pylist()) >= {"call_count", "avg_turn_count"}
    assert [path.name for path in tmp_path.iterdir()] == ["periods.parquet"]
    assert run(["export", "values", "-o", str(tmp_path / "v.csv"), "--format", "csv"]) == 0
    assert (tmp_path / "v.csv").read_text().startswith("workspace_id,metric_key,")


def test_a_range_says_what_it_leaves_out_because_nobody_knows_when_it_was(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    whole, ranged = tmp_path / "whole.ndjson", tmp_path / "ranged.ndjson"
    capsys.readouterr()
    assert run(["export", "conversations", "-o", str(whole)]) == 0
    assert "instant" not in capsys.readouterr().err
    assert run(["export", "conversations", "-o", str(ranged), "--from", "2026-01-01"]) == 0
    assert "1 without an instant left out" in capsys.readouterr().err
    (left_out,) = set(whole.read_text().splitlines()) - set(ranged.read_text().splitlines())
    assert json.loads(left_out)["conversation_id"] == "undated"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["export", "everything"], "everything"),
        (["export", "values", "--metric", "avg_turn_counts"], "Did you mean avg_turn_count"),
        (["export", "values", "--from", "yesterday"], "is not a date or time"),
        (["export", "values", "--from", "2026-01-02", "--to", "2026-01-01"], "--to must be after"),
        (["export", "values", "-o", "nowhere/v.csv"], "no folder nowhere"),
        (["export", "values", "-o", "."], "it is a folder"),
    ],
    ids=["kind", "metric", "date", "span", "no folder", "a folder"],
)
def test_a_mistake_is_one_line(arguments: list[str], said: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(arguments) == 2
    assert said in capsys.readouterr().err


def test_a_file_that_cannot_be_written_leaves_the_old_one(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "taken").mkdir()
    assert run(["export", "values", "-o", str(tmp_path / "taken")]) == 2
    assert "Cannot write" in capsys.readouterr().err
    assert [path.name for path in tmp_path.iterdir()] == ["taken"]


def test_a_reader_that_goes_away_ends_it_quietly(project: Path) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    command = [sys.executable, "-c", "from pipeline.cli import main; main()", "export", "values", "--traffic", "all"]
    done = subprocess.run(command, stdout=writer, stderr=subprocess.PIPE, text=True, cwd=project, timeout=60)
    os.close(writer)
    assert (done.returncode, done.stderr) == (141, "")
