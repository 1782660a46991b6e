"""Erasing through the command line and over HTTP."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import quote

import httpx2
import pytest
from api_server import serving
from calls import Deployment

from pipeline.cli.app import run
from pipeline.client import MetricStore
from pipeline.workspace.keys import create_key


def _published(deployment: Deployment) -> list[str]:
    with deployment.store.read() as con:
        return [name for (name,) in con.execute("SELECT conversation_id FROM conversations ORDER BY 1").fetchall()]


@pytest.mark.both_stores
def test_the_command_takes_ids_participants_sessions_and_a_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """What readers see is without them at once, and after maintenance nothing of them is stored."""
    monkeypatch.setenv("METRIC_STORE_HASH_KEY", "a key of the test, long enough")
    deployment = Deployment(tmp_path)
    deployment.land("a.ndjson", [1, 2, 3, 4, 5])
    deployment.run()
    monkeypatch.setenv("METRIC_STORE_HOME", str(deployment.settings.home))
    monkeypatch.setenv("METRIC_STORE_DEFINITIONS", str(deployment.settings.definitions))
    listed = tmp_path / "ids.txt"
    listed.write_text("conv-00004-x\n\n")
    options = ["--participant", "caller-2", "--session", "CA00003", "--file", str(listed), "--json"]
    assert run(["forget", "conv-00001-x", *options]) == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["conversations"], found["events"]) == (4, 24)
    assert _published(deployment) == ["conv-00005-x"]
    assert run(["maintain"]) == 0
    stored = [path for path in tmp_path.rglob("*") if path.is_file() and path.suffix not in (".ndjson", ".txt")]
    assert [path.name for path in stored if b"conv-00001-x" in path.read_bytes()] == []


def test_nothing_named_is_a_mistake(capsys: pytest.CaptureFixture[str]) -> None:
    """And so is a file that is not there."""
    assert run(["forget"]) == 2
    assert "Nothing is named" in capsys.readouterr().err
    assert run(["forget", "--file", "/nowhere/ids"]) == 2


def test_over_http_admins_erase_and_others_do_not(tmp_path: Path) -> None:
    """The audit log says that it was done, not to whom."""
    deployment = Deployment(tmp_path)
    deployment.land("a.ndjson", [1, 2])
    deployment.run()
    now = datetime.now(UTC)
    keys = {role: create_key(deployment.store, role, role, actor="cli", now=now)[1] for role in ("viewer", "admin")}
    with serving(deployment.settings) as url:
        base = f"{url}/v1/{deployment.settings.workspace_id}"

        def ask(who: str, method: str, path: str) -> httpx2.Response:
            return httpx2.request(method, base + path, headers={"Authorization": f"Bearer {keys[who]}"}, timeout=60)

        assert ask("viewer", "DELETE", "/conversations/conv-00001-x").status_code == 403
        answer = ask("admin", "DELETE", "/conversations/conv-00001-x")
        assert answer.status_code == 200, answer.text
        assert answer.json()["events"] == 6
        assert ask("viewer", "GET", "/conversations/conv-00001-x").status_code == 404
        entries = ask("admin", "GET", "/audit").json()["entries"]
    assert [entry["action"] for entry in entries].count("conversations.forget") == 1
    assert "conv-00001-x" not in json.dumps(entries)
    assert _published(deployment) == ["conv-00002-x"]


def test_any_id_that_is_stored_can_be_reached(tmp_path: Path) -> None:
    """Read, listed with its values, found by the client, and erased."""
    names = ["a/b", "a/b/metrics", "a?b#c", "50% off", "../up", "/", "ä ö"]
    deployment = Deployment(tmp_path)
    file = deployment.land("a.ndjson", list(range(1, len(names) + 1)))
    text = file.read_text()
    for number, name in enumerate(names, start=1):
        text = text.replace(f'"conv-{number:05d}-x"', json.dumps(name))
    file.write_text(text)
    deployment.run()
    key = create_key(deployment.store, "admin", "admin", actor="cli", now=datetime.now(UTC))[1]
    workspace = deployment.settings.workspace_id
    with (
        serving(deployment.settings) as url,
        MetricStore(url, key, workspace) as client,
        httpx2.Client(headers={"Authorization": f"Bearer {key}"}, timeout=60) as http,
    ):
        for name in names:
            one = f"{url}/v1/{workspace}/conversations/{quote(name, safe='')}"
            shown = http.get(one).json()
            assert (shown["conversation_id"], client.conversation(name)) == (name, shown)
            values = http.get(f"{url}/v1/{workspace}/calls/{quote(name, safe='')}/metrics").json()["metrics"]
            assert {value["entity_id"] for value in values} == {name}
            assert http.delete(one).json()["conversations"] == 1
            assert http.get(one).status_code == 404
