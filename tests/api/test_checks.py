"""Checks over HTTP: the same verdicts, and nothing about metrics that the key may not read."""

from __future__ import annotations

from datetime import UTC, datetime

import httpx2
import pytest
from api_server import NOW, Server

from pipeline.cli.app import run
from pipeline.client import MetricStore
from pipeline.workspace.keys import create_key

CHECKS = """
checks:
  - {name: quality, sets: [gate], metric: voice_quality_score, condition: {operator: ">=", value: 64},
     min_pass_rate: 0.4, min_coverage: 0.5}
  - {name: from_file_check, sets: [gate], metric: from_file, condition: {operator: ">=", value: 0}}
"""


def test_checks_are_evaluated_and_hidden_like_metrics(server: Server, viewer: httpx2.Client) -> None:
    (server.settings.definitions / "checks.yaml").write_text(CHECKS)
    server.store.publish()
    span = {"date_from": NOW.replace(year=NOW.year - 1).isoformat(), "date_to": NOW.isoformat()}
    found = viewer.get("/checks", params={"name": "voice_quality_score_check", **span})
    assert found.status_code == 200, found.text
    (shipped,) = found.json()["checks"]
    assert (shipped["n"], shipped["passed_count"], shipped["eligible"]) == (8, 0, 9)
    assert shipped["verdict"] == "BELOW_MIN_PASS_RATE"
    assert "UNDECIDED" in httpx2.get(f"{server.url}/openapi.json", timeout=60).text
    assert viewer.get("/checks", params={"name": "no such"}).status_code == 404
    assert viewer.get("/checks", params={"run_id": "r", "last_hours": 1}).status_code == 422
    secret = create_key(server.store, "narrow", "viewer", actor="cli", now=datetime.now(UTC), metrics=["from_file"])[1]
    with server.client(secret) as narrow:
        assert narrow.get("/checks", params={"name": "voice_quality_score_check"}).status_code == 404


def test_ones_own_are_the_default(server: Server, viewer: httpx2.Client) -> None:
    """The file may have been written a moment ago: definitions are looked at every two seconds."""
    server.settings.definitions.joinpath("checks.yaml").write_text(CHECKS)
    service_sees = []
    for _ in range(60):
        answer = viewer.get("/checks", params={"name": "gate"})
        service_sees.append(answer.status_code)
        if answer.status_code == 200:
            break
        server.store.publish()
    else:
        raise AssertionError(service_sees)
    body = viewer.get("/checks").json()
    assert {check["name"]: check["verdict"] for check in body["checks"]} == {
        "quality": "PASSED",
        "from_file_check": "RUN_NOT_COMPLETED",
    }
    assert body["passed"] is False
    with MetricStore(server.url, server.keys["viewer"]) as store:
        assert [check["name"] for check in store.checks(["quality"], last_hours=48)["checks"]] == ["quality"]


def test_the_command_line_asks_a_server(server: Server, capsys: pytest.CaptureFixture[str]) -> None:
    at = ["--url", server.url, "--key", server.keys["viewer"]]
    assert run(["check", "voice_quality_score_check", *at, "--last", "2d"]) == 1
    assert "BELOW_MIN_PASS_RATE" in capsys.readouterr().err
    assert run(["check", "no_such_check", *at]) != 0
