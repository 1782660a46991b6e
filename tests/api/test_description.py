"""The description is plain, complete and true: each example is sent to a server of the sample conversations.

METRIC_STORE_RECORD_EXAMPLES=1 writes the answers into `pipeline/api/examples.json` anew; whoever adds an operation adds
its `request` there. In a request, "$operation.field.0.field" is taken from an earlier answer.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import quote

import httpx2
import jsonschema
import pytest
from api_server import OURS, serving

from pipeline.api import description
from pipeline.cli.demo import demo_settings
from pipeline.client import MetricStore
from pipeline.hourly import run_hour
from pipeline.sample import write_sample
from pipeline.sample.judge_server import sample_judge
from pipeline.store import Store
from pipeline.window import HOUR, Window, floor_hour
from pipeline.workspace.catalogs import current_catalog

FILE = Path(description.__file__).with_name("examples.json")
METRICS = ["voice_quality_score", "call_count", "completion_reason"]
RECORD = "METRIC_STORE_RECORD_EXAMPLES"
_recording = bool(os.environ.get(RECORD))


@pytest.fixture(scope="module")
def sample(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """URL of a server in single-user mode over 60 sample conversations, all of which one run has looked at."""
    home = tmp_path_factory.mktemp("sample")
    end = floor_hour(datetime.now(UTC))
    truth = write_sample(home, end=end, hours=36, conversations=60)
    shutil.copytree(truth.late, truth.landing, dirs_exist_ok=True)
    with sample_judge(truth) as judge:
        settings = demo_settings(home, end - 36 * HOUR, judge.models)
        store, catalog = Store(settings), current_catalog(settings)
        keys = [key for key in METRICS if key in catalog.by_key]
        run_hour(store, catalog, settings, Window(end - 24 * HOUR, end), keys=keys)
        with serving(settings, single_user=True) as url:
            yield url


@pytest.fixture(scope="module")
def answers(sample: str) -> dict[str, tuple[dict[str, Any], httpx2.Response]]:
    """By operation: what was sent and what came, in the order of the file."""
    places = {op["operationId"]: (path, method) for path, method, op in _operations(sample)}
    found: dict[str, tuple[dict[str, Any], httpx2.Response]] = {}
    with httpx2.Client(base_url=sample, timeout=120) as client:
        for name, each in json.loads(FILE.read_text()).items():
            assert name in places, f"{name} is no operation; rename or remove it in {FILE.name}"
            path, method = places[name]
            sent = _resolved(each["request"], found)
            values = {"workspace_id": OURS, **sent.get("path", {})}
            target = re.sub(r"\{(\w+)\}", lambda at, values=values: quote(str(values[at[1]]), safe=""), path)
            body = {"json": sent["body"]} if "body" in sent else {}
            found[name] = sent, client.request(method, target, params=sent.get("query"), **body)
    return found


def _operations(url: str) -> list[tuple[str, str, dict[str, Any]]]:
    return list(description.operations(httpx2.get(f"{url}/openapi.json", timeout=60).json()))


def _resolved(value: Any, found: dict[str, tuple[dict[str, Any], httpx2.Response]]) -> Any:
    if isinstance(value, dict):
        return {name: _resolved(inner, found) for name, inner in value.items()}
    if isinstance(value, str) and value.startswith("$"):
        name, *steps = value[1:].split(".")
        at = found[name][1].json()
        for step in steps:
            at = at[int(step)] if step.isdigit() else at[step]
        return at
    return value


def _shortened(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _shortened(inner) for name, inner in list(value.items())[:60]}
    if isinstance(value, list):
        return [_shortened(inner) for inner in value[:2]]
    if isinstance(value, str):
        return re.sub(r"ms_[0-9a-f]{12}_[\w-]{43}", "ms_…", value)[:300]
    return value


@pytest.mark.skipif(not _recording, reason=f"only with {RECORD}")
def test_record(answers: dict[str, tuple[dict[str, Any], httpx2.Response]]) -> None:
    requests = json.loads(FILE.read_text())
    recorded = {}
    for name, (sent, answer) in answers.items():
        media_type = answer.headers.get("content-type", "").partition(";")[0]
        text = answer.text if media_type == "application/x-ndjson" else None
        shown = "".join(text.splitlines(True)[:1]) if text is not None else answer.text and answer.json()
        recorded[name] = {
            "request": requests[name]["request"],
            "sent": sent,
            "status": answer.status_code,
            "media_type": media_type,
            "answer": _shortened(shown),
        }
    FILE.write_text(json.dumps(recorded, indent=1, ensure_ascii=False) + "\n")


def test_every_example_is_what_the_server_answers(
    sample: str, answers: dict[str, tuple[dict[str, Any], httpx2.Response]]
) -> None:
    document = httpx2.get(f"{sample}/openapi.json", timeout=60).json()
    by_name = {op["operationId"]: op for _, _, op in description.operations(document)}
    for name, example in json.loads(FILE.read_text()).items():
        _, answer = answers[name]
        assert answer.status_code == example["status"], (name, answer.text[:500])
        assert answer.status_code < 300, name
        media_type = answer.headers.get("content-type", "").partition(";")[0]
        assert media_type == example["media_type"], name
        if media_type != "application/json" or answer.status_code == 204:
            continue
        told = by_name[name]["responses"][str(answer.status_code)]["content"][media_type]
        assert told["example"] == example["answer"]
        for shown in (answer.json(), example["answer"]):
            schema = {**told["schema"], "components": document["components"]}
            jsonschema.Draft202012Validator(schema).validate(shown)
        assert answer.json().keys() == example["answer"].keys(), name


def test_every_operation_has_an_example(sample: str) -> None:
    missing = {
        op["operationId"]
        for _, _, op in _operations(sample)
        if "x-codeSamples" not in op and "alarms" not in op["tags"]  # receivers of webhooks are no part of the sample
    }
    assert missing == set()


def test_summaries_are_sentences_and_tags_are_described(sample: str) -> None:
    document = httpx2.get(f"{sample}/openapi.json", timeout=60).json()
    tags = {tag["name"] for tag in document["tags"] if tag["description"]}
    for path, method, op in description.operations(document):
        assert set(op["tags"]) <= tags, path
        assert op["summary"].replace(" ", "-").lower() != op["operationId"], "the framework's own"
        assert 3 <= len(op["summary"].split()) <= 25, op["summary"]
        assert not op["summary"].endswith("."), op["summary"]
        names = {each["name"] for each in op.get("parameters", [])}
        assert ("Idempotency-Key" in names) == (
            method == "post" and op["operationId"] not in ("evaluate-metric", "run-query")
        )
        for status, response in op["responses"].items():
            if status >= "400":
                assert list(response["content"]) == ["application/problem+json"], (path, status)
    assert "**Versions.**" in document["info"]["description"]


def test_messages_to_receivers_are_described(sample: str) -> None:
    document = httpx2.get(f"{sample}/openapi.json", timeout=60).json()
    from pipeline.workspace.webhooks import EVENTS, TEST

    assert document["webhooks"].keys() == {*EVENTS, TEST}
    for name, item in document["webhooks"].items():
        schema = item["post"]["requestBody"]["content"]["application/json"]["schema"]
        message = {"type": name, "timestamp": "2026-04-28T21:11:42+00:00", "workspace_id": OURS, "data": {}}
        jsonschema.validate(message, schema)


def test_snippets_run_as_they_stand(sample: str) -> None:
    environment = {**os.environ, "METRIC_STORE_URL": sample, "METRIC_STORE_KEY": ""}
    samples = {op["operationId"]: op["x-codeSamples"] for _, _, op in _operations(sample) if "x-codeSamples" in op}
    for name in ("list-metrics", "list-conversations", "run-query"):
        shell, python = samples[name]
        assert shell["source"].startswith("curl ")
        source = python["source"].replace("print(", "import json; json.loads(")
        ran = subprocess.run(
            [sys.executable, "-c", source], env=environment, capture_output=True, text=True, check=False
        )
        assert ran.returncode == 0, ran.stderr
    if shutil.which("curl"):
        command = samples["run-query"][0]["source"].replace('-H "Authorization: Bearer $METRIC_STORE_KEY"', "-f")
        ran = subprocess.run(["bash", "-c", command], env=environment, capture_output=True, text=True, check=False)
        assert json.loads(ran.stdout)["rows"], ran.stderr


def test_the_client_sends_no_empty_key(sample: str) -> None:
    with MetricStore(sample, "") as store:
        assert store.latest(limit=1)
