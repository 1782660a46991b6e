"""Events over the network: accepted ones are on disk before the answer and in the store after the next run."""

from __future__ import annotations

import json
import random
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx2
import pytest
from api_server import NOW, OURS, Server, serving

from pipeline.catalog import load_catalog
from pipeline.errors import StoreUnavailableError
from pipeline.ingest import ingest
from pipeline.settings import Settings
from pipeline.store import Store
from pipeline.workspace.intake import Intake, adopt_intake
from pipeline.workspace.segments import SegmentWriter


@pytest.fixture
def admin(server: Server) -> Iterator[httpx2.Client]:
    with server.client("admin") as client:
        yield client


def event(number: int | str, **changes: Any) -> dict[str, Any]:
    return {
        "event_id": f"e-{number}",
        "event_type": "agent.turn",
        "conversation_id": "sent",
        "occurred_at": NOW.isoformat(),
        "data": {"text": "hello"},
    } | changes


def cloud(number: int, **changes: Any) -> dict[str, Any]:
    return {
        "specversion": "1.0",
        "id": str(number),
        "source": "/agents/7",
        "type": "user.turn",
        "time": NOW.isoformat(),
        "conversationid": "sent",
        "data": {"text": "hi"},
    } | changes


def lines(folder: Path) -> list[Any]:
    return [json.loads(line) for file in sorted(folder.rglob("events-*")) for line in file.read_text().splitlines()]


def wait_for(condition: Any) -> None:
    deadline = time.monotonic() + 120
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_what_was_accepted_is_in_the_store_after_the_next_run(server: Server, admin: httpx2.Client) -> None:
    assert admin.post("/events", json=event("single")).json() == {"accepted": 1, "refused": []}
    assert admin.post("/events", json=[event(1), event(2)]).json()["accepted"] == 2
    ndjson = b"\n".join(json.dumps(event(n)).encode() for n in (2, 3))
    headers = {"Content-Type": "application/x-ndjson"}
    assert admin.post("/events", content=ndjson, headers=headers).json()["accepted"] == 2
    headers = {"Content-Type": "application/cloudevents+json; charset=utf-8"}
    assert admin.post("/events", content=json.dumps(cloud(1)).encode(), headers=headers).status_code == 202
    headers = {"Content-Type": "application/cloudevents-batch+json"}
    batch = json.dumps([cloud(1), cloud(2)]).encode()
    assert admin.post("/events", content=batch, headers=headers).status_code == 202
    written = {
        "name": "CALL_OUTCOME",
        "value": "booked",
        "write_once": True,
        "event_id": "w-1",
        "occurred_at": NOW.isoformat(),
    }
    for _ in range(2):
        assert admin.post("/conversations/sent/metrics", json=written).status_code == 202
    wait_for(lambda: not list((server.settings.home / "intake").iterdir()))
    ingest(server.store, load_catalog(server.settings), server.settings)
    with server.store.write() as con:
        found = con.execute(
            "SELECT event_id, event_type FROM events WHERE conversation_id = 'sent' ORDER BY ALL"
        ).fetchall()
        rejected = con.execute("SELECT reason, detail FROM rejected_records").fetchall()
    assert rejected == []
    assert found == [
        ("/agents/7#1", "user.turn"),
        ("/agents/7#2", "user.turn"),
        *((f"e-{n}", "agent.turn") for n in (1, 2, 3)),
        ("e-single", "agent.turn"),
        ("w-1", "metric.written"),
    ]


@pytest.mark.parametrize(
    "change",
    [
        {"occurred_at": "2026-11-20T10:00:00"},
        {"occurred_at": 1795168800},
        {"occurred_at": "1970-01-01T00:00:00Z"},
        {"occurred_at": "2100-01-01T00:00:00Z"},
        {"event_id": None},
        {"event_type": ""},
        {"event_id": "x" * 257},
        {"conversation_id": "a\nb"},
        {"data": [1]},
        {"traffic": "live"},
        {"unknown": 1},
    ],
    ids=str,
)
def test_an_event_that_cannot_be_accepted_is_told_and_costs_no_neighbour(admin: httpx2.Client, change: Any) -> None:
    answer = admin.post("/events", json=[event(10), event(11, **change), event(12)])
    assert answer.status_code == 202
    (refused,) = answer.json()["refused"]
    assert refused["index"] == 1
    assert refused["problems"][0]["msg"]
    alone = admin.post("/events", json=event(11, **change))
    assert alone.status_code == 422
    assert alone.json()["detail"][0]["loc"][:2] == ["body", 0]


def test_a_missing_time_is_refused_and_an_unknown_one_is_not(admin: httpx2.Client) -> None:
    without = event(1)
    del without["occurred_at"]
    assert admin.post("/events", json=without).status_code == 422
    assert admin.post("/events", json=event("timeless", occurred_at=None)).status_code == 202
    assert admin.post("/events", json=cloud(3, time=None)).status_code == 422


def test_too_many_or_none_are_refused(admin: httpx2.Client) -> None:
    assert admin.post("/events", json=[]).status_code == 422
    assert admin.post("/events", json=[{}] * 10_001).status_code == 422


def test_many_threads_share_few_syncs_and_lose_nothing(tmp_path: Path) -> None:
    writer = SegmentWriter(
        tmp_path / "intake", str(tmp_path / "landing"), max_bytes=2000, max_seconds=60, max_waiting=10**6
    )

    def append(thread: int) -> None:
        for number in range(50):
            writer.append(json.dumps([thread, number]).encode() + b"\n")

    threads = [threading.Thread(target=append, args=(thread,)) for thread in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    writer.close()
    assert list((tmp_path / "intake").iterdir()) == []
    assert sorted(lines(tmp_path / "landing")) == [[thread, number] for thread in range(8) for number in range(50)]
    assert len(list((tmp_path / "landing").iterdir())) > 1  # rotated by size
    with pytest.raises(StoreUnavailableError, match="stopping"):
        writer.append(b"x\n")


def test_a_full_queue_is_refused_instead_of_held_in_memory(tmp_path: Path) -> None:
    writer = SegmentWriter(tmp_path, str(tmp_path / "landing"), max_bytes=10**6, max_seconds=60, max_waiting=100)
    with pytest.raises(StoreUnavailableError, match="faster"):
        writer.append(b"x" * 101)
    writer.close()


def test_a_disk_that_refuses_is_told_and_nothing_is_acknowledged(tmp_path: Path) -> None:
    (tmp_path / "intake").write_text("a file where the folder should be")
    writer = SegmentWriter(tmp_path / "intake", str(tmp_path), max_bytes=10**6, max_seconds=60, max_waiting=10**6)
    with pytest.raises(StoreUnavailableError, match="disk"):
        writer.append(b"x\n")
    writer.close()


KILLED = """
import os, sys
from pathlib import Path
from pipeline.settings import Settings
from pipeline.workspace.intake import Intake
intake = Intake(Settings(home=Path(sys.argv[1])))
event = {"event_id": "kept", "event_type": "agent.turn", "occurred_at": None}
assert intake.take([event]) == []
print("acknowledged", flush=True)
os.kill(os.getpid(), 9)
"""


def test_what_a_killed_server_acknowledged_is_adopted(server: Server, settings: Any) -> None:
    killed = subprocess.run(
        [sys.executable, "-c", KILLED, str(settings.home)], capture_output=True, text=True, timeout=60, check=False
    )
    assert killed.stdout == "acknowledged\n", killed.stderr
    assert lines(settings.home / "landing") == []
    with serving(settings):  # the next one, whether or not a run comes first
        pass
    assert [each["event_id"] for each in lines(settings.home / "landing")] == ["kept"]
    assert adopt_intake(settings) == 0


def test_events_for_a_workspace_without_a_pipeline_are_refused(server: Server) -> None:
    with server.client("theirs") as client:
        url = f"{server.url}/v1/{OURS.replace('001', '002')}/events"
        assert client.post(url, json=event(1)).status_code == 422


_ODD: tuple[Any, ...] = (None, True, 0, -1, 2**62, 2**70, 1.5, "", "x", "7", "x" * 129, "x" * 300, "\x07", "é", "voice")
_ODD += ("simulation", "test", NOW.isoformat(), "2026-03-02T10:00:00", "1999-01-01T00:00:00Z", "2999-01-01T00:00:00Z")
_ODD += ([], [1], ["a"], {}, {"text": "hi"}, {"a": {"b": [1]}})
_FIELDS = ("event_id", "event_type", "conversation_id", "occurred_at", "sequence", "domain", "origin", "channel")
_FIELDS += ("direction", "service_id", "traffic", "run_id", "session_id", "participant", "tags", "data")
_ATTRIBUTES = ("id", "source", "type", "time", "subject", "conversationid", "sequence", "domain", "channel")
_ATTRIBUTES += ("direction", "serviceid", "traffic", "runid", "sessionid", "participant", "data", "data_base64")


def odd_events(seed: int, count: int) -> Iterator[dict[str, Any]]:
    """Canonical events and CloudEvents in which up to three fields hold something strange."""
    draw = random.Random(seed)
    for number in range(count):
        if draw.random() < 0.5:
            event: dict[str, Any] = {
                "event_id": f"e{number}",
                "event_type": "agent.turn",
                "occurred_at": NOW.isoformat(),
            }
            names: tuple[str, ...] = _FIELDS
        else:
            event = {"specversion": "1.0", "id": f"c{number}", "source": "s", "type": "user.turn"}
            event["time"] = NOW.isoformat()
            names = _ATTRIBUTES
        for _ in range(draw.randint(0, 3)):
            event[draw.choice(names)] = draw.choice(_ODD)
        if draw.random() < 0.1:
            del event[draw.choice(list(event))]
        yield event


def test_whatever_is_accepted_is_stored_and_whatever_ingestion_refuses_is_refused(tmp_path: Path) -> None:
    """The same strange events through the intake and through a file: nothing is accepted and then dropped."""
    ours = Settings(home=tmp_path / "home", definitions=tmp_path / "none")
    events = list(odd_events(5, 1500))
    intake = Intake(ours)
    refused = {each.index for each in intake.take(events)}
    intake.close()
    store = Store(ours)
    outcome = ingest(store, load_catalog(ours), ours)
    assert 200 < outcome.record_count == len(events) - len(refused)
    assert [file.rejected_count for file in outcome.files] == [0] * len(outcome.files)
    file = tmp_path / "all.ndjson"
    file.write_text("".join(json.dumps(event) + "\n" for event in events))
    again = ingest(store, load_catalog(ours), ours, urls=[str(file)])
    with store.write() as con:
        places = con.execute("SELECT place FROM rejected_records WHERE url LIKE '%all.ndjson'").fetchall()
    dropped = {int(place.split()[-1]) - 1 for (place,) in places}
    assert again.record_count == len(events)
    assert dropped <= refused, [events[index] for index in sorted(dropped - refused)][:3]
    assert len(dropped) > 200
