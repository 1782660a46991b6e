"""Events to conversations: order, bounds, settling, summaries and the content hash."""

from __future__ import annotations

import json
import random
from datetime import UTC, datetime
from typing import Any

import pytest

from pipeline.ingest import conversations, run
from pipeline.store import load_sql, run_script

START = datetime(2026, 1, 5, 10, tzinfo=UTC)


def _event(kind: str, second: int | None, name: str = "", **fields: Any) -> dict[str, Any]:
    return {
        "event_id": f"{kind}/{second}/{name}",
        "conversation_id": "c1",
        "event_type": kind,
        "occurred_at": None if second is None else f"2026-01-05T10:00:{second:02d}Z",
        **fields,
    }


CALL = [
    _event("session.start", 0, channel="phone", direction="inbound", service_id="booking", tags=["support"]),
    _event("user.turn", 1, participant="caller", data={"text": "Hello", "duration_ms": 1500}),
    _event("agent.turn", 3, sequence=1, data={"text": "Hi"}),
    _event("agent.turn", 3, "b", sequence=2, data={"text": "How can I help?"}, tags=["voice", "support"]),
    _event("tool.call", 5, data={"name": "search", "call_id": "t1"}),
    _event("tool.result", 6, data={"call_id": "t1", "succeeded": True}),
    _event("tool.call", 7, data={"name": "book", "call_id": "t2"}),
    _event("tool.result", 8, data={"call_id": "t2", "error": "timeout"}),
    _event("escalation.requested", 9),
    _event("session.end", 20, data={"reason": "transferred", "final_state": "handover"}),
]


def _summary(pipe: Any) -> dict[str, Any]:
    ((text,),) = pipe.rows("SELECT intelligence FROM conversations WHERE conversation_id = 'c1'")
    return json.loads(text)  # type: ignore[no-any-return]


def test_a_conversation_is_assembled_from_its_events(pipe: Any) -> None:
    pipe.write("a.ndjson", *CALL)
    assert pipe.ingest().conversation_count == 1
    assert pipe.rows(
        "SELECT started_at, ended_at, settled_at, channel, direction, service_id, tags, traffic, completion_reason,"
        " final_state, duration_seconds, escalated, event_count, turn_count, agent_turn_count, user_turn_count,"
        " tool_call_count, tool_failure_count FROM conversations"
    ) == [
        (START, START.replace(second=20), START.replace(second=20), "voice", "inbound", "booking", ["support", "voice"],
         "production", "transferred", "handover", 20.0, True, 10, 3, 2, 1, 2, 1)
    ]  # fmt: skip
    ((turns,),) = pipe.rows("SELECT turns FROM conversations")
    assert [(turn["index"], turn["role"], turn["text"]) for turn in turns] == [
        (0, "user", "Hello"),
        (1, "agent", "Hi"),
        (2, "agent", "How can I help?"),
    ]
    assert turns[0]["participant"] == "caller"
    assert turns[0]["ended_at"] == START.replace(second=2, microsecond=500_000)
    assert turns[1]["ended_at"] is None
    summary = _summary(pipe)
    assert summary["conversation_summary"].items() >= {
        "turn_count": 3, "agent_turn_count": 2, "user_turn_count": 1,
    }.items()  # fmt: skip
    assert summary["tool_summary"].items() >= {
        "total_calls": 2, "succeeded": 1, "failed": 1, "failure_rate": 0.5,
    }.items()  # fmt: skip
    assert summary["operator_summary"]["escalated"] is True
    assert set(summary["provenance"].values()) == {"derived", "unknown"}


def test_whether_nobody_took_over_is_known_at_the_end(pipe: Any) -> None:
    calm = [event for event in CALL if not event["event_type"].startswith("escalation.")]
    pipe.write("a.ndjson", *calm[:-1])
    pipe.ingest()
    assert pipe.rows("SELECT escalated FROM conversations") == [(None,)]
    pipe.write("b.ndjson", calm[-1])
    pipe.ingest()
    assert pipe.rows("SELECT escalated FROM conversations") == [(False,)]
    assert _summary(pipe)["operator_summary"]["escalated"] is False
    pipe.write("c.ndjson", _event("call.escalated", 19))  # it was only late
    pipe.ingest()
    assert pipe.rows("SELECT escalated FROM conversations") == [(True,)]


def test_a_conversation_without_an_end_settles_after_idle_time(pipe: Any) -> None:
    pipe.write("a.ndjson", *CALL[:4])
    pipe.ingest()
    assert pipe.rows("SELECT ended_at, settled_at FROM conversations") == [
        (START.replace(second=3), START.replace(minute=5, second=3))
    ]
    assert "operator_summary" not in _summary(pipe)


def test_provided_fields_win_over_derived_ones_field_by_field(pipe: Any) -> None:
    row = {
        "quality_score": 91,
        "duration_seconds": 33.5,
        "completion_reason": None,
        "conversation_summary": {"turn_count": 7, "loop_count": 1},
        "risk_summary": {"level": "low", "signals": [{"name": "x", "weight": None}]},
    }
    pipe.write("a.ndjson", *CALL, _event("call_intelligence.row", 59, data=row))
    pipe.ingest()
    summary = _summary(pipe)
    assert summary["conversation_summary"].items() >= {
        "turn_count": 7, "loop_count": 1, "agent_turn_count": 2, "user_turn_count": 1,
    }.items()  # fmt: skip
    assert summary["risk_summary"] == row["risk_summary"]
    assert summary["completion_reason"] == "transferred"  # a provided null says nothing
    provenance = summary["provenance"]
    assert provenance["conversation_summary.turn_count"] == provenance["quality_score"] == "provided"
    assert provenance["conversation_summary.agent_turn_count"] == provenance["completion_reason"] == "derived"
    assert pipe.rows(
        "SELECT ended_at, quality_score, duration_seconds, turn_count, agent_turn_count, len(turns) FROM conversations"
    ) == [(START.replace(second=20), 91.0, 33.5, 7, 2, 3)]


def test_the_latest_of_several_summaries_wins(pipe: Any) -> None:
    pipe.write(
        "a.ndjson",
        _event("call_intelligence.row", 30, "b", data={"quality_score": 3}),
        _event("call_intelligence.row", 30, "a", data={"quality_score": 2}),
        _event("call_intelligence.row", 10, "z", data={"quality_score": 1}),
        _event("call_intelligence.row", None, "n", data={"quality_score": 0}),
    )
    pipe.ingest()
    assert pipe.rows("SELECT started_at, quality_score, duration_seconds FROM conversations") == [
        (START.replace(second=10), 3.0, 20.0)
    ]


def test_late_events_rebuild_the_conversation(pipe: Any) -> None:
    pipe.write("a.ndjson", *CALL[3:])
    pipe.ingest()
    before = pipe.rows("SELECT content_hash, last_arrival_at FROM conversations")
    pipe.write("b.ndjson", *reversed(CALL[:3]))
    assert pipe.ingest().conversation_count == 1
    after = pipe.rows("SELECT content_hash, last_arrival_at FROM conversations")
    assert after[0][0] != before[0][0]
    assert after[0][1] > before[0][1]
    assert pipe.rows("SELECT started_at, turn_count FROM conversations") == [(START, 3)]
    assert pipe.rows("SELECT count(*) FROM stale_conversations") == [(0,)]


def test_the_content_hash_does_not_depend_on_order_or_time_of_arrival(pipe: Any, new_pipe: Any, tmp_path: Any) -> None:
    pipe.write("a.ndjson", *CALL)
    pipe.ingest()
    other = new_pipe(tmp_path / "other")
    shuffled = random.Random(7).sample(CALL, len(CALL))
    for number, event in enumerate(shuffled):
        other.write(f"{number}.ndjson", event)
        other.ingest()
    assert other.contents() == pipe.contents()


@pytest.mark.parametrize(
    "change",
    [
        {"data": {"text": "Good day"}},
        {"participant": "someone"},
        {"service_id": "other"},
        {"occurred_at": "2026-01-05T10:00:02Z"},
    ],
)
def test_the_content_hash_depends_on_what_values_depend_on(
    pipe: Any, new_pipe: Any, tmp_path: Any, change: dict[str, Any]
) -> None:
    pipe.write("a.ndjson", *CALL)
    pipe.ingest()
    other = new_pipe(tmp_path / "other")
    other.write("a.ndjson", *CALL[:2], {**CALL[2], **change}, *CALL[3:])
    other.ingest()
    query = "SELECT content_hash FROM conversations"
    assert other.rows(query) != pipe.rows(query)


def test_the_content_hash_depends_on_how_fields_are_derived(
    pipe: Any, new_pipe: Any, tmp_path: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    pipe.write("a.ndjson", *CALL)
    pipe.ingest()
    monkeypatch.setattr(conversations, "DERIVATION", conversations.DERIVATION + 1)
    other = new_pipe(tmp_path / "other")
    other.write("a.ndjson", *CALL)
    other.ingest()
    query = "SELECT content_hash FROM conversations"
    assert other.rows(query) != pipe.rows(query)


def test_many_conversations_are_assembled_in_batches(
    pipe: Any, turns: Any, monkeypatch: pytest.MonkeyPatch, new_pipe: Any, tmp_path: Any
) -> None:
    events = [event for number in range(40) for event in turns(f"c{number}", ["a", "b", "c"])]
    other = new_pipe(tmp_path / "other")
    other.write("a.ndjson", *events)
    other.ingest()
    monkeypatch.setattr(conversations, "_MEMORY_PER_BYTE", pipe.settings.memory_bytes // 7_000)
    pipe.write("a.ndjson", *events)
    assert pipe.ingest().conversation_count == 40
    assert pipe.contents() == other.contents()
    assert pipe.rows("SELECT count(*) FROM stale_conversations") == [(0,)]


def test_events_without_a_conversation_are_kept_as_events(pipe: Any) -> None:
    pipe.write("a.ndjson", {**_event("surface.created", 1, domain="surface"), "conversation_id": None})
    assert pipe.ingest().conversation_count == 0
    assert pipe.rows("SELECT domain, conversation_id FROM events") == [("surface", None)]


def test_of_what_came_between_no_data_is_read_when_an_old_conversation_goes_on(
    pipe: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    pipe.write("old.ndjson", _event("agent.turn", 1))
    pipe.ingest()
    with pipe.store.transaction() as con:
        con.execute(
            "INSERT INTO events BY NAME"
            " SELECT events.* REPLACE ('e' || i AS event_id, if(i % 2 = 0, 'a', 'z') || i // 40 AS conversation_id,"
            " ingested_at + to_seconds(1 + i // 1000) AS ingested_at) FROM events, range(400_000) AS numbers (i)"
        )
    monkeypatch.setattr(run, "assemble", lambda *_: 0)
    pipe.write("new.ndjson", *(_event("user.turn", 2, str(number)) for number in range(100)))
    pipe.ingest()
    with pipe.store.write() as con:
        con.execute("SET enable_profiling = 'no_output'")
        parameters = {"workspace_id": pipe.store.workspace_id, "batch_bytes": 2**20}
        run_script(con, load_sql("pipeline.ingest.sql", "stale"), parameters)
        plan = json.loads(con.get_profiling_information("json"))
        assert con.execute("SELECT count(*) FROM stale_events").fetchall() == [(101,)]
    assert 0 < _events_read(plan) < 200_000  # the first row group and the last of four


def _events_read(node: dict[str, Any]) -> int:
    own = node.get("extra_info", {}).get("Table", "").endswith("events") and node["operator_rows_scanned"]
    return int(own) + sum(_events_read(child) for child in node["children"])
