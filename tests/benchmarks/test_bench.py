"""That the benchmarks do the same work as their floors and say so. Their numbers mean nothing at this size."""

from __future__ import annotations

from pathlib import Path

import orjson
import pytest

from pipeline.bench.driver import compare
from pipeline.bench.report import COLUMNS
from pipeline.bench.stage import Answer, Bar, Competitor, Place, Result, Run, ratio, times
from pipeline.bench.stages import STAGES, stage_named
from pipeline.cli.app import run

QUICK = ("ingest", "static", "aggregate", "shards")


@pytest.mark.parametrize("name", STAGES)
def test_bars_and_floors_name_competitors(name: str) -> None:
    stage = stage_named(name)
    names = {competitor.name for competitor in stage.competitors}
    assert stage.name == name
    assert stage.bars
    assert {bar.of for bar in stage.bars} <= names
    assert {competitor.floor for competitor in stage.competitors} <= {*names, None}


@pytest.mark.parametrize("name", QUICK)
def test_competitors_find_the_same(name: str, tmp_path: Path) -> None:
    stage = stage_named(name)
    place = Place(tmp_path / "data", 0.0003)
    place.folder.mkdir()
    stage.prepare(place)
    results = {}
    for number, competitor in enumerate(stage.competitors):
        once = Run(place.folder, place.scale, tmp_path / f"scratch-{number}")
        once.scratch.mkdir()
        result = Result(competitor, answers=[competitor.work(once)])
        result.seconds = [sum(once.parts.values())]
        result.parts = {part: [seconds] for part, seconds in once.parts.items()}
        result.measures = {measure: [value] for measure, value in once.measures.items()}
        results[competitor.name] = result
    compare(list(results.values()))
    assert [result.competitor.name for result in results.values() if result.agrees is False] == []
    assert any(result.agrees for result in results.values())
    assert all(bar.found(results) >= 0 for bar in stage.bars)


def test_the_command_prints_a_table_and_writes_json(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "bench.json"
    assert run(["bench", "pattern", "--size", "small", "--rounds", "1", "--markdown", "--json", str(file)]) == 0
    table = capsys.readouterr().out.splitlines()
    assert table[0] == f"| {' | '.join(COLUMNS)} |"
    assert "cores" in table[-1]
    found = orjson.loads(file.read_bytes())
    (stage,) = found["stages"]
    assert found["machine"]["cores"] >= 1
    assert {competitor["same_answer"] for competitor in stage["competitors"][1:]} == {True}
    assert all(competitor["peak_bytes"] > 10 * 2**20 for competitor in stage["competitors"])
    assert stage["bars"][0]["holds"] is None  # so small that nobody can tell


def test_a_stage_that_fails_is_named(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setenv("METRIC_STORE_MEMORY_LIMIT", "1MB")
    assert run(["bench", "pattern", "--size", "small", "--markdown"]) == 1
    said = capfd.readouterr()
    assert said.out.startswith("| stage |")
    assert "The benchmark pattern: prepare ended with exit code 1." in said.err


def test_an_unknown_stage_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["bench", "speed"]) == 2
    assert "speed" in capsys.readouterr().err


def result(*answers: Answer, seconds: float = 1.0) -> Result:
    return Result(Competitor("any", lambda _: {}), answers=list(answers), seconds=[seconds])


def test_a_different_answer_is_seen() -> None:
    floor, same, other, silent = result({"n": 1, "ids": "a"}), result({"n": 1}), result({"ids": "b"}), result({})
    compare([floor, same, other, silent])
    assert [each.agrees for each in (floor, same, other, silent)] == [None, True, False, None]


def test_a_competitor_that_contradicts_itself_is_seen() -> None:
    floor, fickle = result({"n": 1}), result({"n": 1}, {"n": 2})
    compare([floor, fickle])
    assert fickle.agrees is False


def test_rounds_side_by_side_are_compared_in_pairs() -> None:
    assert ratio([2.0, 20.0, 6.0], [1.0, 10.0, 1.0]) == 2.0  # one noisy round spoils both
    assert ratio([4.0], [1.0, 2.0, 3.0]) == 2.0


def test_a_bar_holds_up_to_its_limit() -> None:
    bar = times("ours", "floor", 2)
    assert bar.found({"ours": result(seconds=3.0), "floor": result(seconds=2.0)}) == 1.5
    assert [bar.holds(found) for found in (1.5, 2.0, 2.1)] == [True, True, False]
    ideal = Bar("ours", "≥ 0.9", lambda _: 0.0, 0.9, at_least=True)
    assert [ideal.holds(found) for found in (0.89, 0.9)] == [False, True]
