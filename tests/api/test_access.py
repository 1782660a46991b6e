"""Keys, roles, limits, isolation: what each caller gets, and what nobody gets."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx2
import pytest
from api_server import NOW, OURS, THEIRS, Server, serving, start

from pipeline.workspace.keys import create_key, revoke_key

KEY = "voice_quality_score"
READS = [
    "/metrics",
    "/metrics?scope=all&source=all",
    "/metrics?scope=entity&entity_id=theirs-1",
    f"/metrics/{KEY}?source=all&scope=all",
    f"/metrics/{KEY}/trend?days=9&scope=all",
    f"/metrics/{KEY}/trend?days=40&granularity=month&timezone=Asia/Kolkata",
    f"/metrics/{KEY}/trend?days=9&group_by=service",
    f"/metrics/{KEY}/values?status=all&source=all&parts=true",
    f"/metrics/{KEY}/breakdown?by=service",
    "/metrics/catalog",
    "/settings/metrics",
    "/settings/metrics/history",
    "/settings/alarms",
    "/settings/thresholds",
    "/settings/access",
    "/calls/call-1/metrics",
    "/calls/theirs-1/metrics",
    "/calls?include_simulated=true",
    "/calls/call-1",
    "/calls/call-1/intelligence",
    "/calls/call-1/timeline",
    "/conversations?source=all",
    "/conversations/call-1",
    "/runs",
    "/coverage",
    "/status",
    "/exports/conversations?source=all",
    "/exports/values?source=all",
    "/exports/periods?source=all",
    "/keys",
    "/webhooks",
    "/audit",
]
GUESSES = [
    "/conversations/theirs-1",
    "/calls/theirs-1",
    "/calls/theirs-1/intelligence",
    "/calls/theirs-1/timeline",
    "/runs/run-theirs",
]


def create(server: Server, **options: Any) -> str:
    role = options.pop("role", "viewer")
    return create_key(server.store, "test", role, actor="cli", now=datetime.now(UTC), **options)[1]


def paths(server: Server) -> Iterator[tuple[str, str]]:
    for path, operations in httpx2.get(f"{server.url}/openapi.json", timeout=60).json()["paths"].items():
        for method in operations:
            yield method, path


def test_without_a_key_nothing_but_health_and_docs_answers(server: Server) -> None:
    open_paths = []
    with httpx2.Client(base_url=server.url, timeout=60) as client:
        for method, path in paths(server):
            for workspace in (OURS, THEIRS, "nonsense"):
                filled = path.replace("{workspace_id}", workspace).replace("{", "").replace("}", "")
                if client.request(method, filled).status_code != 401:
                    open_paths.append(path)
        assert set(open_paths) == {"/health"}
        page = client.get("/docs")
        assert page.status_code == 200
        assert "https://" not in page.text, "the page must work without the internet"
        for script in re.findall(r'(?:src|href)="(/[^"]+)"', page.text):
            assert client.get(script).status_code == 200
        assert client.get(f"/v1/{OURS}/metrics").headers["www-authenticate"] == "Bearer"


@pytest.mark.parametrize("key", ["ms_000000000000_" + "x" * 43, "nonsense", "ms_", "é", "x" * 10_000])
def test_a_wrong_key_is_401(server: Server, key: str) -> None:
    headers = {"Authorization": f"Bearer {key}".encode()}
    assert httpx2.get(f"{server.url}/v1/{OURS}/metrics", timeout=60, headers=headers).status_code == 401


def test_nothing_of_another_workspace_is_visible_anywhere(server: Server) -> None:
    """The other workspace's rows all hold the word `theirs` or the number 666.0."""
    with server.client("owner") as client:
        for path in READS:
            answer = client.get(path)
            assert answer.status_code == 200, (path, answer.text)
            assert "666.0" not in answer.text, path
            assert "theirs" not in answer.text, path
        for path in GUESSES:
            answer = client.get(path)
            assert answer.status_code == 404, path
            assert answer.text == client.get(path.replace("theirs", "absent")).text.replace("absent", "theirs")


def test_a_key_opens_only_its_own_workspace(server: Server) -> None:
    unknown = "00000000-0000-4000-8000-00000000000f"
    with server.client("theirs") as client:
        for path in READS:
            ours = client.get(path)
            nowhere = client.get(f"{server.url}/v1/{unknown}{path}")
            assert (ours.status_code, ours.text) == (404, nowhere.text), path
        theirs = client.get(f"{server.url}/v1/{THEIRS}/metrics")
        assert [row["value"] for row in theirs.json()["metrics"]] == [666.0]
        upper = client.get(f"{server.url}/v1/{THEIRS.upper()}/metrics")
        assert upper.status_code == 200


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT * FROM metric_values",
        "SELECT * FROM metric_values WHERE workspace_id <> ''",
        "SELECT * FROM metric_values a JOIN conversations b ON true",
        "WITH x AS (SELECT * FROM conversations) SELECT * FROM x UNION ALL SELECT * FROM x",
        "SELECT (SELECT list(final_state) FROM conversations) s, (SELECT list(reasoning) FROM metric_values) r",
        "SELECT * FROM metric_periods WHERE value IN (SELECT value FROM metric_periods)",
        "FROM extraction_runs",
        "FROM current_values",
        "SELECT * FROM current_periods JOIN latest_periods USING (metric_key)",
        "SELECT * FROM metric_values AS v(workspace_id) WHERE true OR workspace_id = ''",
        f"SELECT * FROM conversations WHERE workspace_id = '{THEIRS}'",
    ],
)
def test_sql_sees_only_its_own_workspace(server: Server, sql: str) -> None:
    with server.client("viewer") as client:
        answer = client.post("/query", json={"sql": sql})
        assert answer.status_code == 200, answer.text
        for word in ("666", "theirs", THEIRS):
            assert word not in answer.text


def test_sql_reads_the_views_of_what_counts_now(server: Server) -> None:
    with server.client("viewer") as client:
        for view in ("current_values", "current_periods", "latest_periods"):
            rows = client.post("/query", json={"sql": f"SELECT DISTINCT metric_key FROM {view}"}).json()["rows"]
            assert [KEY] in rows, view


def test_roles_are_as_published(server: Server) -> None:
    body = {"definitions": []}
    expected = {"viewer": 403, "admin": 200, "owner": 200}
    for role, status in expected.items():
        with server.client(role) as client:
            assert client.get("/settings/metrics").status_code == 200
            assert client.put("/settings/metrics", json=body).status_code == status
            assert client.get("/keys").status_code == (200 if role == "owner" else 403)
            assert client.get("/audit").status_code == (403 if role == "viewer" else 200)
            assert client.post("/events", json={}).status_code == (403 if role == "viewer" else 422)
            access = client.put("/settings/access", json={})
            assert access.status_code == (200 if role == "owner" else 403)


def test_keys_end(server: Server) -> None:
    soon = create(server, expires_at=datetime.now(UTC) + timedelta(seconds=0.5))
    key = create(server)
    with server.client(soon) as expiring, server.client(key) as client:
        assert client.get("/metrics").status_code == 200
        deadline = time.monotonic() + 120
        while expiring.get("/metrics").status_code != 401:
            assert time.monotonic() < deadline
        revoke_key(server.store, key.split("_")[1], actor="cli", now=datetime.now(UTC))
        assert client.get("/metrics").status_code == 401


def test_keys_over_http_are_shown_once_and_can_be_revoked(server: Server) -> None:
    with server.client("owner") as owner:
        made = owner.post("/keys", json={"name": "dashboard", "role": "viewer"})
        assert made.status_code == 201
        secret = made.json()["key"]
        listed = owner.get("/keys")
        assert made.json()["key_id"] in listed.text
        assert secret.split("_", 2)[2] not in listed.text
        with server.client(secret) as dashboard:
            assert dashboard.get("/metrics").status_code == 200
            assert owner.delete(f"/keys/{made.json()['key_id']}").status_code == 204
            assert dashboard.get("/metrics").status_code == 401
        assert owner.delete("/keys/nothing").status_code == 404


def test_no_secret_is_stored(server: Server) -> None:
    for file in server.settings.home.rglob("*"):
        if file.is_file():
            content = file.read_bytes()
            assert not any(key.split("_", 2)[2].encode() in content for key in server.keys.values()), file


def test_a_key_may_be_kept_from_metrics(server: Server) -> None:
    with server.client(create(server, metrics=["from_file"], role="owner")) as client:
        assert client.get("/metrics").json() == {"metrics": []}
        assert {row["key"] for row in client.get("/metrics/catalog").json()["metrics"]} == {"from_file"}
        hidden, unknown = client.get(f"/metrics/{KEY}"), client.get("/metrics/voice_quality_scorf")
        assert hidden.status_code == unknown.status_code == 404
        assert hidden.text == unknown.text.replace("scorf", "score")
        for path in (f"/metrics/{KEY}/trend", f"/metrics/{KEY}/values", f"/metrics/{KEY}/breakdown"):
            assert client.get(path).status_code == 404
        assert client.get(f'/conversations?filter={{"metric":"{KEY}","op":"exists","value":true}}').status_code == 404
        one = client.get("/conversations/call-1").json()
        assert (one["metrics"], one["values"]) == ({}, [])
        assert client.get("/calls/call-1/metrics").json() == {"metrics": []}
        assert client.get("/runs").json() == {"runs": [], "total": 0}
        for table in ("metric_values", "metric_periods", "current_values", "current_periods", "latest_periods"):
            assert client.post("/query", json={"sql": f"SELECT metric_key FROM {table}"}).json()["rows"] == []
        assert client.put("/settings/metrics", json={"definitions": []}).status_code == 403


def test_a_restricted_owner_makes_no_unrestricted_key(server: Server) -> None:
    with server.client(create(server, metrics=["from_file"], transcripts=False, role="owner")) as restricted:
        for asked in ({}, {"metrics": [KEY, "from_file"]}):
            made = restricted.post("/keys", json={"name": "more", "role": "owner", **asked}).json()
            with server.client(made["key"]) as client:
                assert {row["key"] for row in client.get("/metrics/catalog").json()["metrics"]} == {"from_file"}
                assert client.get("/conversations/call-1").json()["turns"] is None
        assert restricted.get("/audit").status_code == 403


def test_a_key_may_be_kept_from_transcripts(server: Server) -> None:
    with server.client(create(server, transcripts=False)) as client:
        one = client.get("/conversations/call-1")
        assert one.json()["turns"] is None
        values = client.get(f"/metrics/{KEY}/values?status=all")
        assert values.json()["values"][0]["reasoning"] is None
        for answer in (one, values):
            assert "secret words" not in answer.text
            assert "so sorry" not in answer.text
        for column, table in (
            ("turns", "conversations"),
            ("reasoning", "metric_values"),
            ("reasoning", "current_values"),
            ("data", "events"),
        ):
            answer = client.post("/query", json={"sql": f"SELECT {column} FROM {table}"})
            assert answer.status_code == 422, answer.text
        whole = client.post("/query", json={"sql": "SELECT * FROM conversations"})
        assert whole.status_code == 200
        assert "secret words" not in whole.text


def test_a_workspace_may_keep_every_key_from_something(tmp_path: Path) -> None:
    settings, store, keys = start(tmp_path)
    with serving(settings) as url, Server(url, settings, store, keys).client("owner") as owner:
        assert owner.put("/settings/access", json={"metrics": ["from_file"], "transcripts": False}).status_code == 200
        assert owner.get("/metrics").json() == {"metrics": []}
        assert owner.get("/conversations/call-1").json()["turns"] is None
        assert owner.put("/settings/access", json={}).status_code == 200
        assert len(owner.get("/metrics").json()["metrics"]) == 1


def test_too_many_requests_are_429_for_that_key_only(server: Server) -> None:
    with server.client(create(server, requests_per_minute=6)) as slow, server.client("viewer") as other:
        answers = [slow.get("/metrics/catalog") for _ in range(4)]
        refused = [answer for answer in answers if answer.status_code == 429]
        assert refused
        assert 1 <= int(refused[0].headers["retry-after"]) <= 10
        assert other.get("/metrics/catalog").status_code == 200


def test_last_use_and_writes_are_recorded(server: Server, tmp_path: Path) -> None:
    settings, store, keys = start(tmp_path)
    with serving(settings) as url, Server(url, settings, store, keys).client("admin") as admin:
        event = {"event_id": "1", "event_type": "agent.turn", "occurred_at": NOW.isoformat()}
        assert admin.post("/events", json=[event, {**event, "event_id": "2"}]).status_code == 202
        assert admin.put("/settings/metrics", json={"definitions": []}).status_code == 200
    with serving(settings) as url, Server(url, settings, store, keys).client("owner") as owner:
        used = {key["name"]: key["last_used_at"] for key in owner.get("/keys").json()["keys"]}
        assert used["admin"] is not None
        assert used["viewer"] is None
        entries = {entry["action"]: entry for entry in owner.get("/audit").json()["entries"]}
        assert entries["events.accept"]["detail"] == {"requests": 1, "events": 2}
        assert entries["settings.replace"]["actor"] == entries["events.accept"]["actor"]


def test_single_user_mode_needs_no_key_but_a_local_name(tmp_path: Path) -> None:
    settings, _, keys = start(tmp_path)
    with serving(settings, single_user=True) as url, httpx2.Client(base_url=f"{url}/v1/{OURS}", timeout=60) as client:
        assert client.get("/metrics").status_code == 200
        assert client.put("/settings/metrics", json={"definitions": []}).status_code == 200
        assert client.get("/metrics", headers={"Host": "evil.example"}).status_code == 401
        assert client.get("/metrics", headers={"Authorization": "Bearer wrong"}).status_code == 401
        assert client.get("/metrics", headers={"Authorization": f"Bearer {keys['viewer']}"}).status_code == 200
        assert client.get(f"{url}/v1/{THEIRS}/metrics").status_code == 404
        plain = client.put("/settings/metrics", content='{"definitions": []}', headers={"Content-Type": "text/plain"})
        assert plain.status_code == 422  # what a web page may send without asking
        event = json.dumps({"event_id": "1", "event_type": "agent.turn", "occurred_at": NOW.isoformat()})
        for origin, status in (("https://evil.example", 401), ("null", 401), ("http://[", 401), (url, 202)):
            headers = {"Content-Type": "text/plain", "Origin": origin}
            assert client.post("/events", content=event, headers=headers).status_code == status
        for host, status in (("localhost", 200), ("[::1]:8000", 200), ("[::1]", 200), ("localhost.evil.example", 401)):
            assert client.get("/metrics", headers={"Host": host}).status_code == status
