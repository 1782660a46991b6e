"""One hour, end to end: events over the network, a definition over the network, a run, numbers, a message."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from api_server import Server, serving

from pipeline.client import MetricStore
from pipeline.hourly import run_hour
from pipeline.settings import Settings
from pipeline.store import Store
from pipeline.window import HOUR, Window, floor_hour
from pipeline.workspace.catalogs import current_catalog
from pipeline.workspace.keys import create_key

DEFINITION = {
    "key": "booked",
    "name": "Booked",
    "metric_type": "boolean",
    "source": "call_intelligence",
    "event_types": ["call_intelligence.row"],
    "extraction_mode": "written",
    "written_name": "BOOKED",
    "aggregation": "rate",
}


@pytest.mark.both_stores
def test_what_is_sent_and_defined_is_a_number_after_the_next_run(tmp_path: Path) -> None:
    settings = Settings(home=tmp_path / "home", definitions=tmp_path / "definitions")
    store = Store(settings)
    start = floor_hour(datetime.now(UTC)) - HOUR
    key = create_key(store, "agent", "admin", actor="cli", now=datetime.now(UTC))[1]
    with serving(settings) as url, MetricStore(url, key) as client:
        client.define([DEFINITION])
        for number in range(4):
            call, second = f"call-{number}", timedelta(seconds=number)
            ends = {"session.start": start + second, "session.end": start + second + timedelta(minutes=3)}
            client.send_events(
                [
                    {
                        "event_id": f"{call}-{kind}",
                        "event_type": kind,
                        "conversation_id": call,
                        "occurred_at": at.isoformat(),
                    }
                    for kind, at in ends.items()
                ]
            )
            written = {"name": "BOOKED", "value": number > 0, "write_once": True}
            at = (start + second + timedelta(minutes=1)).isoformat()
            event = {"event_id": f"{call}-w", "event_type": "metric.written", "conversation_id": call, "data": written}
            client.send_events([{**event, "occurred_at": at}])
    # The server has stopped: what it took is in the landing folder.
    report = run_hour(store, current_catalog(settings), settings, Window.ending(start + HOUR, 24))
    assert not report.failed
    with serving(settings) as url, MetricStore(url, key) as client:
        server = Server(url, settings, store, {"admin": key})
        (row,) = [row for row in client.latest() if row.metric_key == "booked"]
        assert (row.metric_type, row.value, row.event_count, row.eligible_count) == ("numerical", 0.75, 4, 4)
        assert row.interval is not None
        assert row.interval.method == "clopper_pearson"
        found = client.conversations({"metric": "booked", "op": "eq", "value": False})
        assert [each["conversation_id"] for each in found] == ["call-0"]
        assert client.conversation("call-1")["metrics"]["booked"] is True
        assert client.breakdown("booked", by="none").groups[0].metric.value == 0.75
        covered = {each["metric_key"]: each for each in client.coverage(date_from=start, date_to=start + HOUR)}
        assert (covered["booked"]["done"], covered["booked"]["missing_intervals"]) == (1, [])
        assert client.runs()[0]["failed"] == 0
        with server.client("admin") as plain:
            assert plain.get("/metrics/booked/values?status=all").json()["total"] == 4
