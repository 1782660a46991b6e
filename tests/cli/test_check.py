"""`metric-store check` as a gate: exit codes, JSON, JUnit."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from xml.etree import ElementTree

import pytest

from pipeline.cli.app import run
from pipeline.sample import write_sample

pytestmark = pytest.mark.both_stores

CHECKS = """
checks:
  - {name: turns, sets: [gate], metric: avg_turn_count, condition: {operator: ">=", value: 0}, min_coverage: 0.5}
  - {name: long, sets: [strict], metric: avg_turn_count, condition: {operator: ">", value: 500}, min_coverage: 0.5}
  - {name: hushed, sets: [gate], metric: avg_turn_count, condition: {operator: ">", value: 500}, min_coverage: 0,
     severity: warning}
"""


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory, stored_in: str) -> Path:
    """A home with a few conversations of today, run for one metric, and three checks."""
    home = tmp_path_factory.mktemp("check")
    hour = datetime.now(UTC).replace(minute=0, second=0, microsecond=0)
    write_sample(home, end=hour, conversations=30)
    (home / "definitions").mkdir()
    (home / "definitions" / "checks.yaml").write_text(CHECKS)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(home)
        patch.setenv("METRIC_STORE_HOME", str(home))
        at = (hour - timedelta(hours=1)).isoformat()
        assert run(["run", "--at", at, "--metric", "avg_turn_count"]) == 0
    return home


@pytest.fixture(autouse=True)
def _home(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(project)
    monkeypatch.setenv("METRIC_STORE_HOME", str(project))


def test_a_gate_passes_and_says_what_it_saw(capsys: pytest.CaptureFixture[str]) -> None:
    capsys.readouterr()
    assert run(["check", "gate", "--last", "24h", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["passed"]
    turns, hushed = found["checks"]
    assert (turns["name"], turns["verdict"], turns["value"]) == ("turns", "PASSED", 1.0)
    assert turns["n"] > 0
    assert (hushed["verdict"], hushed["severity"]) == ("BELOW_MIN_PASS_RATE", "warning")
    assert run(["check", "gate"]) == 0
    assert "BELOW_MIN_PASS_RATE (warning)" in capsys.readouterr().out


def test_a_gate_fails_with_one(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["check", "--junit", str(tmp_path / "checks.xml")]) == 1
    assert "long: BELOW_MIN_PASS_RATE. 0.0% pass; at least 80.0% are asked for." in capsys.readouterr().err
    suite = ElementTree.parse(tmp_path / "checks.xml").getroot()
    assert (suite.get("tests"), suite.get("failures")) == ("3", "1")
    kinds = {case.get("name"): [child.tag for child in case] for case in suite}
    assert kinds == {"turns": [], "long": ["failure"], "hushed": ["skipped"]}
    assert suite.find("testcase/failure").get("type") == "BELOW_MIN_PASS_RATE"
    assert run(["check", "completed_check"]) == 1  # shipped, and no run has looked
    assert "RUN_NOT_COMPLETED" in capsys.readouterr().err


def test_a_gate_says_when_it_cannot_tell(project: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """It fails, with a type of its own, so that a pipeline may treat it otherwise."""
    assert run(["check", "turns", "--json"]) == 0
    value = json.loads(capsys.readouterr().out)["checks"][0]
    assert value["n"] < 100
    file = project / "definitions" / "checks.yaml"
    file.write_text(
        CHECKS + "  - {name: even, sets: [close], metric: avg_turn_count, over: period, min_coverage: 0.5,"
        " condition: {operator: '<', value: 0}}\n"
    )
    try:
        assert run(["check", "even", "--last", "24h", "--json"]) == 1
        even = json.loads(capsys.readouterr().out)["checks"][0]
        assert even["verdict"] == "BELOW_MIN_PASS_RATE"
        limit = (even["interval_low"] + even["value"]) / 2
        file.write_text(file.read_text().replace("value: 0}}", f"value: {limit}}}}}"))
        assert run(["check", "even", "--last", "24h", "--junit", str(tmp_path / "checks.xml")]) == 1
    finally:
        file.write_text(CHECKS)
    assert "even: UNDECIDED." in capsys.readouterr().err
    suite = ElementTree.parse(tmp_path / "checks.xml").getroot()
    assert suite.find("testcase/failure").get("type") == "UNDECIDED"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["nothing_of_this_name"], "No check and no set of checks"),
        (["gate", "--last", "soon"], "24h or 7d"),
        (["gate", "--run-id", "r", "--last", "1h"], "leave out the times"),
        (["gate", "--from", "2026-03-02", "--to", "2026-03-01"], "--to must be after"),
        (["gate", "--junit", "nowhere/x.xml"], "Cannot write"),
    ],
    ids=["name", "last", "run", "order", "junit"],
)
def test_a_mistake_is_exit_code_2(arguments: list[str], said: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["check", *arguments]) == 2
    assert said in capsys.readouterr().err
