"""`doctor` names what would stop a run, makes nothing, and never repeats a secret."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from pipeline.cli.app import run
from pipeline.settings import Settings
from pipeline.store import Store

SECRET = "sk-very-secret-1234"


class Endpoint(BaseHTTPRequestHandler):
    """Knows one key, and lives in 2020."""

    def do_GET(self) -> None:
        known = self.headers.get("Authorization") == f"Bearer {SECRET}"
        self.send_response(200 if known and self.path == "/v1/models" else 401)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def date_time_string(self, timestamp: float | None = None) -> str:
        return "Wed, 01 Jan 2020 00:00:00 GMT"

    def log_message(self, *_: object) -> None: ...


@pytest.fixture
def endpoint() -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Endpoint)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}/v1"
    server.shutdown()
    server.server_close()


class Doctor:
    """Runs the command; remembers all that it printed."""

    def __init__(self, capsys: pytest.CaptureFixture[str]) -> None:
        self.capsys = capsys
        self.said = ""

    def __call__(self, code: int) -> dict[str, tuple[str, str]]:
        """State and text by subject, if the command ends with this code."""
        found = run(["doctor", "--json"])
        out, err = self.capsys.readouterr()
        self.said += out + err
        assert found == code, out + err
        findings = json.loads(out)
        assert all(each["advice"] for each in findings if each["state"] != "ok")
        return {each["subject"]: (each["state"], each["found"]) for each in findings}


@pytest.fixture
def doctor(capsys: pytest.CaptureFixture[str]) -> Doctor:
    return Doctor(capsys)


def test_an_empty_folder_has_warnings_and_stays_empty(
    doctor: Doctor, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("METRIC_STORE_CAPP", "3")
    found = doctor(0)
    assert {name for name, (state, _) in found.items() if state == "warning"} >= {"home", "store", "landing"}
    assert "did you mean METRIC_STORE_CAP?" in found["variable"][1]
    assert found["definitions"][0] == "ok"
    assert found["clock"] == ("ok", "there is nothing to compare it with")
    assert list(tmp_path.iterdir()) == []


def test_a_home_below_a_file_cannot_be_made(doctor: Doctor, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("METRIC_STORE_HOME", str(tmp_path / "file" / "home"))
    state, told = doctor(1)["home"]
    assert state == "problem"
    assert told.endswith("file is a file")


def test_the_version_of_the_store_is_compared(doctor: Doctor) -> None:
    store = Store(Settings())
    store.publish()
    assert "schema 0" in doctor(0)["store"][1]
    with store.write() as con:
        con.execute("INSERT INTO schema_migrations VALUES ('9999_later', now())")
    with store.write() as con:
        store.engine.publish(con)
    state, told = doctor(1)["store"]
    assert state == "problem"
    assert "newer metric-store (schema 9999_later)" in told


def test_a_store_of_an_older_version_is_a_warning(doctor: Doctor) -> None:
    store = Store(Settings())
    store.publish()
    with store.write() as con:
        con.execute(
            "DELETE FROM schema_migrations WHERE name = (SELECT max(name) FROM schema_migrations WHERE name < 'a')"
        )
        store.engine.publish(con)
    assert doctor(0)["store"][0] == "warning"


def test_an_event_of_the_future_says_to_compare_clocks(
    doctor: Doctor, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    at = (datetime.now(UTC) + timedelta(days=1)).isoformat()
    event = {"event_id": "e", "conversation_id": "c", "event_type": "agent.turn", "occurred_at": at}
    (tmp_path / "events.ndjson").write_text(json.dumps(event))
    assert run(["ingest", "events.ndjson"]) == 0
    Store(Settings()).publish()
    capsys.readouterr()
    state, told = doctor(0)["clock"]
    assert state == "warning"
    assert "in the future" in told


def test_a_port_that_another_program_has_is_a_warning(
    doctor: Doctor, endpoint: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pipeline.cli.doctor.PORT", int(endpoint.rpartition(":")[2].partition("/")[0]))
    state, told = doctor(0)["port"]
    assert state == "warning"
    assert "no metric-store answers there" in told


def test_a_file_in_the_wrong_folder_is_named(doctor: Doctor, tmp_path: Path) -> None:
    (tmp_path / "definitions").mkdir()
    (tmp_path / "definitions" / "own.yaml").write_text("definitions: []\n")
    state, told = doctor(0)["definitions"]
    assert state == "warning"
    assert "own.yaml" in told


def test_service_links_of_kubernetes_are_no_mistyped_settings(doctor: Doctor, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("METRIC_STORE_SERVICE_HOST", "10.0.0.1")
    monkeypatch.setenv("METRIC_STORE_PORT", "tcp://10.0.0.1:80")
    assert "variable" not in doctor(0)


def test_a_store_that_was_published_is_ok_and_a_broken_one_is_not(doctor: Doctor) -> None:
    settings = Settings()
    Store(settings).publish()
    (settings.home / "landing").mkdir()
    found = doctor(0)
    assert [found[name][0] for name in ("home", "store", "landing", "disk")] == ["ok"] * 4
    settings.snapshot_path.write_bytes(b"no database" * 1000)
    assert doctor(1)["store"][0] == "problem"


def test_broken_definitions_and_settings_are_problems(doctor: Doctor, tmp_path: Path) -> None:
    own = tmp_path / "definitions" / "metrics" / "custom"
    own.mkdir(parents=True)
    (own / "own.yaml").write_text("definitions:\n- key: A B\n")
    assert doctor(1)["definitions"][0] == "problem"
    Path("metric-store.toml").write_text("cpa = 3\n")
    found = doctor(1)
    assert found["settings"][0] == "problem"
    assert "did you mean cap?" in found["settings"][1]


def test_models_are_asked_whether_they_are_there(
    doctor: Doctor, endpoint: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    Path("metric-store.toml").write_text(
        f'[models.default]\nmodel = "m"\nbase_url = "{endpoint}"\nkey_variable = "THE_KEY"\n'
        f'[models.endpoints.down]\nmodel = "m"\nbase_url = "http://user:{SECRET}@127.0.0.1:9/v1"\n'
    )
    assert doctor(1)["model default"] == ("problem", "THE_KEY is not set")
    monkeypatch.setenv("THE_KEY", SECRET[::-1])
    assert "refuses the key (401)" in doctor(1)["model default"][1]
    monkeypatch.setenv("THE_KEY", SECRET)
    found = doctor(1)
    assert found["model default"][0] == "ok"
    assert found["model down"][0] == "problem"
    assert "ahead of http://127.0.0.1" in found["clock"][1]
    assert SECRET not in doctor.said
    assert SECRET[::-1] not in doctor.said
