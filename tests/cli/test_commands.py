"""Every command through `run`, as the console script calls it: output, JSON, exit codes, one line for each mistake."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from pipeline.cli.app import run

AT = "2026-03-12T14:00Z"
METRICS = """\
definitions:
  - {key: c_turns, name: Turns, metric_type: numerical, source: call_intelligence, unit: turns,
     event_types: [call_intelligence.row], extract_path: $.conversation_summary.turn_count, aggregation: avg}
  - {key: c_long, name: Long, metric_type: boolean, source: call_intelligence, event_types: [call_intelligence.row],
     extraction_mode: threshold, threshold: {metric: c_turns, operator: ">", value: 8}, aggregation: rate}
"""


class Shell:
    """Runs commands in the current folder and gives what they printed."""

    def __init__(self, capsys: pytest.CaptureFixture[str]) -> None:
        self._capsys = capsys
        self.err = ""

    def __call__(self, *arguments: str, code: int = 0) -> str:
        self._capsys.readouterr()
        found = run(arguments)
        out, self.err = self._capsys.readouterr()
        assert found == code, (out, self.err)
        return out

    def json(self, *arguments: str, code: int = 0) -> Any:
        return json.loads(self(*arguments, "--json", code=code))


@pytest.fixture
def shell(capsys: pytest.CaptureFixture[str]) -> Shell:
    return Shell(capsys)


@pytest.fixture
def define(tmp_path: Path) -> Callable[..., Path]:
    def write(text: str = METRICS, name: str = "c") -> Path:
        file = tmp_path / "definitions" / "metrics" / "custom" / f"{name}.yaml"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
        return file

    write()
    return write


@pytest.mark.both_stores
def test_a_project_from_files_to_numbers(
    shell: Shell, define: Callable[..., Path], landing: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("METRIC_STORE_LANDING", str(landing))
    plan = shell.json("run", "--at", AT, "--metric", "c_long", "--dry-run")
    assert plan["dry_run"]
    assert plan["ingest"]["event_count"] == 1026, "read into a copy that is gone again"

    ingested = shell.json("ingest")
    assert ingested["rejected_count"] == 2
    assert ingested["conversation_count"] >= 40
    assert ingested["record_count"] == sum(
        ingested[name] for name in ("event_count", "duplicate_count", "rejected_count")
    )
    assert shell.json("ingest")["event_count"] == 0

    done = shell.json("run", "--at", AT, "--metric", "c_long")
    (window,) = done["windows"]
    assert window["window_end"] == "2026-03-12T15:00:00Z"
    assert [metric["key"] for metric in window["metrics"]] == ["c_turns", "c_long"]
    for metric in window["metrics"]:
        assert metric["eligible"] == sum(metric["states"].values()) > 0
    again = shell.json("run", "--at", AT, "--metric", "c_long")
    assert sum(metric["computed"] for metric in again["windows"][0]["metrics"]) < window["metrics"][0]["computed"]

    keys = [row["metric_key"] for row in shell.json("list")]
    assert set(keys) == {"c_turns", "c_long"}
    rows = shell.json("get", "c_turns", "--grain", "hour", "--from", "2026-03-12T00:00Z")
    assert rows
    assert {"value", "event_count", "eligible_count", "coverage", "interval_low", "revision"} <= rows[0].keys()
    assert all(row["period_start"] >= "2026-03-12" and row["traffic"] == "production" for row in rows)
    assert shell.json("get", "c_turns", "--as-known-at", "2026-03-13") == []
    assert len(shell.json("trend", "c_turns", "--days", "5")) == 5
    shell("backfill", "--from", "2026-03-12T13:00Z", "--to", "2026-03-12T15:00Z", "--metric", "c_turns")

    status = shell.json("status", "--from", "2026-03-12T13:00Z", "--to", "2026-03-12T15:00Z")
    turns = next(metric for metric in status["metrics"] if metric["key"] == "c_turns")
    assert turns["done"] == ["2026-03-12T13:00:00Z", "2026-03-12T14:00:00Z"]
    assert turns["missing"] == turns["failing"] == []
    long = next(metric for metric in status["metrics"] if metric["key"] == "c_long")
    assert long["missing"] == ["2026-03-12T13:00:00Z"]
    assert sum(refused["records"] for refused in status["rejected"]) == 2

    for command in (["list"], ["get", "c_turns"], ["trend", "c_turns"], ["status"], ["catalog"], ["settings"]):
        text = shell(*command)
        assert "\x1b" not in text
        assert text.strip()
    assert "c_long" in shell("list")

    define("definitions: []")
    assert shell.json("get", "c_long"), "what is stored can be read without its definition"
    define(METRICS.replace("c_long", "c_fresh"))
    for command in ("get", "trend"):
        assert shell.json(command, "c_fresh") == []
        assert "metric-store run" in shell.err
        shell(command, "c_fresh")

    define(METRICS.replace("value: 8", "value: 9"))
    (change,) = [change for change in shell.json("definitions", "diff") if change["key"].startswith("c_")]
    assert (change["key"], change["effect"]) == ("c_long", "extract")
    define(METRICS.replace("metric_type: numerical", "metric_type: categorical").replace("avg", "count"))
    shell("run", "--at", AT, "--metric", "c_turns", code=1)
    assert "c_turns failed" in shell.err


def test_a_file_that_cannot_be_read_is_exit_code_1(shell: Shell, tmp_path: Path) -> None:
    (tmp_path / "bad.json.gz").write_bytes(b"\x1f\x8b damaged")
    shell("ingest", "bad.json.gz", code=1)
    assert "bad.json.gz" in shell.err


def test_events_that_a_killed_server_had_accepted_are_ingested(shell: Shell, tmp_path: Path) -> None:
    accepted = tmp_path / ".metric_store" / "intake" / "events-1.ndjson.partial"
    accepted.parent.mkdir(parents=True)
    accepted.write_text('{"event_id": "e", "event_type": "agent.turn", "occurred_at": null}\n')
    assert shell.json("ingest")["event_count"] == 1
    assert not accepted.exists()


def test_a_rewritten_file_does_not_double_what_it_was_refused(shell: Shell, tmp_path: Path) -> None:
    event = {"event_id": "e", "conversation_id": "c", "event_type": "user.turn", "occurred_at": "2026-03-12T14:10:00Z"}
    for broken in ('{"one\n', '{"one\n{"two\n'):
        (tmp_path / "calls.ndjson").write_text(f"{json.dumps(event)}\n{broken}")
        shell("ingest", "calls.ndjson", code=1)  # more is refused than `max_rejected_share` allows
    shell("run", "--at", AT, "--metric", "call_count")
    assert sum(refused["records"] for refused in shell.json("status", code=1)["rejected"]) == 2


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["nope"], "No such command 'nope'"),
        (["get"], "Missing argument"),
        (["get", "call_cuont"], "Nothing has been published"),
        (["run", "--at", "yesterday"], "not a date or time"),
        (["run", "--at", "2026-01-01T10:30Z"], "not the start of a UTC hour"),
        (["run", "--metric", "call_cuont"], "call_count"),
        (["backfill", "--from", "2026-01-02", "--to", "2026-01-01"], "at least an hour"),
        (["status", "--from", "2026-01-02", "--to", "2026-01-01"], "at least an hour"),
        (["get", "call_count", "--from", "2026-01-02", "--to", "2026-01-01"], "--to must be after"),
        (["trend", "call_count", "--days", "0"], "--days"),
        (["ingest", "absent.json"], "absent.json"),
        (["ingest", "--source", "nope"], "nope"),
        (["list", "--traffic", "real"], "production"),
        (["dev", "--port", "99999"], "--port"),
    ],
)
def test_a_mistake_is_one_line_that_helps_and_exit_code_2(
    shell: Shell, tmp_path: Path, arguments: list[str], says: str
) -> None:
    (tmp_path / "metric-store.toml").touch()
    assert shell(*arguments, code=2) == ""
    assert says in shell.err
    assert len(shell.err.splitlines()) == 1
    assert "Traceback" not in shell.err


def test_broken_settings_are_a_mistake_too(shell: Shell, tmp_path: Path) -> None:
    (tmp_path / "metric-store.toml").write_text('windw_hours = 3\ntimezone = "Mars/Base"')
    shell("settings", code=2)
    assert "windw_hours" in shell.err
    assert "Mars/Base" in shell.err


def test_settings_say_where_they_come_from(shell: Shell, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "metric-store.toml").write_text("cap = 7\nthreads = 1")
    monkeypatch.setenv("METRIC_STORE_THREADS", "2")
    monkeypatch.setenv("METRIC_STORE_LANDING", "s3://key:secret@bucket/x")
    found = {setting["name"]: setting for setting in shell.json("settings")}
    assert (found["cap"]["value"], found["cap"]["origin"]) == ("7", "metric-store.toml")
    assert (found["threads"]["value"], found["threads"]["origin"]) == ("2", "environment")
    assert found["window_hours"]["origin"] == "default"
    assert "secret" not in json.dumps(found)


def test_broken_definitions_are_listed_with_their_lines(shell: Shell, define: Callable[..., Path]) -> None:
    assert "can be used" in shell("definitions", "validate")
    define("definitions:\n  - key: Bad Key\n    nme: x\n", name="broken")
    text = shell("definitions", "validate", code=2)
    assert "broken.yaml:2" in text
    found = shell.json("definitions", "validate", code=2)
    assert any(problem["file"].endswith("broken.yaml") for problem in found["problems"])
    assert {"c_turns", "c_long"} <= {metric["key"] for metric in shell.json("catalog")}
    assert json.loads(shell("definitions", "schema"))["$schema"]


def test_init_makes_a_project_that_validates_and_overwrites_nothing(
    shell: Shell, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shell("init", "mine")
    shell("init", "mine", code=2)
    assert "not empty" in shell.err
    monkeypatch.chdir(tmp_path / "mine")
    shell("definitions", "validate")
    assert "refund_mention_rate" in {metric["key"] for metric in shell.json("catalog")}
    assert shell.json("settings")
    text = (tmp_path / "mine" / "metric-store.toml").read_text()
    lines = [line.removeprefix("# ") for line in text.splitlines() if " = " in line or line.startswith("# [")]
    (tmp_path / "mine" / "metric-store.toml").write_text("\n".join(line for line in lines if not line.endswith('= ""')))
    assert len(lines) > 10
    assert {setting["origin"] for setting in shell.json("settings")} >= {"metric-store.toml"}


def test_help_and_version(shell: Shell) -> None:
    assert "backfill" in shell()
    assert shell("--version").strip()[0].isdigit()
    assert "--dry-run" in shell("run", "--help")


def test_files_that_nobody_can_read_are_named_once_for_each_reason(shell: Shell, tmp_path: Path) -> None:
    for number in range(7):
        (tmp_path / f"f{number}.json").write_text('{"a": 1}')
    out = shell("ingest", *(str(tmp_path / f"f{number}.json") for number in range(7)), code=1)
    assert "0 files read, 7 could not be read, 0 unchanged" in out
    (line,) = shell.err.splitlines()
    assert "f4.json and 2 more: no source mapping claims or recognises it" in line
