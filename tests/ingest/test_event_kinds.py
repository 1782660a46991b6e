"""Events of a conversation and events about it; what is said once holds for all of its events."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import product
from typing import Any

import pytest

from pipeline.status import read_status


def _event(kind: str, at: str, name: str = "", **fields: Any) -> dict[str, Any]:
    return {"event_id": f"{kind}/{at}/{name}", "conversation_id": "c", "event_type": kind, "occurred_at": at, **fields}


CALL = [
    _event("session.start", "2026-03-02T09:00:00Z", channel="voice"),
    _event("user.turn", "2026-03-02T09:00:05Z", data={"text": "hello there", "duration_ms": 20000}),
    _event("agent.turn", "2026-03-02T09:00:28Z", data={"text": "hi", "duration_ms": 30000}),
    _event("session.end", "2026-03-02T09:00:59Z", data={"completion_reason": "completed"}),
]
BOUNDS = "SELECT strftime(started_at, '%H:%M:%S'), strftime(ended_at, '%H:%M:%S'), duration_seconds FROM conversations"


ABOUT = ("survey.answered", "voice_judge.result", "metric.written", "label.added", "outcome.known", "order.refunded")
BEFORE_AND_AFTER = ("2026-03-02T05:00:00Z", "2026-03-02T13:00:00Z", "2026-03-09T13:00:00Z")


@pytest.mark.parametrize(
    ("kind", "at"),
    [*product((*ABOUT, "call_intelligence.row"), BEFORE_AND_AFTER), ("tool.result", "2026-03-02T13:00:00Z")],
)
def test_what_is_said_about_a_call_does_not_stretch_it(pipe: Any, kind: str, at: str) -> None:
    """At whatever time it comes; nor does a tool that answers after the announced end."""
    pipe.write("a.ndjson", *CALL)
    pipe.ingest()
    pipe.write("b.ndjson", _event(kind, at, data={"name": "x", "value": 5}))
    pipe.ingest()
    assert pipe.rows(BOUNDS) == [("09:00:00", "09:00:59", 59.0)]
    assert pipe.rows("SELECT event_count FROM conversations") == [(5,)]


def test_a_mapping_or_an_event_says_otherwise(pipe: Any) -> None:
    """`about` wins over the table of types, both ways."""
    chat = [_event("user.turn", "2026-03-02T09:00:00Z"), _event("agent.turn", "2026-03-02T09:00:10Z")]
    pipe.write(
        "a.ndjson",
        *chat,
        _event("tool.call", "2026-03-02T12:00:00Z", about=True),
        _event("survey.answered", "2026-03-02T09:01:00Z", about=False),
    )
    pipe.ingest()
    assert pipe.rows(BOUNDS) == [("09:00:00", "09:01:00", 60.0)]


def test_who_speaks_after_the_announced_end_is_heard(pipe: Any) -> None:
    """A chat that goes on is one conversation, until its last words."""
    pipe.write("a.ndjson", *CALL, _event("user.turn", "2026-03-02T09:05:00Z", data={"text": "still there?"}))
    pipe.ingest()
    assert pipe.rows("SELECT duration_seconds FROM conversations") == [(300.0,)]


def test_a_form_is_bounded_by_its_own_events(pipe: Any) -> None:
    """Where nobody speaks, whatever happens is what there is."""
    pipe.write(
        "a.ndjson",
        _event("surface.created", "2026-03-02T09:00:00Z"),
        _event("surface.submitted", "2026-03-02T09:02:00Z"),
        _event("survey.answered", "2026-03-02T19:02:00Z"),
    )
    pipe.ingest()
    assert pipe.rows(BOUNDS) == [("09:00:00", "09:02:00", 120.0)]


def test_what_is_said_once_holds_for_every_event(pipe: Any) -> None:
    """Also where it is said later than the events arrived; an event that speaks for itself is left alone."""
    pipe.write("a.ndjson", _event("tool.call", "2026-03-02T09:00:01Z"), _event("order.placed", "2026-03-02T09:00:02Z"))
    pipe.ingest()
    said = {"traffic": "simulation", "service_id": "s1", "channel": "voice", "direction": "inbound", "tags": ["t"]}
    pipe.write(
        "b.ndjson",
        _event("session.start", "2026-03-02T09:00:00Z", session_id="CA1", **said),
        _event("tool.result", "2026-03-02T09:00:03Z", service_id="s2"),
    )
    pipe.ingest()
    assert pipe.rows(
        "SELECT event_type, traffic, service_id, channel, direction, session_id, tags FROM events ORDER BY occurred_at"
    ) == [
        ("session.start", "simulation", "s1", "voice", "inbound", "CA1", ["t"]),
        ("tool.call", "simulation", "s1", "voice", "inbound", "CA1", ["t"]),
        ("order.placed", "simulation", "s1", "voice", "inbound", "CA1", ["t"]),
        ("tool.result", "simulation", "s2", "voice", "inbound", "CA1", ["t"]),
    ]
    assert pipe.rows("SELECT service_id, traffic, contradictions FROM conversations") == [
        ("s1", "simulation", ["service_id"])
    ]
    again = pipe.contents()
    pipe.write("c.ndjson", _event("tool.call", "2026-03-02T09:00:01Z"))
    assert pipe.ingest().duplicate_count == 1, "the event as its source says it, not as it was filled in"
    assert pipe.contents() == again


def test_what_is_inherited_does_not_depend_on_the_order_of_arrival(pipe: Any, new_pipe: Any, tmp_path: Any) -> None:
    """Nor does the content hash, so that a model is not asked again."""
    events = [*CALL, _event("tool.call", "2026-03-02T09:00:30Z", service_id="s", traffic="production")]
    pipe.write("a.ndjson", *events)
    pipe.ingest()
    other = new_pipe(tmp_path / "other")
    for index, event in enumerate(reversed(events)):
        other.write(f"{index}.ndjson", event)
        other.ingest()
    assert other.contents() == pipe.contents()


def test_status_counts_the_conversations_whose_events_disagree(pipe: Any) -> None:
    """By the fact about which they do."""
    pipe.write(
        "a.ndjson",
        _event("session.start", "2026-03-02T09:00:00Z", service_id="a", channel="voice"),
        _event("tool.call", "2026-03-02T09:00:01Z", service_id="b", channel="voice"),
        _event("survey.answered", "2026-03-02T12:00:00Z", channel="text"),
    )
    pipe.ingest()
    pipe.store.publish()
    hour = datetime(2026, 3, 2, 9, tzinfo=UTC)
    found = read_status(pipe.store, pipe.catalog, pipe.settings, hour, hour + timedelta(hours=1))
    assert found.contradictions == {"service_id": 1}
