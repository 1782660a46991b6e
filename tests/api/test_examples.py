"""Every example of the published page, as written; only host, token and the client's construction are ours."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx2
import pytest
from api_server import NOW, OURS, Server, conversation, insert, serving, start

from pipeline.cli.app import run
from pipeline.sample.judge_server import SampleJudge
from pipeline.settings import Settings
from pipeline.store import Store

SUBJECT = "CA3db8587c7ac832dbca306287ef5f42f9"
CURL_PUT = r"""
curl -sS -X PUT \
  -H "Authorization: Bearer $API_KEY" \
  -H "Content-Type: application/json" \
  -d '{
    "definitions": [
      {
        "key": "empathy_score",
        "name": "Agent Empathy",
        "description": "How empathetic was the agent during the conversation",
        "metric_type": "numerical",
        "source": "call_intelligence",
        "event_types": ["call_intelligence.row"],
        "extraction_mode": "ai_query",
        "model_tier": "balanced",
        "ai_query_prompt": "Rate how empathetic the agent was on a scale of 1-10. Consider whether the agent acknowledged concerns, showed understanding, and responded with appropriate sensitivity. Output ONLY a single integer from 1 to 10.",
        "aggregation": "avg",
        "unit": "score",
        "valid_range_min": 1.0,
        "valid_range_max": 10.0
      }
    ]
  }' \
  "$HOST/v1/$WORKSPACE_ID/settings/metrics"
"""  # noqa: E501 - as published
CURL_GET = r"""
curl -sS -H "Authorization: Bearer $API_KEY" \
  "$HOST/v1/$WORKSPACE_ID/settings/metrics"
"""
CURL_EVALUATE = r"""
curl -sS -X POST \
  -H "Authorization: Bearer $API_KEY" \
  -H "Content-Type: application/json" \
  -d '{"subject_id": "CA3db8587c7ac832dbca306287ef5f42f9"}' \
  "$HOST/v1/$WORKSPACE_ID/metrics/empathy_score/evaluate"
"""
DEFINITION_OF_THE_RESPONSE = {
    "key": "voice_quality_score",
    "name": "Voice Quality Score",
    "metric_type": "numerical",
    "source": "call_intelligence",
    "extraction_mode": "static",
    "extract_path": "$.quality_score",
    "aggregation": "avg",
    "unit": "score",
    "active": True,
    "builtin": True,
}
EMPATHY = {
    "key": "empathy_score",
    "name": "Agent Empathy",
    "metric_type": "numerical",
    "source": "call_intelligence",
    "event_types": ["call_intelligence.row"],
    "extraction_mode": "ai_query",
    "model_tier": "balanced",
    "ai_query_prompt": "Rate how empathetic the agent was during this conversation on a scale of 1-10. Consider: did "
    "the agent acknowledge patient concerns, show understanding, and respond with appropriate emotional sensitivity? "
    "Output ONLY a single integer from 1 to 10.",
    "aggregation": "avg",
    "unit": "score",
    "valid_range_min": 1.0,
    "valid_range_max": 10.0,
}
PROTOCOL = {
    "key": "protocol_followed",
    "name": "Protocol Adherence",
    "metric_type": "boolean",
    "source": "call_intelligence",
    "event_types": ["call_intelligence.row"],
    "extraction_mode": "ai_query",
    "model_tier": "balanced",
    "ai_query_prompt": "Did the agent follow the standard clinical intake protocol? The protocol requires: (1) verify "
    "patient identity, (2) confirm reason for call, (3) collect or verify insurance information, (4) schedule or "
    "confirm next steps. Respond with exactly: true or false.",
    "aggregation": "rate",
    "unit": "rate",
}
TOPIC = {
    "key": "call_topic",
    "name": "Call Topic",
    "metric_type": "categorical",
    "source": "call_intelligence",
    "event_types": ["call_intelligence.row"],
    "extraction_mode": "ai_query",
    "model_tier": "fast",
    "ai_query_prompt": "What was the primary topic of this conversation? Respond with exactly one of: scheduling, "
    "billing, clinical_question, prescription, referral, complaint, other.",
    "aggregation": "count",
    "unit": "count",
    "categories": ["scheduling", "billing", "clinical_question", "prescription", "referral", "complaint", "other"],
}


@pytest.fixture(scope="module")
def judged(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    folder = tmp_path_factory.mktemp("examples")
    with SampleJudge() as judge:
        settings, store, keys = start(folder)
        models = {"default": {"model": "judge-1", "base_url": judge.base_url, "timeout_seconds": 10}}
        settings = Settings(**{**settings.model_dump(exclude={"models"}), "models": models})
        store = Store(settings)
        with store.transaction() as con:
            insert(con, "conversations", [conversation(SUBJECT)])
        store.publish()
        with serving(settings) as url:
            yield Server(url, settings, store, keys)


@pytest.fixture
def client(judged: Server) -> Iterator[httpx2.Client]:
    headers = {"Authorization": f"Bearer {judged.keys['admin']}"}
    with httpx2.Client(base_url=judged.url, headers=headers, timeout=60) as made:
        yield made


def curl(server: Server, script: str) -> Any:
    if shutil.which("curl") is None:
        pytest.skip("curl is not installed")
    names = {"API_KEY": server.keys["admin"], "WORKSPACE_ID": OURS, "HOST": server.url, "PATH": os.environ["PATH"]}
    ran = subprocess.run(["sh", "-c", script], env=names, capture_output=True, text=True, timeout=60, check=True)
    return json.loads(ran.stdout)


def test_get_metric_definitions(judged: Server, client: httpx2.Client) -> None:
    answer = curl(judged, CURL_GET)
    one = next(each for each in answer["definitions"] if each["key"] == "voice_quality_score")
    assert {name: one[name] for name in DEFINITION_OF_THE_RESPONSE} == DEFINITION_OF_THE_RESPONSE

    workspace_id = OURS
    resp = client.get(f"/v1/{workspace_id}/settings/metrics")
    definitions = resp.json()["definitions"]

    custom = [d for d in definitions if not d["builtin"]]
    assert [d["key"] for d in custom] == ["from_file"]
    assert len(definitions) - len(custom) >= 41


def test_create_or_update_custom_metrics(judged: Server, client: httpx2.Client) -> None:
    answer = curl(judged, CURL_PUT)
    one = next(each for each in answer["definitions"] if each["key"] == "empathy_score")
    assert (one["builtin"], one["valid_range_max"]) == (False, 10.0)

    workspace_id = OURS
    resp = client.put(
        f"/v1/{workspace_id}/settings/metrics",
        json={
            "definitions": [
                {
                    "key": "empathy_score",
                    "name": "Agent Empathy",
                    "metric_type": "numerical",
                    "source": "call_intelligence",
                    "event_types": ["call_intelligence.row"],
                    "extraction_mode": "ai_query",
                    "model_tier": "balanced",
                    "ai_query_prompt": "Rate empathy 1-10. Output ONLY the integer.",
                    "aggregation": "avg",
                    "unit": "score",
                }
            ]
        },
    )
    assert resp.status_code == 200


@pytest.mark.parametrize("definition", [EMPATHY, PROTOCOL, TOPIC], ids=lambda each: each["key"])
def test_custom_metric_examples_are_accepted_as_they_stand(client: httpx2.Client, definition: dict[str, Any]) -> None:
    answer = client.put(f"/v1/{OURS}/settings/metrics", json={"definitions": [definition]})
    assert answer.status_code == 200, answer.text
    one = next(each for each in answer.json()["definitions"] if each["key"] == definition["key"])
    assert {name: one[name] for name in definition} == definition


@pytest.mark.parametrize(
    ("definition", "kind"), [(EMPATHY, float), (PROTOCOL, bool), (TOPIC, str)], ids=["number", "boolean", "category"]
)
def test_evaluate_a_metric_on_demand(
    judged: Server, client: httpx2.Client, definition: dict[str, Any], kind: type
) -> None:
    client.put(f"/v1/{OURS}/settings/metrics", json={"definitions": [definition]})
    workspace_id, key = OURS, definition["key"]
    resp = client.post(
        f"/v1/{workspace_id}/metrics/{key}/evaluate",
        json={"subject_id": "CA3db8587c7ac832dbca306287ef5f42f9"},
    )
    result = resp.json()
    assert resp.status_code == 200, result
    metric = result["metric"]
    assert (result["persisted"], metric["metric_key"], metric["entity_type"]) == (False, key, "call")
    assert (metric["entity_id"], metric["source"], metric["unit"]) == (SUBJECT, "production", definition["unit"])
    assert result["evaluated_at"]
    assert metric["period_start"] < metric["period_end"]
    if result["status"] == "ok":
        assert isinstance(result["metric"]["value"], kind)
        assert metric["event_count"] == 1
    by_session = client.post(f"/v1/{OURS}/metrics/{key}/evaluate", json={"subject_id": f"CA-{SUBJECT}"})
    assert by_session.json()["metric"]["entity_id"] == SUBJECT
    assert client.get(f"/v1/{OURS}/metrics/{key}/values").json()["values"] == []  # nothing was stored
    if key == "empathy_score":
        assert curl(judged, CURL_EVALUATE)["metric"]["metric_key"] == "empathy_score"


def test_evaluate_refuses_as_published(client: httpx2.Client) -> None:
    client.put(f"/v1/{OURS}/settings/metrics", json={"definitions": [EMPATHY]})
    base = f"/v1/{OURS}/metrics"
    assert client.post(f"{base}/nothing_here/evaluate", json={"subject_id": SUBJECT}).status_code == 404
    for subject in ("nobody", "theirs-1"):  # the second is a conversation of another workspace
        assert client.post(f"{base}/empathy_score/evaluate", json={"subject_id": subject}).status_code == 404
    assert client.post(f"{base}/voice_quality_score/evaluate", json={"subject_id": SUBJECT}).status_code == 422
    assert client.post(f"{base}/empathy_score/evaluate", json={"subject_id": ""}).status_code == 422
    past = {"subject_id": SUBJECT, "as_of": "2020-01-01T00:00:00Z"}
    assert client.post(f"{base}/empathy_score/evaluate", json=past).status_code == 404
    later = {"subject_id": SUBJECT, "as_of": NOW.isoformat()}
    assert client.post(f"{base}/empathy_score/evaluate", json=later).status_code == 200


def test_without_a_model_evaluation_is_503_and_with_a_broken_one_502(tmp_path: Path) -> None:
    for models, status in (
        ({}, 503),
        (
            {"default": {"model": "m", "base_url": "http://127.0.0.1:9/v1", "timeout_seconds": 1, "retry_seconds": 0}},
            502,
        ),
    ):
        settings, store, keys = start(tmp_path / str(status))
        settings = Settings(**{**settings.model_dump(exclude={"models"}), "models": models})
        with serving(settings) as url, Server(url, settings, store, keys).client("admin") as admin:
            assert admin.put("/settings/metrics", json={"definitions": [EMPATHY]}).status_code == 200
            answer = admin.post("/metrics/empathy_score/evaluate", json={"subject_id": "call-1"})
            assert answer.status_code == status, answer.text
            assert answer.headers["retry-after"]


def test_the_command_line_speaks_to_the_server(
    judged: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """`forge platform metrics …` with `metric-store` in its place."""
    profiles = tmp_path / "profiles.toml"
    profiles.write_text(f'[myorg]\nurl = "{judged.url}"\nworkspace_id = "{OURS}"\nkey_variable = "MYORG_KEY"\n')
    monkeypatch.setenv("METRIC_STORE_PROFILES", str(profiles))
    monkeypatch.setenv("MYORG_KEY", judged.keys["admin"])

    def ask(*arguments: str) -> str:
        assert run([*arguments, "--env", "myorg"]) == 0, capsys.readouterr().err
        return capsys.readouterr().out

    ask("define", "--body", json.dumps({"definitions": [EMPATHY]}))
    assert "empathy_score" in ask("settings")
    assert "empathy_score" in ask("evaluate", "empathy_score", SUBJECT)
    assert "voice_quality_score" in ask("list")
    rows = json.loads(ask("get", "voice_quality_score", "--json", "--grain", "day"))["metrics"]
    assert rows[0]["value"] == 80.0
    assert len(json.loads(ask("trend", "voice_quality_score", "--days", "14", "--json"))["metrics"]) == 14
    assert run(["list", "--env", "nobody"]) == 2
    assert "myorg" in capsys.readouterr().err
    assert run(["list", "--url", judged.url, "--key", "wrong"]) == 2
    assert "401" in capsys.readouterr().err
    assert run(["list", "--key", "wrong"]) == 2  # would have worked on the local store
