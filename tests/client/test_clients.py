"""The Python client against a live server: typed rows, frames, refusals, and events that survive a server's absence."""

from __future__ import annotations

import asyncio
import json
import time
from pathlib import Path

import pytest
from api_server import NOW, Server

from pipeline.client import AsyncMetricStore, MetricStore, RefusedError, UnreachableError

NOBODY = "http://127.0.0.1:9"


def events(first: int, count: int = 3) -> list[dict[str, object]]:
    return [
        {
            "event_id": f"e-{n}",
            "event_type": "agent.turn",
            "conversation_id": "spooled",
            "occurred_at": NOW.isoformat(),
            "data": {"text": "hello"},
        }
        for n in range(first, first + count)
    ]


def landed(folder: Path) -> list[str]:
    return [
        json.loads(line)["event_id"]
        for file in sorted(folder.glob("*.ndjson"))
        for line in file.read_text().splitlines()
    ]


def test_typed_rows_become_frames(server: Server) -> None:
    with MetricStore(server.url, server.keys["viewer"]) as store:
        (row,) = store.latest()
        assert (row.metric_key, row.metric_type, row.eligible_count) == ("voice_quality_score", "numerical", 10)
        frame = store.trend("voice_quality_score", days=5).frame()
        assert frame["value"].to_list() == [None, 83.0, None, 81.0, 80.0]
        assert str(frame.schema["period_start"]).startswith("Datetime")
        assert store.values("voice_quality_score", limit=2).frame().height == 2
        assert store.history("voice_quality_score", granularity="day", limit=1)[0].value == 80.0
        assert store.catalog().frame().height == len(store.settings())
        assert store.query("SELECT count(*) AS n FROM conversations") == [{"n": 9}]
        found = store.conversations({"metric": "voice_quality_score", "op": "gt", "value": 66.5})
        assert [each["conversation_id"] for each in found] == ["call-7"]
        assert store.conversation("call-7")["metrics"] == {"voice_quality_score": 67.0}
        assert store.breakdown("voice_quality_score", by="channel").groups[0].group == "voice"
        assert [run["run_id"] for run in store.runs()] == ["run-1"]
        assert {each["metric_key"] for each in store.coverage()} >= {"voice_quality_score"}


def test_the_asynchronous_client_asks_at_once(server: Server) -> None:
    async def ask() -> list[float | str | bool | None]:
        async with AsyncMetricStore(server.url, server.keys["viewer"]) as store:
            answers = await asyncio.gather(*(store.history("voice_quality_score", granularity="day") for _ in range(8)))
            return [rows[0].value for rows in answers]

    assert asyncio.run(ask()) == [80.0] * 8


def test_a_refusal_has_status_and_problems(server: Server) -> None:
    with MetricStore(server.url, server.keys["viewer"]) as viewer, pytest.raises(RefusedError) as caught:
        viewer.define([])
    assert caught.value.status == 403
    with MetricStore(server.url, server.keys["admin"]) as admin:
        with pytest.raises(RefusedError) as caught:
            admin.define([{"key": "x"}])
        assert caught.value.status == 422
        assert caught.value.problems
        assert admin.define([], dry_run=True).dry_run is True
        with pytest.raises(RefusedError) as caught:
            admin.define([], revision=999)
        assert caught.value.status == 412


def test_no_server_is_said_plainly() -> None:
    with MetricStore(NOBODY) as store, pytest.raises(UnreachableError, match="metric-store serve"):
        store.latest()


def test_events_wait_on_disk_while_the_server_is_away(server: Server, tmp_path: Path) -> None:
    with MetricStore(NOBODY, server.keys["admin"], spool=tmp_path / "spool") as away:
        assert away.send_events(events(0)) == {"accepted": 0, "refused": [], "spooled": 3}
        assert away.write_metric("spooled", "CALL_OUTCOME", "booked", write_once=True)["spooled"] == 1
    with MetricStore(server.url, server.keys["admin"], spool=tmp_path / "spool") as back:
        assert back.send_events(events(3)) == {"accepted": 3, "refused": []}
    assert list((tmp_path / "spool").iterdir()) == []
    landing = Path(server.settings.landing_url)
    deadline = time.monotonic() + 120
    while len(found := landed(landing)) < 7:  # a segment is put in place when it is old enough
        assert time.monotonic() < deadline
        time.sleep(0.05)
    assert [each for each in found if each.startswith("e-")] == [f"e-{n}" for n in range(6)]
    assert sum(each.startswith("written-") for each in found) == 1


def test_a_batch_that_is_never_accepted_does_not_hold_up_the_spool(server: Server, tmp_path: Path) -> None:
    with MetricStore(NOBODY, spool=tmp_path / "spool") as away:
        away.send_events([{"event_type": "no id"}])
        away.send_events(events(100, 1))
    with MetricStore(server.url, server.keys["admin"], spool=tmp_path / "spool") as back:
        assert back.flush() == 2
    assert list((tmp_path / "spool").iterdir()) == []
