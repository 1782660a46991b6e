"""The judge from the command line: the plan before the money, and batches."""

from __future__ import annotations

import json
from typing import Any

import pytest

from pipeline.cli.app import run as command


@pytest.fixture
def ready(bench: Any, judge: Any, monkeypatch: pytest.MonkeyPatch) -> Any:
    endpoint = {"model": "judge-1", "base_url": judge.base_url, "usd_in": 1.0, "usd_cached": 0.1, "usd_out": 2.0}
    bench.ask(judge, **endpoint)
    bench.define(bench.score(), bench.label())
    bench.talk(8, words=2500)
    monkeypatch.setenv("METRIC_STORE_HOME", str(bench.settings.home))
    monkeypatch.setenv("METRIC_STORE_DEFINITIONS", str(bench.settings.definitions))
    for name, value in endpoint.items():
        monkeypatch.setenv(f"METRIC_STORE_MODELS__DEFAULT__{name.upper()}", str(value))
    return bench


def outcomes(capsys: Any) -> dict[str, Any]:
    (window,) = json.loads(capsys.readouterr().out)["windows"]
    return {outcome["key"]: outcome for outcome in window["metrics"] if outcome["key"] in ("empathy", "topic")}


HOUR = ("--at", "2026-03-02T09:00Z")
METRICS = ("--metric", "empathy", "--metric", "topic", "--json")


def test_the_plan_is_what_is_then_spent(ready: Any, judge: Any, capsys: Any) -> None:
    assert command(["run", *HOUR, *METRICS, "--dry-run"]) == 0
    planned = outcomes(capsys)
    assert judge.count.requests == 0
    assert [planned[key]["calls"] for key in ("empathy", "topic")] == [8, 8]
    assert planned["empathy"]["tokens_cached"] == 0
    assert planned["topic"]["tokens_cached"] > 8 * 1024
    assert planned["topic"]["cost_usd"] < planned["empathy"]["cost_usd"] / 2
    assert command(["run", *HOUR, *METRICS]) == 0
    spent = outcomes(capsys)
    assert [spent[key]["calls"] for key in ("empathy", "topic")] == [8, 8]
    for key in ("empathy", "topic"):
        assert spent[key]["tokens"] == pytest.approx(planned[key]["tokens"], rel=0.3)
        assert spent[key]["cost_usd"] == pytest.approx(planned[key]["cost_usd"], rel=0.5)
    assert command(["run", *HOUR, *METRICS, "--dry-run"]) == 0
    assert [outcome["calls"] for outcome in outcomes(capsys).values()] == [0, 0]


def test_a_backfill_in_batches(ready: Any, judge: Any, capsys: Any) -> None:
    arguments = ["backfill", "--from", "2026-03-02T09:00Z", "--to", "2026-03-02T10:00Z", "--batch", *METRICS]
    assert command(arguments) == 0
    assert {key: outcome["states"] for key, outcome in outcomes(capsys).items()} == {
        "empathy": {"ok": 8},
        "topic": {"ok": 8},
    }
    assert judge.batches.created == 1


def test_an_endpoint_that_takes_no_batches_is_named_and_exit_code_1(
    ready: Any, judge: Any, capsys: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("METRIC_STORE_MODELS__DEFAULT__BASE_URL", judge.base_url.replace("/v1", "/nothing/v1"))
    arguments = ["backfill", "--from", "2026-03-02T09:00Z", "--to", "2026-03-02T10:00Z", "--batch", *METRICS]
    assert command(arguments) == 1
    told = capsys.readouterr()
    assert "judge-1" in told.err
    assert len(told.err.strip().splitlines()) == 2, "the endpoint, and the metrics that failed for it"
    assert "8 of 8 conversations ended in an error" in told.err


def test_a_dry_run_counts_files_that_nobody_has_read_and_leaves_them(ready: Any, judge: Any, capsys: Any) -> None:
    said = [json.loads(line) for line in (ready.settings.home / "landing" / "0.ndjson").read_text().splitlines()]
    more = [event | {"conversation_id": f"new-{event['conversation_id']}"} for event in said]
    (ready.settings.home / "landing" / "waiting.ndjson").write_text("\n".join(map(json.dumps, more)))
    assert command(["run", *HOUR, *METRICS[:4], "--dry-run"]) == 0
    told = capsys.readouterr().out
    assert "In all 32 calls" in told or "In all 16 calls" in told  # the same words are the same question
    assert "1 files read" in told
    assert ready.query("SELECT count(*) FROM conversations") == [(8,)]
    assert ready.query("SELECT count(*) FROM metric_values") == [(0,)]
    assert judge.count.requests == 0
    assert command(["run", *HOUR, *METRICS, "--dry-run"]) == 0
    assert outcomes(capsys)["empathy"]["eligible"] == 16
