"""Webhooks against a real receiver: signed, retried, told once; alarms and freshness that raise them."""

from __future__ import annotations

import base64
import json
import threading
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from api_server import NOW, OURS, TODAY, Server, insert, period, serving, start

from pipeline.catalog import load_catalog
from pipeline.errors import UserError
from pipeline.settings import Settings
from pipeline.store import Store
from pipeline.store.control import control_transaction
from pipeline.store.snapshot import snapshot_reader
from pipeline.workspace.after_run import tell
from pipeline.workspace.alarms import Alarm, replace_alarms
from pipeline.workspace.keys import create_key
from pipeline.workspace.webhooks import EVENTS, create_webhook, deliver, sign

KEY = "voice_quality_score"


@dataclass
class Receiver:
    """What arrived, and what to answer."""

    url: str = ""
    answer: int = 204
    got: list[tuple[dict[str, str], bytes]] = field(default_factory=list)

    def types(self) -> list[str]:
        return [json.loads(body)["type"] for _, body in self.got]


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    found = Receiver()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            found.got.append(({name.lower(): value for name, value in self.headers.items()}, body))
            self.send_response(found.answer)
            self.send_header("Location", "http://127.0.0.1:9/")
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None: ...

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    found.url = f"http://127.0.0.1:{server.server_address[1]}/hook?x=1"
    yield found
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def deployment(tmp_path: Path) -> tuple[Settings, Store]:
    settings, store, _ = start(tmp_path, webhook_hosts=("127.0.0.1",))
    return settings, store


def outbox(settings: Settings) -> list[tuple[str, int]]:
    reader = snapshot_reader(settings, "control", {})
    with reader.cursor() as (con, _):
        found = con.execute("SELECT event_type, attempts FROM webhook_outbox ORDER BY created_at").fetchall()
    reader.close()
    return found


def send(settings: Settings, store: Store, now: datetime) -> int:
    reader = snapshot_reader(settings, "control", {})
    try:
        return deliver(settings, store, reader, now=now)
    finally:
        reader.close()


def test_a_finished_run_is_announced_and_signed(deployment: tuple[Settings, Store], receiver: Receiver) -> None:
    settings, store = deployment
    assert tell(settings, store, load_catalog(settings), ["run-1"], NOW) == 0  # nobody asked for it
    webhook, secret = create_webhook(settings, store, OURS, receiver.url, ["run.finished"], actor="cli", now=NOW)
    assert tell(settings, store, load_catalog(settings), ["run-1"], NOW) == 1
    ((headers, body),) = receiver.got
    message = json.loads(body)
    assert (message["type"], message["workspace_id"], message["data"]["run_id"]) == ("run.finished", OURS, "run-1")
    assert (message["data"]["eligible_count"], message["data"]["ok_count"], message["data"]["failed"]) == (10, 8, [])
    key = base64.b64decode(secret.removeprefix("whsec_"))
    signature = sign(key, headers["webhook-id"], int(headers["webhook-timestamp"]), body)
    assert headers["webhook-signature"] == signature
    assert sign(key, headers["webhook-id"], int(headers["webhook-timestamp"]) + 1, body) != signature
    assert outbox(settings) == []
    assert key not in settings.control_path.read_bytes()
    assert webhook.url == receiver.url


def test_a_receiver_that_is_away_is_tried_again_and_given_up(
    deployment: tuple[Settings, Store], receiver: Receiver
) -> None:
    settings, store = deployment
    create_webhook(settings, store, OURS, receiver.url, ["run.finished"], actor="cli", now=NOW)
    receiver.answer = 500
    assert tell(settings, store, load_catalog(settings), ["run-1"], NOW) == 0
    assert outbox(settings) == [("run.finished", 1)]
    assert send(settings, store, NOW + timedelta(seconds=1)) == 0
    assert len(receiver.got) == 1  # too early
    receiver.answer = 302  # is not followed
    assert send(settings, store, NOW + timedelta(minutes=1)) == 0
    receiver.answer = 200
    assert send(settings, store, NOW + timedelta(hours=1)) == 1
    assert outbox(settings) == []
    assert len({headers["webhook-id"] for headers, _ in receiver.got}) == 1  # so that a repeat is known for one
    receiver.answer = 500
    tell(settings, store, load_catalog(settings), ["run-1"], NOW)
    for day in range(1, 10):
        send(settings, store, NOW + timedelta(days=day))
    assert outbox(settings) == []
    with store.write() as con:
        gave_up = con.execute("SELECT count(*) FROM audit_log WHERE action = 'webhook.give_up'").fetchall()
    assert gave_up == [(1,)]


def test_an_alarm_is_told_when_raised_and_when_recovered_once_each(
    deployment: tuple[Settings, Store], receiver: Receiver
) -> None:
    settings, store = deployment
    catalog = load_catalog(settings)
    create_webhook(settings, store, OURS, receiver.url, EVENTS, actor="cli", now=NOW)
    replace_alarms(store, OURS, [Alarm(KEY, "<", 82.0)], actor="cli", now=NOW)  # yesterday has 81
    for _ in range(3):
        tell(settings, store, catalog, [], NOW)
    assert receiver.types() == ["alarm.raised"]
    data = json.loads(receiver.got[0][1])["data"]
    assert (data["metric_key"], data["value"], data["limit"]) == (KEY, 81.0, 82.0)
    tomorrow = NOW + timedelta(days=1)
    with store.transaction() as con:
        insert(con, "metric_periods", [period(KEY, catalog.get(KEY).version, TODAY, None)])
        con.execute("UPDATE metric_periods SET superseded_at = now() WHERE period_start = ? AND value = 80", [TODAY])
        con.execute("UPDATE metric_periods SET superseded_at = now() WHERE service_id IS NOT NULL")
    store.publish()
    tell(settings, store, catalog, [], tomorrow)
    assert "alarm.recovered" not in receiver.types()  # no value says nothing
    with store.transaction() as con:
        con.execute("UPDATE metric_periods SET value = 95 WHERE period_start = ? AND granularity = 'day'", [TODAY])
    store.publish()
    for _ in range(2):
        tell(settings, store, catalog, [], tomorrow)
    assert [each for each in receiver.types() if each.startswith("alarm")] == ["alarm.raised", "alarm.recovered"]


def test_a_receiver_that_asked_for_the_former_name_is_told_as_before(
    deployment: tuple[Settings, Store], receiver: Receiver
) -> None:
    settings, store = deployment
    create_webhook(settings, store, OURS, receiver.url, ["threshold.crossed"], actor="cli", now=NOW)
    replace_alarms(store, OURS, [Alarm(KEY, "<", 82.0)], actor="cli", now=NOW)
    for _ in range(2):
        tell(settings, store, load_catalog(settings), [], NOW)
    (message,) = [json.loads(body) for _, body in receiver.got]
    assert message["type"] == "threshold.crossed"
    assert message["deprecated"] == "threshold.crossed is now alarm.raised: change the webhook's events"
    assert message["data"]["threshold"] == 82.0
    assert message["data"]["threshold_id"]
    assert not message["data"].keys() & {"alarm_id", "limit"}


def test_alarms_answer_under_their_former_path(deployment: tuple[Settings, Store], tmp_path: Path) -> None:
    settings, store = deployment
    keys = {"admin": create_key(store, "admin", "admin", actor="cli", now=datetime.now(UTC))[1]}
    rule = {"metric_key": KEY, "operator": "<", "value": 82.0, "granularity": "day", "service_id": None}
    with serving(settings) as url, Server(url, settings, store, keys).client("admin") as admin:
        put = admin.put("/settings/thresholds", json={"thresholds": [rule]})
        assert (put.status_code, put.headers["Deprecation"][0]) == (204, "@")
        (alarm,) = admin.get("/settings/alarms").json()["alarms"]
        former = admin.get("/settings/thresholds")
        assert 'rel="successor-version"' in former.headers["Link"]
        (threshold,) = former.json()["thresholds"]
        assert (alarm.pop("state"), threshold.pop("state")) == ("raised", "crossed")
        assert threshold.pop("threshold_id") == alarm.pop("alarm_id")
        assert threshold == alarm == rule | {"period": alarm["period"]}


def test_missed_freshness_is_told(deployment: tuple[Settings, Store], receiver: Receiver) -> None:
    settings, store = deployment
    catalog = load_catalog(settings)
    sla = timedelta(minutes=catalog.get(KEY).definition.freshness_sla_minutes)
    create_webhook(settings, store, OURS, receiver.url, ["freshness.missed"], actor="cli", now=NOW)
    tell(settings, store, catalog, [], NOW + timedelta(hours=1) + sla)
    assert receiver.types() == []  # the run of the next hour may still be on its way
    tell(settings, store, catalog, [], NOW + timedelta(hours=1, minutes=1) + sla)
    assert receiver.types() == ["freshness.missed"]


@pytest.mark.parametrize(
    "url",
    [
        "ftp://example.com/",
        "http://user:password@127.0.0.1/",
        "http://localhost:1/",
        "http://169.254.169.254/latest/meta-data",
        "http://[::1]/",
        "http://10.0.0.1/",
        "http://0/",
        "http://224.0.0.1/",
        "http://[::ffff:127.0.0.1]/",
        "http://[64:ff9b::7f00:1]/",
        "http://[2002:7f00:1::]/",
        "http://2130706433/",
        "http://host.invalid/",
        "http://",
        "http://example.com:99999/",
        "http://example.com/\x01",
        "http://example.com/a b",
        "http://exa\tmple.com/",
        "http://example.com/\r\nX-Injected: 1",
    ],
)
def test_urls_that_lead_inside_are_refused(deployment: tuple[Settings, Store], url: str) -> None:
    settings, store = deployment
    with pytest.raises(UserError, match="webhook"):
        create_webhook(settings, store, OURS, url, ["run.finished"], actor="cli", now=NOW)


def test_webhooks_and_alarms_over_http(deployment: tuple[Settings, Store], receiver: Receiver, tmp_path: Path) -> None:
    settings, store = deployment
    now = datetime.now(UTC)
    keys = {role: create_key(store, role, role, actor="cli", now=now)[1] for role in ("viewer", "admin")}
    with serving(settings) as url, Server(url, settings, store, keys).client("admin") as admin:
        made = admin.post("/webhooks", json={"url": receiver.url, "events": ["alarm.raised"]})
        assert made.status_code == 201, made.text
        assert made.json()["secret"].startswith("whsec_")
        listed = admin.get("/webhooks")
        assert made.json()["secret"] not in listed.text
        rule = {"metric_key": KEY, "operator": "<", "value": 82}
        assert admin.put("/settings/alarms", json={"alarms": [rule]}).status_code == 204
        unknown = {**rule, "metric_key": "no_such"}
        assert admin.put("/settings/alarms", json={"alarms": [unknown]}).status_code == 404
        (state,) = admin.get("/settings/alarms").json()["alarms"]
        assert (state["state"], state["period"]["value"]) == ("raised", 81.0)
        with Server(url, settings, store, keys).client("viewer") as viewer:
            assert viewer.get("/webhooks").status_code == 403
            assert viewer.get("/settings/alarms").status_code == 200
            assert viewer.put("/settings/alarms", json={"alarms": []}).status_code == 403
        assert admin.delete(f"/webhooks/{made.json()['webhook_id']}").status_code == 204
        assert admin.get("/webhooks").json() == {"webhooks": []}
        assert admin.delete("/webhooks/none").status_code == 404


def test_a_receiver_that_never_ends_costs_neither_memory_nor_its_neighbours(
    deployment: tuple[Settings, Store], receiver: Receiver
) -> None:
    """One trickles the head of its answer for ever, one answers without end; a third gets its message."""
    import socket

    settings, store = deployment
    stop = threading.Event()
    open_sockets = []

    def serve(listener: socket.socket, head: bytes, again: bytes) -> None:
        with listener, suppress(OSError):
            peer, _ = listener.accept()
            open_sockets.append(peer)
            peer.recv(65536)
            peer.sendall(head)
            while not stop.wait(0.05):
                peer.sendall(again)

    threads = []
    for head, again in ((b"HTTP/1.1 200 OK\r\n", b"X-More: 1\r\n"), (b"HTTP/1.1 200 OK\r\n\r\n", b"x" * 2**20)):
        listener = socket.create_server(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{listener.getsockname()[1]}/"
        create_webhook(settings, store, OURS, url, ["run.finished"], actor="cli", now=NOW)
        threads.append(threading.Thread(target=serve, args=(listener, head, again), daemon=True))
        threads[-1].start()
    create_webhook(settings, store, OURS, receiver.url, ["run.finished"], actor="cli", now=NOW)
    try:
        assert tell(settings, store, load_catalog(settings), ["run-1"], NOW) == 2
    finally:
        stop.set()
        for peer in open_sockets:
            peer.close()
        for thread in threads:
            thread.join(10)
    assert receiver.types() == ["run.finished"]
    assert outbox(settings) == [("run.finished", 1)]  # the one that never said its last header


def test_a_url_that_cannot_be_called_ends_no_run(deployment: tuple[Settings, Store], receiver: Receiver) -> None:
    """One that an earlier version accepted is tried, fails and is logged; its neighbour gets its message."""
    settings, store = deployment
    broken, _ = create_webhook(settings, store, OURS, receiver.url, ["run.finished"], actor="cli", now=NOW)
    create_webhook(settings, store, OURS, receiver.url, ["run.finished"], actor="cli", now=NOW)
    with control_transaction(store) as con:
        con.execute("UPDATE webhooks SET url = 'http://127.0.0.1/\x01' WHERE webhook_id = ?", [broken.webhook_id])
    assert tell(settings, store, load_catalog(settings), ["run-1"], NOW) == 1


def test_a_webhook_is_changed_tested_rotated_and_its_messages_sent_again(
    deployment: tuple[Settings, Store], receiver: Receiver
) -> None:
    settings, store = deployment
    key = {"owner": create_key(store, "owner", "owner", actor="cli", now=NOW)[1]}
    with serving(settings) as url, Server(url, settings, store, key).client("owner") as owner:
        made = owner.post("/webhooks", json={"url": receiver.url, "events": ["alarm.raised"]}).json()
        place = f"/webhooks/{made['webhook_id']}"
        changed = owner.patch(place, json={"events": ["run.finished"]})
        assert (changed.json()["events"], changed.json()["url"]) == (["run.finished"], receiver.url)
        assert owner.patch(place, json={"url": "http://10.0.0.1/"}).status_code == 422
        tested = owner.post(f"{place}/test").json()
        assert tested == {"delivered": True, "status_code": 204, "problem": None}
        rotated = owner.post(f"{place}/secret").json()
        assert rotated["secret"] != made["secret"]
        assert owner.post(f"{place}/test").json()["delivered"]
        headers, body = receiver.got[-1]
        stamp, message_id = int(headers["webhook-timestamp"]), headers["webhook-id"]
        secrets = [base64.b64decode(each["secret"].removeprefix("whsec_")) for each in (rotated, made)]
        assert headers["webhook-signature"].split() == [sign(each, message_id, stamp, body) for each in secrets]
        assert headers["webhook-signature"].count("v1,") == 2
        receiver.answer = 500
        assert owner.post(f"{place}/test").json()["status_code"] == 500
        log = owner.get(f"{place}/deliveries").json()["deliveries"]
        assert [(each["event_type"], each["status_code"]) for each in log] == [
            ("webhook.test", 500),
            ("webhook.test", 204),
            ("webhook.test", 204),
        ]
        receiver.answer = 204
        again = owner.post(f"{place}/deliveries/{log[0]['delivery_id']}")
        assert again.status_code == 202
        send(settings, store, datetime.now(UTC) + timedelta(seconds=1))
        assert owner.get(f"{place}/deliveries").json()["deliveries"][0]["delivery_id"] == log[0]["delivery_id"]
        assert owner.post(f"{place}/deliveries/none").status_code == 404
        health = owner.get(f"{url}/health").json()
        assert health["status"] == "ok"
        assert {work["name"] for work in health["background"]} >= {"sending webhooks"}
    later = datetime.now(UTC) + timedelta(days=2)
    tell(settings, store, load_catalog(settings), ["run-1"], later)
    assert receiver.got[-1][0]["webhook-signature"].count("v1,") == 1
