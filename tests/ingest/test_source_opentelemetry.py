"""OpenTelemetry GenAI spans in OTLP/JSON: the example of a tool call in the semantic conventions."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from pipeline.catalog.catalog import Catalog

START = 1_772_445_600_000_000_000  # 2026-03-02T10:00:00Z
SECOND = 1_000_000_000
ASKED = {"role": "user", "parts": [{"type": "text", "content": "Weather in Paris?"}]}
CALLED = {
    "role": "assistant",
    "parts": [{"type": "tool_call", "id": "call_VS", "name": "get_weather", "arguments": {"location": "Paris"}}],
}
DONE = {"role": "tool", "parts": [{"type": "tool_call_response", "id": "call_VS", "result": "rainy, 57°F"}]}
ANSWER = {"role": "assistant", "parts": [{"type": "text", "content": "It is rainy."}], "finish_reason": "stop"}


@pytest.fixture
def sources(shipped_sources: Catalog, new_pipe: Callable[..., Any], tmp_path: Path) -> Any:
    return new_pipe(tmp_path, shipped_sources)


def _value(found: Any) -> dict[str, Any]:
    """An `AnyValue` of OTLP."""
    match found:
        case bool():
            return {"boolValue": found}
        case int():
            return {"intValue": str(found)}
        case float():
            return {"doubleValue": found}
        case list():
            return {"arrayValue": {"values": [_value(item) for item in found]}}
        case dict():
            return {"kvlistValue": {"values": [{"key": key, "value": _value(item)} for key, item in found.items()]}}
        case _:
            return {"stringValue": found}


def _span(number: int, begin: float, end: float, attributes: dict[str, Any], **fields: Any) -> dict[str, Any]:
    return {
        "traceId": "4bf92f3577b34da6a3ce929d0e0e4736",
        "spanId": f"00f067aa0ba902b{number}",
        "name": "a span",
        "startTimeUnixNano": str(START + int(begin * SECOND)),
        "endTimeUnixNano": str(START + int(end * SECOND)),
        "attributes": [{"key": key, "value": _value(found)} for key, found in attributes.items()],
        "status": {},
        **fields,
    }


def _chat(number: int, begin: float, end: float, asked: list[Any], answer: dict[str, Any]) -> dict[str, Any]:
    return _span(
        number,
        begin,
        end,
        {
            "gen_ai.operation.name": "chat",
            "gen_ai.provider.name": "openai",
            "gen_ai.conversation.id": "conv_5j66",
            "gen_ai.request.model": "gpt-4",
            "gen_ai.response.model": "gpt-4-0613",
            "gen_ai.usage.input_tokens": 52,
            "gen_ai.usage.output_tokens": 17,
            "gen_ai.usage.cache_read.input_tokens": 20,
            "gen_ai.input.messages": json.dumps(asked),
            "gen_ai.output.messages": json.dumps([answer]),
        },
    )


TOOL = {
    "gen_ai.operation.name": "execute_tool",
    "gen_ai.tool.name": "get_weather",
    "gen_ai.tool.call.id": "call_VS",
    "gen_ai.tool.call.arguments": '{"location": "Paris"}',
}


def _trace(*spans: dict[str, Any]) -> dict[str, Any]:
    resource = {"attributes": [{"key": "service.name", "value": {"stringValue": "weather-bot"}}]}
    return {"resourceSpans": [{"resource": resource, "scopeSpans": [{"scope": {}, "spans": list(spans)}]}]}


def _events(sources: Any) -> list[tuple[Any, ...]]:
    return sources.rows(  # type: ignore[no-any-return]
        "SELECT event_type, strftime(occurred_at, '%S.%g'), coalesce(data ->> '$.text', data ->> '$.name'),"
        " (data ->> '$.duration_ms')::DOUBLE FROM events ORDER BY occurred_at, sequence"
    )


def test_a_chat_with_a_tool_that_has_its_span(sources: Any) -> None:
    spans = [
        _span(0, 0, 6, {"gen_ai.operation.name": "invoke_agent", "gen_ai.usage.input_tokens": 104}),
        _chat(1, 0.5, 1.75, [ASKED], CALLED),
        _span(2, 2, 2.5, TOOL),
        _chat(3, 3, 5, [ASKED, CALLED, DONE], ANSWER),
        _span(4, 0, 9, {"http.request.method": "GET"}),
    ]
    sources.write("landing/otlp/traces.jsonl", _trace(*spans))
    assert sources.ingest().rejected_count == 0
    assert _events(sources) == [
        ("agent.invoke_agent", "00.000", None, 6000),
        ("user.turn", "00.500", "Weather in Paris?", None),
        ("model.call", "00.500", None, 1250),
        ("tool.call", "02.000", "get_weather", None),
        ("tool.result", "02.500", "get_weather", 500),
        ("model.call", "03.000", None, 2000),
        ("agent.turn", "05.000", "It is rainy.", None),
    ]
    assert sources.rows(
        "SELECT conversation_id, service_id, tool_call_count, tool_failure_count FROM conversations"
    ) == [("conv_5j66", "weather-bot", 1, 0)]
    assert sources.rows(
        "SELECT sum((data ->> '$.tokens_in')::INT), sum((data ->> '$.tokens_cached')::INT),"
        " sum((data ->> '$.tokens_out')::INT), any_value(data ->> '$.model') FROM events"
    ) == [(104, 40, 34, "gpt-4-0613")]


def test_tools_without_spans_are_read_from_the_messages(sources: Any) -> None:
    spans = [_chat(1, 0.5, 1.75, [ASKED], CALLED), _chat(3, 3, 5, [ASKED, CALLED, DONE], ANSWER)]
    sources.write("landing/otlp/traces.json", _trace(*spans))
    assert sources.ingest().rejected_count == 0
    assert [event[0] for event in _events(sources)] == [
        "user.turn",
        "model.call",
        "tool.call",
        "tool.result",
        "model.call",
        "agent.turn",
    ]
    assert sources.rows("SELECT data ->> '$.result' FROM events WHERE event_type = 'tool.result'") == [("rainy, 57°F",)]


def test_structured_messages_are_read_like_those_in_text(sources: Any) -> None:
    """As the conventions prefer it wherever attributes can hold more than text."""
    spans = [_chat(1, 0.5, 1.75, [ASKED], CALLED), _chat(3, 3, 5, [ASKED, CALLED, DONE], ANSWER)]
    sources.write("landing/otlp/text.json", _trace(*spans))
    for span in spans:
        span["traceId"] = span["traceId"][::-1]
        for attribute in span["attributes"]:
            if attribute["key"] == "gen_ai.conversation.id":
                attribute["value"] = _value("structured")
            elif attribute["key"].endswith(".messages"):
                attribute["value"] = _value(json.loads(attribute["value"]["stringValue"]))
    sources.write("landing/otlp/structured.json", _trace(*spans))
    assert sources.ingest().rejected_count == 0
    text, structured = (
        sources.rows(
            "SELECT event_type, occurred_at, data FROM events WHERE (conversation_id = 'structured') = ?"
            " ORDER BY occurred_at, sequence",
            chosen,
        )
        for chosen in (False, True)
    )
    assert len(text) == 6
    assert text == structured


def test_a_value_that_is_none_is_null_and_a_broken_one_refuses_its_event(sources: Any) -> None:
    span = _chat(1, 0, 1, [ASKED], ANSWER)
    span["attributes"] += [
        {"key": "empty", "value": {}},
        {"key": "gen_ai.response.finish_reasons", "value": _value([])},
    ]
    sources.write("landing/otlp/a.json", _trace(span))
    assert sources.ingest().rejected_count == 0
    span["attributes"].append({"key": "broken", "value": {"kvlistValue": {"values": [{"no": "key"}]}}})
    sources.write("landing/otlp/b.json", _trace(span))
    assert sources.ingest().rejected_count == 1
    assert sources.rows("SELECT reason FROM rejected_records") == [("wrong_type",)]


def test_a_tool_that_failed_and_a_trace_without_content(sources: Any) -> None:
    cut = _chat(3, 3, 4, [ASKED], ANSWER)  # content that was cut off gives no turns, and the call still counts
    for attribute in cut["attributes"]:
        if attribute["key"].endswith(".messages"):
            attribute["value"]["stringValue"] = attribute["value"]["stringValue"][:30]
    cut["attributes"] = [found for found in cut["attributes"] if found["key"] != "gen_ai.conversation.id"]
    failed = _span(2, 2, 2.5, {**TOOL, "error.type": "timeout"}, status={"code": 2, "message": "late"})
    quiet = _span(
        1, 0, 1, {"gen_ai.operation.name": "chat", "gen_ai.request.model": "m", "gen_ai.usage.input_tokens": 3}
    )
    sources.write("landing/otlp/traces.json", _trace(quiet, failed, cut))
    assert sources.ingest().rejected_count == 0
    assert sources.rows("SELECT count(*), sum((data ->> '$.tokens_in')::INT) FROM events") == [(4, 55)]
    assert sources.rows(
        "SELECT event_type, conversation_id, data ->> '$.succeeded', data ->> '$.error' FROM events"
        " WHERE event_type LIKE 'tool.%' ORDER BY occurred_at"
    ) == [
        ("tool.call", "4bf92f3577b34da6a3ce929d0e0e4736", None, None),
        ("tool.result", "4bf92f3577b34da6a3ce929d0e0e4736", "false", "late"),
    ]


def test_evaluations_in_logs_become_written_metrics(sources: Any) -> None:
    attributes = _span(
        1,
        0,
        0,
        {
            "gen_ai.evaluation.name": "Relevance",
            "gen_ai.evaluation.score.value": 0.85,
            "gen_ai.evaluation.score.label": "relevant",
            "gen_ai.conversation.id": "conv_5j66",
        },
    )["attributes"]
    record = {"timeUnixNano": str(START), "eventName": "gen_ai.evaluation.result", "attributes": attributes}
    logs = {"resourceLogs": [{"scopeLogs": [{"logRecords": [record, {"body": {"stringValue": "started"}}]}]}]}
    sources.write("landing/otlp/logs.json", logs)
    assert sources.ingest().rejected_count == 0
    assert sources.rows("SELECT conversation_id, event_type, data ->> '$.name', data ->> '$.value' FROM events") == [
        ("conv_5j66", "metric.written", "Relevance", "0.85")
    ]
