"""`serve`, `keys` and `define` on the local store, as processes and as commands."""

from __future__ import annotations

import json
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import httpx2
import pytest

from pipeline.cli.app import run

WORKSPACE = "00000000-0000-4000-8000-000000000001"
DEFINITION = {
    "key": "booked",
    "name": "Booked",
    "metric_type": "boolean",
    "source": "call_intelligence",
    "event_types": ["call_intelligence.row"],
    "extraction_mode": "written",
    "aggregation": "rate",
}


def test_keys_are_made_listed_and_ended(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["keys", "create", "--role", "viewer", "--name", "dashboard", "--expires-in-days", "30", "--json"]) == 0
    made = json.loads(capsys.readouterr().out)
    assert made["key"].startswith(f"ms_{made['key_id']}_")
    assert run(["keys", "revoke", made["key_id"], "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == {"key_id": made["key_id"], "revoked": True}
    assert run(["keys", "list", "--json"]) == 0
    shown = capsys.readouterr().out
    (key,) = json.loads(shown)
    assert (key["name"], key["role"]) == ("dashboard", "viewer")
    assert key["expires_at"]
    assert key["revoked_at"]
    assert made["key"].split("_", 2)[2] not in shown
    assert run(["keys", "revoke", "nothing"]) == 2
    assert run(["keys", "create", "--role", "king"]) == 2


def test_definitions_from_json_or_a_file_go_into_the_store(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "metrics.yaml"
    file.write_text("definitions:\n  - " + json.dumps(DEFINITION))
    assert run(["define", "--file", str(file), "--dry-run"]) == 0
    assert "+ booked" in capsys.readouterr().out
    assert run(["define", "--body", json.dumps({"definitions": [DEFINITION]}), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["diff"]["added"] == ["booked"]
    assert run(["define", "--body", json.dumps({"definitions": [{**DEFINITION, "name": "Other"}]})]) == 0
    assert "booked.name: 'Booked' → 'Other'" in capsys.readouterr().out
    assert run(["define", "--body", json.dumps({"definitions": [{**DEFINITION, "aggregation": "no"}]})]) == 2
    assert "definitions[0].aggregation" in capsys.readouterr().err
    for wrong in ([], ["--body", "{"], ["--body", "[]"], ["--body", "{}", "--file", str(file)]):
        assert run(["define", *wrong]) == 2


@pytest.mark.parametrize(("option", "status"), [([], 200), (["--require-key"], 401)])
def test_serve_says_who_may_use_it_and_stops_when_asked(tmp_path: Path, option: list[str], status: int) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-c", "from pipeline.cli import main; main()", "serve", "--port", str(port), *option]
    server = subprocess.Popen(command, cwd=tmp_path, stderr=subprocess.PIPE, text=True)
    try:
        deadline = time.monotonic() + 60
        while True:
            try:
                assert httpx2.get(f"http://127.0.0.1:{port}/health", timeout=60).json()["status"] == "ok"
                break
            except httpx2.TransportError:
                assert server.poll() is None
                assert time.monotonic() < deadline
                time.sleep(0.1)
        answer = httpx2.get(f"http://127.0.0.1:{port}/v1/{WORKSPACE}/metrics/catalog", timeout=60)
        assert answer.status_code == status
    finally:
        server.send_signal(signal.SIGINT)
        said = server.communicate(timeout=60)[1]
    assert ("Single-user mode" in said) is (status == 200)
    assert ("A key is needed" in said) is (status == 401)
    assert "Traceback" not in said
