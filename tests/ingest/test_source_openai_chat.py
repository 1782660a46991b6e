"""OpenAI-style chats: stored conversations and log lines, the shapes of the API reference and real runs."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from pipeline.catalog.catalog import Catalog

CALL = {"id": "call_1", "type": "function", "function": {"name": "weather", "arguments": '{"city": "Paris"}'}}
ASKED = [
    {"role": "system", "content": "You are kind."},
    {"role": "user", "content": [{"type": "text", "text": "Weather"}, {"type": "text", "text": "in Paris?"}]},
]
CALLED = {"role": "assistant", "content": None, "tool_calls": [CALL]}
RESULT = {"role": "tool", "tool_call_id": "call_1", "content": "rainy"}
ANSWER = {"role": "assistant", "content": "It rains."}


@pytest.fixture
def sources(shipped_sources: Catalog, new_pipe: Callable[..., Any], tmp_path: Path) -> Any:
    return new_pipe(tmp_path, shipped_sources)


def _events(sources: Any) -> list[tuple[Any, ...]]:
    return sources.rows(  # type: ignore[no-any-return]
        "SELECT event_type, coalesce(data ->> '$.text', data ->> '$.name'), data -> '$.arguments'"
        " FROM events WHERE event_type <> 'call_intelligence.row' ORDER BY occurred_at, sequence"
    )


TURNS = [
    ("system.turn", "You are kind.", None),
    ("user.turn", "Weather\nin Paris?", None),
    ("tool.call", "weather", '{"city":"Paris"}'),
    ("tool.result", "weather", None),
    ("agent.turn", "It rains.", None),
]


def test_a_stored_conversation(sources: Any) -> None:
    chat = {
        "id": "chat-1",
        "created_at": "2026-03-02T10:00:00Z",
        "messages": [*ASKED, CALLED, RESULT, {**ANSWER, "created_at": "2026-03-02T10:00:09Z"}],
        "usage": {"prompt_tokens": 70, "completion_tokens": 12},
    }
    sources.write("landing/openai_chat/chats.ndjson", chat, {"messages": [*ASKED, ANSWER]}, {"messages": ASKED})
    assert sources.ingest().rejected_count == 0
    assert sources.rows("SELECT count(*), count(started_at) FROM conversations") == [(3, 1)]
    sources.rows("DELETE FROM events WHERE conversation_id <> 'chat-1'")
    assert _events(sources) == TURNS
    assert sources.rows(
        "SELECT duration_seconds, tool_call_count, intelligence ->> '$.usage_summary.tokens_in' FROM conversations"
        " WHERE conversation_id = 'chat-1'"
    ) == [(9, 1, "70")]


def _line(second: int, messages: list[Any], answer: dict[str, Any], **fields: Any) -> dict[str, Any]:
    return {
        "conversation_id": "chat-2",
        "timestamp": f"2026-03-02T10:00:{second:02d}Z",
        "request": {"model": "gpt-x", "messages": messages},
        "response": {
            "id": f"chatcmpl-{second}",
            "object": "chat.completion",
            "created": 1_772_445_600 + second,
            "model": "gpt-x-1",
            "choices": [{"index": 0, "message": answer, "finish_reason": "stop"}],
            "usage": {
                "prompt_tokens": 10 * len(messages),
                "completion_tokens": 5,
                "prompt_tokens_details": {"cached_tokens": 4},
            },
        },
        **fields,
    }


def test_log_lines_repeat_the_history_and_it_is_counted_once(sources: Any) -> None:
    thanks = {"role": "user", "content": "Thanks"}
    sources.write(
        "landing/openai_chat/log.ndjson",
        _line(0, ASKED, CALLED, latency_ms=900),
        _line(3, [*ASKED, CALLED, RESULT], ANSWER, latency_ms=500),
        _line(9, [*ASKED, CALLED, RESULT, ANSWER, thanks], {"role": "assistant", "content": "Bye"}),
    )
    assert sources.ingest().rejected_count == 0
    assert [event for event in _events(sources) if event[0] != "model.call"] == [
        *TURNS,
        ("user.turn", "Thanks", None),
        ("agent.turn", "Bye", None),
    ]
    assert sources.rows(
        "SELECT sum((data ->> '$.tokens_in')::INT), sum((data ->> '$.tokens_cached')::INT),"
        " sum((data ->> '$.tokens_out')::INT), sum((data ->> '$.duration_ms')::INT), any_value(data ->> '$.model')"
        " FROM events WHERE event_type = 'model.call'"
    ) == [(20 + 40 + 60, 12, 15, 1400, "gpt-x-1")]


def test_lines_of_the_batch_api_have_bodies(sources: Any) -> None:
    line = _line(0, ASKED, ANSWER)
    batch = {"custom_id": "7", "body": line["request"], "response": {"status_code": 200, "body": line["response"]}}
    sources.write("landing/openai_chat/batch.jsonl", batch)
    assert sources.ingest().rejected_count == 0
    assert [event[0] for event in _events(sources)] == ["system.turn", "user.turn", "model.call", "agent.turn"]


def test_real_runs_have_the_messages_that_plain_python_counts(sources: Any, shared_data: Path) -> None:
    with gzip.open(shared_data / "tau-bench" / "gpt-4o-airline.json.gz") as file:
        runs = json.load(file)[:20]
    chats = [{"id": f"{run['task_id']}/{run['trial']}", "messages": run["traj"]} for run in runs]
    sources.write("landing/openai_chat/runs.ndjson", *chats)
    assert sources.ingest().rejected_count == 0
    messages = [message for run in runs for message in run["traj"]]
    found = dict(sources.rows("SELECT event_type, count(*) FROM events GROUP BY ALL"))
    assert found["user.turn"] == sum(message["role"] == "user" for message in messages)
    assert found["agent.turn"] == sum(
        message["role"] == "assistant" and bool(message["content"]) for message in messages
    )
    assert found["tool.call"] == sum(len(message.get("tool_calls") or []) for message in messages)
    assert found["tool.result"] == sum(message["role"] == "tool" for message in messages)
    assert found["system.turn"] == len(runs)
    assert sources.rows(
        "SELECT count(*) FROM events WHERE event_type = 'tool.result' AND (data ->> '$.name') IS NULL"
    ) == [(0,)]
