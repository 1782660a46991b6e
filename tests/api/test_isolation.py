"""Every operation of the OpenAPI document, tried across workspaces: a new one without an entry here fails."""

from __future__ import annotations

from typing import Any

import httpx2
import pytest
from api_server import NOW, OURS, THEIRS, Server

from pipeline.api import create_app
from pipeline.settings import Settings

METRIC = {
    "key": "intruder",
    "name": "Intruder",
    "metric_type": "numerical",
    "source": "call_intelligence",
    "event_types": ["call_intelligence.row"],
    "extraction_mode": "static",
    "extract_path": "$.quality_score",
    "aggregation": "avg",
}
BODIES: dict[str, Any] = {
    "update-metric-settings": {"definitions": [METRIC]},
    "change-metric-settings": {"definitions": [METRIC]},
    "restore-metric-settings": None,
    "update-alarms": {"alarms": [{"metric_key": "from_file", "operator": ">", "value": 1.0}]},
    "update-thresholds": {"thresholds": [{"metric_key": "from_file", "operator": ">", "value": 1.0}]},
    "create-webhook": {"url": "https://1.1.1.1/hook", "events": ["run.finished"]},
    "delete-webhook": None,
    "change-webhook": {"events": ["run.finished"]},
    "rotate-webhook-secret": None,
    "test-webhook": None,
    "redeliver-webhook": None,
    "update-access": {"metrics": ["from_file"], "transcripts": False},
    "create-key": {"name": "intruder", "role": "owner"},
    "revoke-key": None,
    "forget-conversation": None,
    "evaluate-metric": {"subject_id": "call-1"},
    "run-query": {"sql": "SELECT 1"},
    "send-events": {"event_id": "intruder", "event_type": "agent.turn", "occurred_at": NOW.isoformat()},
    "write-metric": {"name": "intruder", "value": 1},
}
"""What each operation that is no GET is sent; valid, so that only the key can be what is refused."""
STATE = ("/settings/metrics", "/settings/metrics/history", "/settings/alarms", "/settings/access", "/webhooks")
ANYTHING_BUT_GET = ("put", "post", "patch", "delete")
OPERATIONS = [
    (method, path, operation["operationId"])
    for path, operations in create_app(Settings()).openapi()["paths"].items()
    for method, operation in operations.items()
    if "{workspace_id}" in path
]


def state(server: Server) -> list[Any]:
    """What a stranger could have changed, but when keys were last used."""
    with server.client("owner") as owner:
        found = [owner.get(path).json() for path in STATE]
        keys = [{**key, "last_used_at": None} for key in owner.get("/keys").json()["keys"]]
        written = [entry for entry in owner.get("/audit").json()["entries"] if entry["action"] != "events.accept"]
    return [*found, keys, written]


@pytest.fixture(scope="module")
def ids(server: Server) -> dict[str, str]:
    """Identifiers of our workspace, as a stranger could have guessed them."""
    with server.client("owner") as owner:
        made = owner.post("/webhooks", json=BODIES["create-webhook"])
        assert made.status_code == 201, made.text
        changed = owner.put("/settings/metrics", json={"definitions": [{**METRIC, "key": "ours"}]})
        assert changed.status_code == 200, changed.text
    return {
        "metric_key": "ours",
        "call_id": "call-2",
        "conversation_id": "call-2",
        "run_id": "run-1",
        "webhook_id": made.json()["webhook_id"],
        "delivery_id": "msg_1",
        "key_id": server.keys["viewer"].split("_")[1],
        "revision": str(changed.json()["revision"]),
    }


def test_every_operation_is_tried() -> None:
    sent = {name for method, _, name in OPERATIONS if method in ANYTHING_BUT_GET}
    assert sent == BODIES.keys()


@pytest.mark.parametrize(("method", "path", "name"), OPERATIONS, ids=[name for *_, name in OPERATIONS])
def test_a_stranger_reaches_nothing_and_changes_nothing(
    server: Server, ids: dict[str, str], method: str, path: str, name: str
) -> None:
    before = state(server)
    with httpx2.Client(
        base_url=server.url, headers={"Authorization": f"Bearer {server.keys['theirs']}"}, timeout=60
    ) as theirs:
        where = path.format(workspace_id=OURS, kind="conversations", **ids)
        refused = theirs.request(method, where, json=BODIES.get(name))
        assert refused.status_code == 404, refused.text
        said = refused.json()
        assert said["detail"] == "No such workspace, or the key belongs to another one."
        assert said.keys() == {"type", "title", "status", "detail", "instance", "request_id"}
        if any("{" + identifier + "}" in path for identifier in ids) and name != "write-metric":
            guessed = theirs.request(method, path.format(workspace_id=THEIRS, **ids), json=BODIES.get(name))
            assert guessed.status_code == 404 or (name, guessed.json()) == ("list-call-metric-values", {"metrics": []})
            assert "secret words" not in guessed.text
    assert state(server) == before
    assert not list((server.settings.home / "intake").glob("*"))
