"""The OpenAPI description and the server agree: schemathesis with every check, over every operation."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import httpx2
import pytest
from api_server import OURS, Server

# Values that exist, so that answers are more than 404; and one rule: a request can have the right form and still mean
# something that cannot be accepted (a definition, a query, a filter), which the contract answers with 422.
CONFIG = f"""
[parameters]
"path.workspace_id" = "{OURS}"
"path.metric_key" = "voice_quality_score"
"path.call_id" = "call-1"
"path.conversation_id" = "call-1"
"path.run_id" = "run-1"
"path.key_id" = "000000000000"
"path.revision" = "999999"


[checks.positive_data_acceptance]
expected-statuses = ["2xx", "304", "403", "404", "412", "422"]
"""


LONG = pytest.param("examples,coverage,fuzzing", 20, marks=[pytest.mark.long, pytest.mark.timeout(7200)])
"""With every boundary of every parameter, some thousand requests."""


@pytest.mark.parametrize(("phases", "most_examples"), [("examples,fuzzing", 5), LONG])
def test_schemathesis_finds_nothing(server: Server, tmp_path: Path, phases: str, most_examples: int) -> None:
    config = tmp_path / "schemathesis.toml"
    config.write_text(CONFIG)
    command = [
        sys.executable,
        "-m",
        "schemathesis.cli",
        "--config-file",
        str(config),
        "run",
        f"{server.url}/openapi.json",
    ]
    command += [
        "--header",
        f"Authorization: Bearer {server.keys['owner']}",
        "--checks",
        "all",
        "--request-timeout",
        "120",
    ]
    command += ["--phases", phases, "--max-examples", str(most_examples), "--generation-deterministic", "--no-color"]
    found = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, check=False)
    assert found.returncode == 0, found.stdout[:12_000] + found.stderr[-2000:]


def test_every_operation_is_described(server: Server) -> None:
    description = httpx2.get(f"{server.url}/openapi.json", timeout=60).json()
    assert description["openapi"].startswith("3.1")
    for path, operations in description["paths"].items():
        for method, operation in operations.items():
            assert operation["operationId"], path
            assert operation["summary"], path
            if path != "/health":
                assert {"401", "404", "422", "429", "503"} <= operation["responses"].keys(), (method, path)
                assert operation["security"], path
    text = json.dumps(description)
    assert "HTTPValidationError" in text
