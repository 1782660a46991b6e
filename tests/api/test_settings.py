"""Definitions that change without a deploy: whole replacement, all problems, history, two editors, read-only keys."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import httpx2
import pytest
from api_server import OURS, Server

from pipeline.workspace.catalogs import current_catalog

EMPATHY = {
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


@pytest.fixture
def fresh(server: Server) -> Server:
    """The module's server without any custom definition."""
    with server.client("admin") as client:
        put(client, {"key": "voice_quality_score", "active": True, "freshness_sla_minutes": 60})
    return server


@pytest.fixture
def admin(fresh: Server) -> Iterator[httpx2.Client]:
    with fresh.client("admin") as client:
        yield client


def put(client: httpx2.Client, *definitions: Any, **more: Any) -> httpx2.Response:
    return client.put("/settings/metrics", json={"definitions": list(definitions)}, **more)


def by_key(answer: httpx2.Response) -> dict[str, Any]:
    assert answer.status_code == 200, answer.text
    return {definition["key"]: definition for definition in answer.json()["definitions"]}


def test_what_was_put_is_read_back_and_used_by_the_next_run(fresh: Server, admin: httpx2.Client) -> None:
    builtins = {key for key, one in by_key(admin.get("/settings/metrics")).items() if one["builtin"]}
    assert "voice_quality_score" in builtins
    answer = put(admin, EMPATHY)
    assert answer.json()["diff"] == {"added": ["empathy_score"], "removed": [], "changed": {}}
    after = by_key(admin.get("/settings/metrics"))
    assert after["empathy_score"] | EMPATHY == after["empathy_score"]
    assert after["empathy_score"]["managed_by"] == "api"
    assert builtins < after.keys()
    catalog = current_catalog(fresh.settings)
    assert catalog.get("empathy_score").managed_by == "api"
    assert "empathy_score" in {row["key"] for row in admin.get("/metrics/catalog").json()["metrics"]}
    assert admin.get("/metrics/empathy_score").json() == {"metrics": []}  # no run has used it yet
    put(admin)
    assert "empathy_score" not in current_catalog(fresh.settings).by_key


def test_every_problem_is_reported_with_its_path_and_nothing_is_saved(admin: httpx2.Client) -> None:
    answer = put(admin, *({**EMPATHY, "key": f"key_{n}", "aggregation": "nonsense"} for n in range(3)), EMPATHY)
    assert {tuple(problem["loc"]) for problem in answer.json()["detail"]} == {
        ("body", "definitions", n, "aggregation") for n in range(3)
    }
    assert "empathy_score" not in by_key(admin.get("/settings/metrics"))


@pytest.mark.parametrize(
    ("change", "word"),
    [
        ({"extraction_mode": "sql_expr", "sql_expression": "1"}, "sql_expr"),
        ({"extraction_mode": "python", "python_file": "x.py"}, "python"),
        ({"ai_query_prompt": "x" * 8001}, "8000"),
        ({"api_key": "sk-123"}, "api_key"),
        ({"ai_query_endpoint": "https://me:hunter2@models.example.com/v1"}, "password"),
        ({"ai_query_prompt": "Use sk-abcdefghijklmnopqrstuvwxyz012345 to ask."}, "password"),
        ({"key": "Bad Key"}, "key"),
        ({"ai_query_prompt": None}, "ai_query_prompt"),
    ],
)
def test_what_may_not_come_over_http_is_refused(admin: httpx2.Client, change: dict[str, Any], word: str) -> None:
    answer = put(admin, {**EMPATHY, **change})
    assert answer.status_code == 422
    assert "hunter2" not in answer.text
    (problem, *_) = answer.json()["detail"]
    assert problem["loc"][:3] == ["body", "definitions", 0]
    assert word in str(problem)


def test_the_51st_custom_metric_is_refused(admin: httpx2.Client) -> None:
    answer = put(admin, *({**EMPATHY, "key": f"empathy_{n}"} for n in range(51)))  # and one is in a file
    assert answer.status_code == 422
    assert "50" in answer.text


def test_a_builtin_can_be_switched_and_not_redefined(fresh: Server, admin: httpx2.Client) -> None:
    assert put(admin, {"key": "voice_quality_score", "active": False, "freshness_sla_minutes": 90}).status_code == 200
    changed = by_key(admin.get("/settings/metrics"))["voice_quality_score"]
    assert (changed["active"], changed["freshness_sla_minutes"], changed["builtin"]) == (False, 90, True)
    assert "voice_quality_score" not in {metric.key for metric in current_catalog(fresh.settings).active}
    put(admin, EMPATHY)  # a list without it keeps it
    assert by_key(admin.get("/settings/metrics"))["voice_quality_score"]["active"] is False
    for wrong in ({"active": "banana"}, {"freshness_sla_minutes": 1}, {"freshness_sla_minutes": "x"}):
        assert put(admin, {"key": "voice_quality_score", **wrong}).status_code == 422
    assert by_key(admin.get("/settings/metrics"))["voice_quality_score"]["freshness_sla_minutes"] == 90
    refused = put(admin, {**EMPATHY, "key": "voice_quality_score"})
    assert refused.status_code == 422
    assert "read-only" in refused.text


def test_a_builtin_that_something_reads_cannot_be_switched_off_alone(fresh: Server, admin: httpx2.Client) -> None:
    reader = {
        "key": "twice_the_quality",
        "name": "Twice",
        "metric_type": "numerical",
        "source": "call_intelligence",
        "event_types": ["call_intelligence.row"],
        "extraction_mode": "formula",
        "formula": "voice_quality_score * 2",
        "aggregation": "avg",
    }
    assert put(admin, reader).status_code == 200
    assert "twice_the_quality" in current_catalog(fresh.settings).by_key
    off = {"key": "voice_quality_score", "active": False}
    refused = put(admin, reader, off)
    assert refused.status_code == 422
    assert "switched off" in refused.text
    assert put(admin, {**reader, "active": False}, off).status_code == 200
    file = fresh.settings.definitions / "metrics" / "custom" / "reader.yaml"
    put(admin, {**off, "active": True})
    file.write_text(json.dumps({"definitions": [{**reader, "key": "in_a_file"}]}))
    try:
        refused = put(admin, off)
        assert refused.status_code == 422
        (problem,) = refused.json()["detail"]
        assert problem["loc"] == ["body", "definitions"]
        assert "reader.yaml:1" in problem["msg"]
        assert "in_a_file" in current_catalog(fresh.settings).by_key
    finally:
        file.unlink()


def test_a_key_of_a_file_says_where_it_lives(admin: httpx2.Client) -> None:
    known = by_key(admin.get("/settings/metrics"))["from_file"]
    assert known["managed_by"] == "file"
    assert put(admin, known).status_code == 200  # sent back as it was
    refused = put(admin, {**known, "name": "Another"})
    assert refused.status_code == 422
    assert "file.yaml" in refused.text


def test_sending_the_whole_answer_back_changes_nothing(admin: httpx2.Client) -> None:
    put(admin, EMPATHY, {"key": "voice_quality_score", "active": False})
    everything = admin.get("/settings/metrics").json()["definitions"]
    again = put(admin, *everything)
    assert again.status_code == 200, again.text
    assert again.json()["diff"] == {"added": [], "removed": [], "changed": {}}
    assert again.json()["definitions"] == everything


def test_of_two_editors_the_second_is_told(admin: httpx2.Client) -> None:
    tag = admin.get("/settings/metrics").headers["etag"]
    assert put(admin, EMPATHY, headers={"If-Match": tag}).status_code == 200
    late = put(admin, headers={"If-Match": tag})
    assert late.status_code == 412
    assert "empathy_score" in by_key(admin.get("/settings/metrics"))
    now = admin.get("/settings/metrics").json()["revision"]
    assert put(admin, headers={"If-Match": f'"{now}"'}).status_code == 200
    assert put(admin, headers={"If-Match": "nonsense"}).status_code == 422


def test_history_says_who_and_what_and_can_be_restored(fresh: Server, admin: httpx2.Client) -> None:
    first = put(admin, EMPATHY).json()["revision"]
    put(admin, {**EMPATHY, "unit": "points"})
    put(admin)
    revisions = admin.get("/settings/metrics/history", params={"limit": 3}).json()["revisions"]
    assert [revision["revision"] for revision in revisions] == [first + 2, first + 1, first]
    assert revisions[1]["diff"]["changed"] == {"empathy_score": {"unit": {"from": "score", "to": "points"}}}
    assert revisions[0]["changed_by"].startswith("key:")
    assert admin.get(f"/settings/metrics/history/{first + 1}").json()["definitions"][0]["unit"] == "points"
    restored = admin.post(f"/settings/metrics/history/{first}/restore")
    assert by_key(restored)["empathy_score"]["unit"] == "score"
    assert by_key(admin.get("/settings/metrics"))["empathy_score"]["unit"] == "score"
    assert admin.post("/settings/metrics/history/99999/restore").status_code == 404
    actions = [entry["action"] for entry in admin.get("/audit").json()["entries"]]
    assert actions[:4] == ["settings.restore", *["settings.replace"] * 3]


def test_several_changes_at_once_or_not_at_all(admin: httpx2.Client) -> None:
    other = {**EMPATHY, "key": "other_score"}
    put(admin, EMPATHY)
    change = {"definitions": [other], "active": {"empathy_score": False, "voice_quality_score": False}}
    after = by_key(admin.patch("/settings/metrics", json=change))
    assert [after[key]["active"] for key in ("empathy_score", "voice_quality_score", "other_score")] == [
        False,
        False,
        True,
    ]
    refused = admin.patch("/settings/metrics", json={"delete": ["empathy_score", "never_there"]})
    assert refused.status_code == 404
    assert "empathy_score" in by_key(admin.get("/settings/metrics"))
    after = by_key(
        admin.patch("/settings/metrics", json={"delete": ["empathy_score"], "active": {"voice_quality_score": True}})
    )
    assert "empathy_score" not in after
    assert after["voice_quality_score"]["active"] is True


def test_a_dry_run_says_what_would_change_and_changes_nothing(admin: httpx2.Client) -> None:
    answer = put(admin, EMPATHY, params={"dry_run": "true"})
    assert (answer.json()["dry_run"], answer.json()["diff"]["added"]) == (True, ["empathy_score"])
    assert "empathy_score" not in by_key(admin.get("/settings/metrics"))
    assert put(admin, {**EMPATHY, "aggregation": "no"}, params={"dry_run": "true"}).status_code == 422


def test_another_workspace_sees_none_of_it(fresh: Server, admin: httpx2.Client) -> None:
    ours = put(admin, EMPATHY).json()["revision"]
    with httpx2.Client(headers={"Authorization": f"Bearer {fresh.keys['theirs']}"}, timeout=60) as theirs:
        base = f"{fresh.url}/v1/{OURS.replace('001', '002')}"
        keys = {row["key"] for row in theirs.get(f"{base}/settings/metrics").json()["definitions"]}
        assert {"empathy_score", "from_file"}.isdisjoint(keys)
        assert theirs.put(f"{base}/settings/metrics", json={"definitions": [EMPATHY]}).status_code == 200
    assert admin.get("/settings/metrics").json()["revision"] == ours
