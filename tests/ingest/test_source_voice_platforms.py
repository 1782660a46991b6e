"""PolyAI, Roark, Vapi and Retell, on payloads made from the vendors' API types; no real one was at hand."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from pipeline.catalog.catalog import Catalog


@pytest.fixture
def sources(shipped_sources: Catalog, new_pipe: Callable[..., Any], tmp_path: Path) -> Any:
    return new_pipe(tmp_path, shipped_sources)


def _events(sources: Any, *paths: str) -> list[tuple[Any, ...]]:
    """Type, time of day and some fields of every event, in order of time."""
    fields = "".join(f", data ->> '$.{path}'" for path in paths)
    return sources.rows(  # type: ignore[no-any-return]
        f"SELECT event_type, strftime(occurred_at, '%H:%M:%S.%g'){fields} FROM events"
        " WHERE event_type <> 'call_intelligence.row' ORDER BY occurred_at NULLS LAST, sequence"
    )


def _summary(sources: Any) -> dict[str, Any]:
    ((intelligence,),) = sources.rows("SELECT intelligence FROM conversations")
    return json.loads(intelligence)  # type: ignore[no-any-return]


POLYAI_TURNS = [
    {
        "user_input": "",
        "agent_response": "Thanks for calling, how can I help?",
        "agent_response_datetime": "2026-03-02T10:00:01Z",
        "latency": 0,
        "intents": [],
        "is_ood": False,
        "is_silence": False,
    },
    {
        "user_input": "I want to change my booking",
        "user_input_datetime": "2026-03-02T10:00:06Z",
        "agent_response": "Which one?",
        "agent_response_datetime": "2026-03-02T10:00:07.25Z",
        "latency": 1.25,
        "intents": ["change_booking"],
        "entities": [{"kind": "booking"}],
        "barge_in": True,
        "is_ood": False,
        "is_silence": False,
    },
    {"user_input": "", "user_input_datetime": "2026-03-02T10:00:15Z", "agent_response": "", "is_silence": True},
]
POLYAI = {
    "id": "CAabcd",
    "account_id": "ws-1",
    "project_id": "PROJECT-1",
    "environment": "live",
    "started_at": "2026-03-02T10:00:00Z",
    "channel": "VOICE-SIP",
    "in_progress": False,
    "num_turns": 3,
    "total_duration": 42,
    "polyai_duration": 40,
    "handoff": True,
    "handoff_reason": "escalation",
    "handoff_destination": "desk",
    "num_silences": 1,
    "metrics": {"CALL_OUTCOME": "handoff", "CALL_DURATION": "30", "CALL_TURN": ["one", "two"]},
    "state": {"booking": "X1"},
    "turns": POLYAI_TURNS,
}


def test_a_page_of_polyai_conversations(sources: Any) -> None:
    other = {**POLYAI, "id": "other", "environment": "sandbox", "turns": [], "metrics": {}, "handoff": False}
    sources.write("landing/polyai/page.json", {"conversations": [POLYAI, other], "cursor": None})
    sources.write("landing/polyai/last.json", {"conversations": [], "cursor": None})
    report = sources.ingest()
    assert report.rejected_count == 0
    assert sources.rows(
        "SELECT conversation_id, traffic, channel, service_id, duration_seconds, turn_count, user_turn_count"
        " FROM conversations ORDER BY ALL"
    ) == [
        ("CAabcd", "production", "voice", "PROJECT-1", 42, 3, 1),
        ("other", "simulation", "voice", "PROJECT-1", 42, 0, 0),
    ]
    assert sources.rows(
        "SELECT event_type, data ->> '$.intent', data ->> '$.engine_ms', data ->> '$.interrupted',"
        " data ->> '$.destination' FROM events WHERE conversation_id = 'CAabcd'"
        " AND event_type NOT IN ('metric.written', 'call_intelligence.row') ORDER BY occurred_at, sequence"
    ) == [
        ("session.start", None, None, None, None),
        ("agent.turn", None, "0", "true", None),
        ("user.turn", "change_booking", None, None, None),
        ("agent.turn", None, "1250", None, None),
        ("user.silence", None, None, None, None),
        ("transfer.completed", None, None, None, "desk"),
        ("session.end", None, None, None, None),
    ]


def test_polyais_metrics_are_written_metrics_and_lists_several(sources: Any) -> None:
    sources.write("landing/polyai/page.json", {"conversations": [POLYAI]})
    sources.ingest()
    assert sources.rows(
        "SELECT data ->> '$.name', data -> '$.value' FROM events WHERE event_type = 'metric.written' ORDER BY ALL"
    ) == [("CALL_DURATION", '"30"'), ("CALL_OUTCOME", '"handoff"'), ("CALL_TURN", '"one"'), ("CALL_TURN", '"two"')]


def test_a_polyai_conversation_in_detail(sources: Any) -> None:
    detail = {
        "conversationId": "CAabcd",
        "accountId": "ws-1",
        "projectId": "PROJECT-1",
        "clientEnv": "pre-release",
        "startedAt": "2026-03-02T10:00:00Z",
        "channel": "WEBCHAT",
        "direction": "inbound",
        "totalDuration": 42,
        "inProgress": True,
        "polyScore": 4,
        "shortSummary": "A booking was changed.",
        "tags": ["vip"],
        "turns": POLYAI_TURNS,
        "metrics": {"DONE": "true"},
    }
    sources.write("landing/polyai/one.json", detail)
    assert sources.ingest().rejected_count == 0
    assert sources.rows("SELECT channel, direction, traffic, quality_score, tags FROM conversations") == [
        ("text", "inbound", "simulation", 75, ["vip"])
    ]
    assert _summary(sources)["summary"] == "A booking was changed."
    assert sources.rows("SELECT count(*) FROM events WHERE event_type = 'session.end'") == [(0,)]


ROARK = {
    "externalId": "call-1",
    "callDirection": "INBOUND",
    "interfaceType": "PHONE",
    "recordingUrl": "https://example.com/a.wav",
    "startedAt": "2026-03-02T10:00:00Z",
    "endedStatus": "AGENT_SAID_END_CALL_PHRASE",
    "agent": {"customId": "support"},
    "customer": {"phoneNumberE164": "+14155551234"},
    "transcript": [
        {"role": "AGENT", "text": "Hello", "startOffsetMs": 500, "endOffsetMs": 1500, "languageCode": "en"},
        {"role": "CUSTOMER", "text": "My order?", "startOffsetMs": 2000, "endOffsetMs": 3200},
        {"role": "AGENT", "text": "On its way.", "startOffsetMs": 6000, "endOffsetMs": 7000},
    ],
    "toolInvocations": [
        {
            "name": "find_order",
            "parameters": {"id": 7},
            "result": {"state": "sent"},
            "startOffsetMs": 3500,
            "endOffsetMs": 5100,
        }
    ],
    "properties": {"plan": "gold"},
}


def test_a_roark_call(sources: Any) -> None:
    sources.write("landing/roark/calls.ndjson", ROARK, {**ROARK, "externalId": "call-2", "endedStatus": "AGENT_BUSY"})
    assert sources.ingest().rejected_count == 0
    sources.rows("DELETE FROM events WHERE conversation_id = 'call-2'")
    assert _events(sources, "duration_ms", "call_id", "completion_reason") == [
        ("session.start", "10:00:00.000", None, None, None),
        ("agent.turn", "10:00:00.500", "1000", None, None),
        ("user.turn", "10:00:02.000", "1200", None, None),
        ("tool.call", "10:00:03.500", None, "call-1/tool/0", None),
        ("tool.result", "10:00:05.100", "1600", "call-1/tool/0", None),
        ("agent.turn", "10:00:06.000", "1000", None, None),
        ("session.end", "10:00:07.000", None, None, "completed"),
    ]
    assert sources.rows(
        "SELECT service_id, direction, channel, tool_call_count, intelligence ->> '$.properties.plan'"
        " FROM conversations WHERE conversation_id = 'call-1'"
    ) == [("support", "inbound", "voice", 1, "gold")]


VAPI_START = 1_772_445_600_000  # 2026-03-02T10:00:00Z
VAPI = {
    "message": {
        "type": "end-of-call-report",
        "endedReason": "pipeline-error-openai-llm-failed",
        "startedAt": "2026-03-02T10:00:00.000Z",
        "endedAt": "2026-03-02T10:00:20.000Z",
        "cost": 0.05,
        "call": {"id": "vapi-1", "type": "inboundPhoneCall", "assistantId": "asst-1"},
        "analysis": {"summary": "They asked for the weather.", "successEvaluation": "false"},
        "artifact": {
            "messages": [
                {"role": "system", "message": "You are kind.", "time": VAPI_START, "secondsFromStart": 0},
                {
                    "role": "bot",
                    "message": "Hi there.",
                    "time": VAPI_START + 1000,
                    "endTime": VAPI_START + 2200,
                    "secondsFromStart": 1.0,
                    "duration": 1200,
                },
                {
                    "role": "user",
                    "message": "Weather in Paris?",
                    "time": VAPI_START + 3000,
                    "endTime": VAPI_START + 4500,
                    "secondsFromStart": 3.0,
                },
                {
                    "role": "tool_calls",
                    "message": "",
                    "time": VAPI_START + 5000,
                    "secondsFromStart": 5.0,
                    "toolCalls": [
                        {
                            "id": "t1",
                            "type": "function",
                            "function": {"name": "weather", "arguments": '{"city": "Paris"}'},
                        },
                        {"id": "t2", "type": "function", "function": {"name": "weather", "arguments": '{"city": '}},
                    ],
                },
                {
                    "role": "tool_call_result",
                    "name": "weather",
                    "toolCallId": "t1",
                    "result": "rainy",
                    "time": VAPI_START + 6000,
                    "secondsFromStart": 6.0,
                },
            ],
            "performanceMetrics": {
                "turnLatencies": [{"modelLatency": 400, "turnLatency": 1100}],
                "modelLatencyAverage": 400,
                "turnLatencyAverage": 1100,
                "numAssistantInterrupted": 2,
                "numUserInterrupted": 1,
            },
        },
    }
}


def test_a_vapi_report(sources: Any) -> None:
    sources.write("landing/vapi/report.json", VAPI)
    sources.write("landing/vapi/status.json", {"message": {"type": "status-update", "call": {"id": "vapi-1"}}})
    assert sources.ingest().rejected_count == 0
    assert _events(sources, "duration_ms", "call_id", "arguments", "completion_reason") == [
        ("session.start", "10:00:00.000", None, None, None, None),
        ("system.turn", "10:00:00.000", None, None, None, None),
        ("agent.turn", "10:00:01.000", "1200", None, None, None),
        ("user.turn", "10:00:03.000", "1500", None, None, None),
        ("tool.call", "10:00:05.000", None, "t1", '{"city":"Paris"}', None),
        ("tool.call", "10:00:05.000", None, "t2", '{"city": ', None),  # what a model wrote badly is still a call
        ("tool.result", "10:00:06.000", None, "t1", None, None),
        ("session.end", "10:00:20.000", None, None, None, "error"),
    ]
    found = _summary(sources)
    assert found["usage_summary"]["cost_usd"] == 0.05
    assert found["conversation_summary"]["barge_in_count"] == 2
    assert found["conversation_summary"]["agent_interruption_count"] == 1
    assert found["latency_summary"]["avg_audio_ttfb_ms"] == 1100
    assert found["summary"] == "They asked for the weather."


def test_vapis_reasons(sources: Any) -> None:
    reasons = {
        "customer-ended-call": "caller_hangup",
        "customer-ended-call-during-transfer": "caller_hangup",
        "assistant-ended-call-with-hangup-task": "completed",
        "assistant-said-end-call-phrase": "completed",
        "assistant-forwarded-call": "transferred",
        "call.in-progress.error-vapifault-worker-died": "error",
        "assistant-not-found": "error",
        "silence-timed-out": "timeout",
        "vonage-completed": "vonage-completed",  # who hung up is not said
    }
    calls = [
        {"id": reason, "type": "webCall", "endedReason": reason, "startedAt": "2026-03-02T10:00:00Z"}
        for reason in reasons
    ]
    sources.write("landing/vapi/calls.ndjson", *calls)
    assert sources.ingest().rejected_count == 0
    assert (
        dict(
            sources.rows(
                "SELECT conversation_id, data ->> '$.completion_reason' FROM events WHERE event_type = 'session.end'"
            )
        )
        == reasons
    )


RETELL_CALL = {
    "call_id": "retell-1",
    "call_type": "phone_call",
    "agent_id": "agent-1",
    "direction": "outbound",
    "call_status": "ended",
    "start_timestamp": VAPI_START,
    "end_timestamp": VAPI_START + 30_000,
    "duration_ms": 30_000,
    "disconnection_reason": "user_hangup",
    "transcript_with_tool_calls": [
        {
            "role": "agent",
            "content": "Hello there",
            "words": [{"word": "Hello", "start": 0.7, "end": 1.1}, {"word": " there", "start": 1.1, "end": 1.3}],
        },
        {"role": "user", "content": "Book it", "words": [{"word": "Book it", "start": 2.5, "end": 3.25}]},
        {"role": "tool_call_invocation", "tool_call_id": "t1", "name": "book", "arguments": '{"day": 1}'},
        {"role": "tool_call_result", "tool_call_id": "t1", "content": "full", "successful": False},
        {"role": "node_transition", "former_node_name": "ask", "new_node_name": "sorry"},
        {"role": "agent", "content": "Sorry", "words": [{"word": "Sorry", "start": 6, "end": 6.5}]},
    ],
    "latency": {"e2e": {"p50": 800, "p95": 1500}, "llm": {"p50": 300, "p95": 700}},
    "call_cost": {"combined_cost": 7, "product_costs": [], "total_duration_seconds": 30},
}


def test_a_page_of_retell_calls(sources: Any) -> None:
    page = {"items": [RETELL_CALL, {**RETELL_CALL, "call_id": "retell-2", "call_type": "web_call"}], "has_more": False}
    sources.write("landing/retell/page.json", page)
    sources.write("landing/retell/last.json", {"items": [], "has_more": False})
    assert sources.ingest().rejected_count == 0
    assert sources.rows("SELECT conversation_id, turn_count, tool_failure_count FROM conversations ORDER BY 1") == [
        ("retell-1", 3, 1),
        ("retell-2", 3, 1),
    ]


def test_a_retell_call_and_its_analysis(sources: Any) -> None:
    analysed = {**RETELL_CALL, "call_analysis": {"call_summary": "No room.", "user_sentiment": "Negative"}}
    sources.write("landing/retell/0.json", {"event": "call_started", "call": {"call_id": "retell-1"}})
    sources.write("landing/retell/1.json", {"event": "call_ended", "call": RETELL_CALL})
    sources.write("landing/retell/2.json", {"event": "call_analyzed", "call": analysed})
    report = sources.ingest()
    assert report.rejected_count == 0
    assert sources.rows("SELECT count(*) FROM superseded_events") == [(9,)]  # all that the first of the two said
    assert _events(sources, "duration_ms", "name", "succeeded", "completion_reason") == [
        ("session.start", "10:00:00.000", None, None, None, None),
        ("agent.turn", "10:00:00.700", "600", None, None, None),
        ("user.turn", "10:00:02.500", "750", None, None, None),
        ("tool.call", "10:00:02.500", None, "book", None, None),
        ("tool.result", "10:00:02.500", None, "book", "false", None),
        ("state.transition", "10:00:02.500", None, None, None, None),
        ("agent.turn", "10:00:06.000", "500", None, None, None),
        ("session.end", "10:00:30.000", None, None, None, "caller_hangup"),
    ]
    found = _summary(sources)
    assert (found["summary"], found["user_sentiment"], found["duration_seconds"]) == ("No room.", "negative", 30)
    assert found["latency_summary"]["p95_audio_ttfb_ms"] == 1500
    assert found["usage_summary"]["cost_usd"] == 0.07
