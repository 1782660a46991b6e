"""Calls: conversations in the shapes of the published contract, with the rights of conversations."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx2
import pytest
from api_server import OURS, Server, serving

from pipeline.catalog import Catalog
from pipeline.ingest import ingest
from pipeline.settings import Settings
from pipeline.store import Store
from pipeline.workspace.keys import create_key

BEGIN = datetime(2026, 3, 2, 20, 0, tzinfo=UTC)  # half past one in the morning of the third in Kolkata
# What the contract requires, and the words that it has.
REQUIRED = {
    "list": {"items", "total", "has_more"},
    "summary": {"entity_id"},
    "detail": {"id"},
    "intelligence": {"call_id"},
    "timeline": {"turns", "segments", "duration_seconds"},
    "segment": {"type", "lane", "start", "end", "label", "turn_index"},
    "lane": {"id", "track", "label", "order"},
    "turn": {"turn_index", "seek_to", "active_start", "active_end"},
    "participant": {"participant_id", "role", "joined_at"},
    "moment": {"type", "description"},
}


def event(call: str, event_type: str, second: float, data: dict[str, Any] | None = None, **more: Any) -> dict[str, Any]:
    at = (BEGIN + timedelta(seconds=second)).isoformat()
    shown = {"conversation_id": call, "event_type": event_type, "occurred_at": at, "data": data or {}}
    return shown | more


def spoken(call: str) -> list[dict[str, Any]]:
    """Sixteen seconds: the agent greets, the user asks, a tool is called, the user cuts in on the answer."""
    of_all = {"channel": "voice", "direction": "inbound", "service_id": "s1", "session_id": "CA1"}
    asked = {"name": "lookup", "call_id": "t1", "arguments": {"id": 7}}
    found = {"name": "lookup", "call_id": "t1", "result": "invoice seven", "succeeded": True}
    greeting = {"text": "Hello!", "duration_ms": 3000, "state": "greeting", "audio_ttfb_ms": 900}
    answer = {"text": "It is paid.", "duration_ms": 4000, "state": "answer"}
    return [
        event(call, "session.start", 0, **of_all),
        event(call, "agent.turn", 1, greeting, participant="bot"),
        event(call, "user.turn", 5, {"text": "secret words", "duration_ms": 2000, "stt_confidence": 0.9}),
        event(call, "tool.call", 7.5, asked),
        event(call, "tool.result", 8, found),
        event(call, "agent.turn", 9, answer, participant="bot"),
        event(call, "user.turn", 12, {"text": "thank you", "duration_ms": 3000}),
        event(call, "session.end", 16, {"completion_reason": "completed", "final_state": "answer"}),
    ]


@pytest.fixture(scope="module")
def calls(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A call by voice, one of the next day that nobody answered, and a simulated chat; ids may hold anything."""
    home = tmp_path_factory.mktemp("calls")
    settings = Settings(home=home / "home", definitions=home / "none", timezone="Asia/Kolkata", workspace_id=OURS)
    store = Store(settings)
    summary = {"quality_score": 87, "risk_summary": {"level": "low"}, "key_moments": [{"type": "loop", "turn": 2}, 7]}
    unanswered = {"direction": "sideways", "channel": "voice"}
    written = {"channel": "text", "traffic": "simulation", "run_id": "run-1"}
    events = [
        *spoken("a/b 5%2F?ü"),
        event("a/b 5%2F?ü", "call_intelligence.row", 17, summary),
        event("gone", "session.start", 86_400, **unanswered),
        event("gone", "session.end", 86_430, {"completion_reason": "no_answer"}, **unanswered),
        event("chat", "user.turn", 3600, {"text": "hi"}, **written),
        event("chat", "operator.turn", 3605, {"text": "a person here"}, **written),
        event("chat", "session.end", 3610, {"completion_reason": "of its own"}, **written),
    ]
    landing = settings.home / "landing"
    landing.mkdir(parents=True)
    (landing / "events.ndjson").write_text("\n".join(map(json.dumps, events)))
    ingest(store, Catalog(()), settings)
    store.publish()
    with serving(settings) as url:
        keys = {"owner": create_key(store, "test", "owner", actor="cli", now=datetime.now(UTC))[1]}
        yield Server(url, settings, store, keys)


@pytest.fixture
def owner(calls: Server) -> Iterator[httpx2.Client]:
    with calls.client() as client:
        yield client


CALL = "/calls/a%2Fb%205%252F%3F%C3%BC"


def test_the_list_has_calls_newest_first_and_pages(owner: httpx2.Client) -> None:
    found = owner.get("/calls?include_simulated=true").json()
    assert found.keys() >= REQUIRED["list"]
    assert [(call["entity_id"], call["status"], call["source"]) for call in found["items"]] == [
        ("gone", "no-answer", "real"), ("chat", "completed", "simulated"), ("a/b 5%2F?ü", "completed", "real"),
    ]  # fmt: skip
    gone, chat, call = found["items"]
    assert (gone["direction"], gone["completion_reason"], gone["turns"]) == (None, "no_answer", 0)
    assert (chat["completion_reason"], chat["run_id"]) == (None, "run-1")
    named = ("call_sid", "direction", "duration_seconds", "quality_score", "service_id", "final_state", "turns")
    assert [call[name] for name in named] == ["CA1", "inbound", 16.0, 0.87, "s1", "answer", 4]
    assert [call["escalation_status"], call["phone_number"]] == ["none", None]
    first = owner.get("/calls?limit=1")
    assert [first.json()[name] for name in ("total", "has_more", "continuation_token")] == [2, True, 1]
    assert 'rel="next"' in first.headers["link"]
    second = owner.get("/calls?limit=1&continuation_token=1").json()
    assert [second["items"][0]["entity_id"], second["has_more"]] == ["a/b 5%2F?ü", False]
    assert owner.get("/calls?offset=50").json() == {
        "items": [], "total": 2, "has_more": False, "continuation_token": None,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("asked", "count"),
    [
        ("date_from=2026-03-03&date_to=2026-03-03", 1), ("date_to=2026-03-02", 0), ("date_from=2026-03-04", 1),
        ("date_from=2026-03-03&date_to=2026-03-04", 2), ("status=no-answer", 1), ("status=busy", 0),
        ("direction=inbound", 1), ("min_duration=16&max_duration=16", 1), ("min_duration=17&max_duration=20", 0),
        ("service_id=s1", 1), ("include_simulated=true", 3),
    ],
)  # fmt: skip
def test_filters_are_the_contracts_and_days_those_of_the_workspace(
    owner: httpx2.Client, asked: str, count: int
) -> None:
    found = owner.get(f"/calls?{asked}").json()
    assert (found["total"], len(found["items"])) == (count, count)


@pytest.mark.parametrize(
    "asked", ["date_from=2026-03-04&date_to=2026-03-03", "status=lost", "date_from=tomorrow", "date_to=9999-12-31"]
)
def test_a_filter_that_means_nothing_is_refused(owner: httpx2.Client, asked: str) -> None:
    assert owner.get(f"/calls?{asked}").status_code == 422


def test_one_call_has_its_turns_tools_and_states(owner: httpx2.Client) -> None:
    call = owner.get(CALL).json()
    assert call.keys() >= REQUIRED["detail"]
    assert [call[name] for name in ("id", "call_sid", "call_duration_seconds", "status", "quality_score")] == [
        "a/b 5%2F?ü", "CA1", 16.0, "completed", 0.87,
    ]  # fmt: skip
    hello, asked, answer, thanks = call["turns"]
    assert [hello["agent_transcript"], hello["user_transcript"], hello["speaker_role"]] == ["Hello!", None, "agent"]
    assert [hello["agent_speech_start_ms"], hello["agent_speech_end_ms"], hello["audio_ttfb_ms"]] == [1000, 4000, 900]
    assert [asked["user_transcript"], asked["speaker_role"], asked["stt_confidence"]] == ["secret words", "caller", 0.9]
    assert [thanks["user_speech_start_ms"], thanks["user_speech_end_ms"]] == [12_000, 15_000]
    (tool,) = asked["tool_calls"]
    assert [tool["tool_name"], tool["input"], tool["output"], tool["succeeded"], tool["duration_ms"]] == [
        "lookup", {"id": 7}, "invoice seven", True, 500,
    ]  # fmt: skip
    (step,) = answer["state_transitions"]
    assert (step["from_state"], step["to_state"]) == ("greeting", "answer")
    assert call["states_visited"] == ["greeting", "answer"]
    assert [each["role"] for each in call["participants"]] == ["agent", "caller"]
    assert all(each.keys() >= REQUIRED["participant"] for each in call["participants"])
    assert call["participants"][0]["left_at"] == "2026-03-02T20:00:13Z"
    assert call["conversation_summary"]["turn_count"] == 4
    assert owner.get("/calls/CA1").json() == call


def test_the_timeline_says_who_spoke_when_and_when_nobody_did(owner: httpx2.Client) -> None:
    timeline = owner.get(f"{CALL}/timeline").json()
    assert timeline.keys() >= REQUIRED["timeline"]
    assert all(segment.keys() >= REQUIRED["segment"] for segment in timeline["segments"])
    assert all(lane.keys() >= REQUIRED["lane"] for lane in timeline["lanes"])
    assert [(part["type"], part["start"], part["end"], part["turn_index"]) for part in timeline["segments"]] == [
        ("agent_speech", 1, 4, 0), ("silence", 4, 5, 0), ("caller_speech", 5, 7, 1), ("silence", 7, 9, 1),
        ("tool_call", 7.5, 8, 1), ("state_transition", 9, 9, 2), ("agent_speech", 9, 13, 2), ("barge_in", 12, 12, 3),
        ("caller_speech", 12, 15, 3),
    ]  # fmt: skip
    assert [part["order"] for part in timeline["segments"]] == list(range(9))
    assert [lane["id"] for lane in timeline["lanes"]] == ["agent", "caller", "tool", "system"]
    assert {part["lane_id"] for part in timeline["segments"]} == {lane["id"] for lane in timeline["lanes"]}
    totals = ("total_agent_speech_seconds", "total_user_speech_seconds", "total_silence_seconds", "duration_seconds")
    assert [timeline[name] for name in totals] == [7, 5, 5, 16]
    assert timeline["timebase"] == {"origin": "call_start", "unit": "seconds", "start": 0, "end": 16}
    assert [turn["seek_to"] for turn in timeline["turns"]] == [1, 5, 9, 12]
    assert timeline["avg_perceived_latency_ms"] == 2000
    assert owner.get(CALL).json()["timeline"] == timeline


def test_the_intelligence_is_what_was_provided_and_derived(owner: httpx2.Client) -> None:
    found = owner.get(f"{CALL}/intelligence").json()
    assert found.keys() >= REQUIRED["intelligence"]
    assert (found["call_id"], found["quality_score"], found["risk_summary"]["level"]) == ("a/b 5%2F?ü", 0.87, "low")
    assert found["tool_summary"]["total_calls"] == 1
    assert found["emotion_summary"] is None
    assert found["key_moments"] == [{"type": "loop", "severity": "warning", "turn": 2, "description": "loop"}]


def test_a_written_call_has_no_silence_and_no_speech(owner: httpx2.Client) -> None:
    chat = owner.get("/calls/chat").json()
    assert [part["lane"] for part in chat["timeline"]["segments"]] == ["caller", "operator"]
    (person,) = chat["human_segments"]
    assert (person["speaker_role"], person["transcript"]) == ("operator", "a person here")
    assert [turn["user_transcript"] for turn in chat["turns"]] == ["hi", None]
    assert chat["timeline"]["total_silence_seconds"] is None


def test_keys_see_what_they_see_of_conversations(calls: Server) -> None:
    for rights in ({"transcripts": False}, {"metrics": ["turn_count"]}):
        key = create_key(calls.store, "test", "viewer", actor="cli", now=datetime.now(UTC), **rights)[1]
        with calls.client(key) as client:
            transcripts = rights.get("transcripts", True)
            for path in (CALL, f"{CALL}/timeline", f"{CALL}/intelligence", "/calls"):
                text = client.get(path).text
                assert "invoice seven" not in text
                assert "greeting" not in text
                assert ("secret words" in text) == (transcripts and path == CALL), path
            one = client.get(CALL).json()
            assert (one["turns"] is None) == (not transcripts)
            assert (one["timeline"], one["conversation_summary"], one["states_visited"]) == (None, None, None)
            intelligence = client.get(f"{CALL}/intelligence").json()
            assert {intelligence[name] for name in intelligence if name.endswith("_summary")} == {None}
            assert intelligence["key_moments"] is None
            listed = client.get("/calls").json()["items"][1]
            hidden = "metrics" in rights
            assert [listed[name] is None for name in ("status", "quality_score", "duration_seconds")] == [hidden] * 3
            assert client.get("/calls?min_duration=1").status_code == (403 if hidden else 200)
            assert client.get("/calls?status=busy").status_code == (403 if hidden else 200)


def test_a_call_that_is_not_there_is_404(owner: httpx2.Client) -> None:
    for path in ("/calls/absent", "/calls/absent/intelligence", "/calls/absent/timeline"):
        assert owner.get(path).status_code == 404


def test_a_bound_may_be_a_day_of_the_workspace(owner: httpx2.Client) -> None:
    """The evening of the second in UTC is the third in Kolkata; a range ends where its `date_to` starts."""
    days = {"date_from=2026-03-03": 2, "date_from=2026-03-04": 1, "date_to=2026-03-03": 0, "date_to=2026-03-04": 1}
    for asked, count in days.items():
        assert owner.get(f"/conversations?{asked}").json()["total"] == count, asked
        name, _, day = asked.partition("=")
        same = {name: f"{day}T00:00:00+05:30"}
        assert owner.get("/conversations", params=same).json()["total"] == count, asked
    assert owner.get("/conversations?date_from=0001-01-01").status_code == 422
    assert owner.get("/conversations?date_from=2026-02-30").status_code == 422
