"""What real packages write about conversations of which the truth is known: turns, tools, tokens and instants.

Each file is ingested without saying which source it is, so that its format must be recognised, too. `LACKS` says which
facts a payload does not hold: there the value must be missing, and never another.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from pipeline.catalog.catalog import Catalog

FILES = {
    "traces-1.json": "opentelemetry",
    "logs-1.json": "opentelemetry",
    "requests.jsonl": "openai_chat",
    "messages.json": "openai_chat",
    "ingest.ndjson": "openai_agents",
    "traces_export.ndjson": "langfuse",
    "session_report.json": "livekit",
}
# texts: what was said. tokens, cached: their numbers. tools: that they were called at all. times: any instant.
# tool_success: that a tool without an error succeeded. conversation: its id, for which the trace stands then.
# unanswered: what the program dropped after a call that failed.
# failures: that a tool failed, where the answer to the model does not say so.
LACKS: dict[tuple[str, str], set[str]] = {
    ("messages.json", "openai-sdk-chat"): {"tokens", "times", "tool_success"},
    ("messages.json", "anthropic-sdk"): {"tokens", "times", "unanswered"},
    ("logs-1.json", "*"): {"tokens", "conversation", "tool_success", "start"},
    ("session_report.json", "*"): set(),
    ("requests.jsonl", "openai-sdk-chat"): {"tool_success"},
    ("requests.jsonl", "openai-sdk-responses"): {"tool_success"},
    ("ingest.ndjson", "openai-agents-tracing"): {"texts"},
    ("traces_export.ndjson", "langfuse-v2-ingestion"): {"cached"},
    ("traces-1.json", "openllmetry-openai"): {"tool_success"},
    ("traces-1.json", "openllmetry-openai-responses"): {"tool_success"},
    ("traces-1.json", "otel-openai-v2-both"): {"cached", "tool_success"},
    ("traces-1.json", "otel-openai-v2-span"): {"cached", "tool_success"},
    ("traces-1.json", "otel-openai-v2-event"): {"cached", "texts", "tools"},
    ("traces-1.json", "otel-openai-v2-legacy"): {"cached", "texts", "tools"},
    ("traces-1.json", "pipecat-ai"): {"tool_success"},
    ("traces-1.json", "pydantic-ai-1.0-v1-attributes"): {"cached"},
    ("traces-1.json", "pydantic-ai-1.0-v1-logs"): {"cached", "texts"},
    ("logs-1.json", "pydantic-ai-1.0-v1-logs"): {
        "tokens",
        "conversation",
        "tool_success",
        "failures",
        "start",
        "times",
    },
}
SLACK = 0.6  # seconds between the program's clock and the package's: set-up of clients, exporters and tools
TOOL_SLACK = 30.0  # milliseconds that the package needs around a tool


WRITES = {
    "anthropic-sdk": ["requests.jsonl", "messages.json"],
    "langfuse-otlp": ["traces-1.json"],
    "langfuse-v2-ingestion": ["traces_export.ndjson"],
    "livekit-agents": ["traces-1.json", "session_report.json"],
    "openai-agents-tracing": ["ingest.ndjson"],
    "openai-agents-tracing-chat": ["ingest.ndjson"],
    "openai-sdk-chat": ["requests.jsonl", "messages.json"],
    "openai-sdk-responses": ["requests.jsonl"],
    "openinference-openai": ["traces-1.json"],
    "openinference-openai-agents": ["traces-1.json"],
    "openinference-openai-responses": ["traces-1.json"],
    "openllmetry-openai": ["traces-1.json"],
    "openllmetry-openai-responses": ["traces-1.json"],
    "otel-openai-v2-both": ["traces-1.json", "logs-1.json"],
    "otel-openai-v2-event": ["traces-1.json", "logs-1.json"],
    "otel-openai-v2-legacy": ["traces-1.json", "logs-1.json"],
    "otel-openai-v2-span": ["traces-1.json"],
    "pipecat-ai": ["traces-1.json"],
    "pydantic-ai-1.0-v1-attributes": ["traces-1.json"],
    "pydantic-ai-1.0-v1-logs": ["traces-1.json", "logs-1.json"],
    "pydantic-ai-v2": ["traces-1.json"],
    "pydantic-ai-v5": ["traces-1.json"],
    "pydantic-ai-v5-responses": ["traces-1.json"],
    "pydantic-ai-v6": ["traces-1.json"],
    "traceloop-sdk": ["traces-1.json"],
    "vercel-ai-sdk": ["traces-1.json"],
}


@pytest.mark.parametrize(("variant", "name"), [(variant, name) for variant, names in WRITES.items() for name in names])
def test_a_payload_says_what_happened(
    variant: str,
    name: str,
    shared_data: Path,
    shipped_sources: Catalog,
    new_pipe: Callable[..., Any],
    tmp_path: Path,
) -> None:
    """All conversations of one package and one kind of file, in one store."""
    files = sorted((shared_data / "emitted" / variant).glob(f"*/{name}"))
    assert files
    pipe = new_pipe(tmp_path, shipped_sources)
    lacks = LACKS.get((name, variant), LACKS.get((name, "*"), set()))
    report = pipe.ingest(*files)
    assert [(file.source_key, file.status, file.failure) for file in report.files] == [
        (FILES[name], "done", None)
    ] * len(files)
    assert report.rejected_count == 0
    for file in files:
        truth = json.loads((file.parent / "truth.json").read_text())
        _check(pipe, truth, file, lacks)


def _check(pipe: Any, truth: dict[str, Any], file: Path, lacks: set[str]) -> None:
    conversation = truth["conversation_id"]
    if "conversation" in lacks:
        conversation = json.loads(file.read_text())["resourceLogs"][0]["scopeLogs"][0]["logRecords"][0]["traceId"]
    events = pipe.rows(
        "SELECT event_type, occurred_at, data FROM events WHERE conversation_id = ? ORDER BY occurred_at, sequence",
        conversation,
    )
    found = [(kind, at, json.loads(data)) for kind, at, data in events]
    turns = [(kind.split(".")[0], data["text"]) for kind, _, data in found if kind in ("user.turn", "agent.turn")]
    said = [] if "texts" in lacks else [(turn["role"], turn["text"]) for turn in truth["turns"]]
    if "unanswered" in lacks:
        said = [
            turn for turn, after in zip(said, [*said[1:], None], strict=True) if after is None or turn[0] != after[0]
        ]
    assert turns == said
    spoken = [at for kind, at, _ in found if kind in ("user.turn", "agent.turn")]
    if "times" in lacks:
        assert set(spoken) <= {None} or file.name == "logs-1.json"
    else:
        for at, turn in zip(spoken, truth["turns"], strict=False):
            assert abs((at - datetime.fromisoformat(turn["at"])).total_seconds()) < SLACK, turn
    _check_tools(found, [] if "tools" in lacks else truth["tool_calls"], lacks)
    _check_tokens(pipe, conversation, found, truth, lacks)


def _check_tools(found: list[tuple[str, Any, dict[str, Any]]], wanted: list[dict[str, Any]], lacks: set[str]) -> None:
    calls = [(at, data) for kind, at, data in found if kind == "tool.call"]
    results = {data["call_id"]: (at, data) for kind, at, data in found if kind == "tool.result"}
    assert [data["name"] for _, data in calls] == [tool["name"] for tool in wanted]
    for (called_at, call), tool in zip(calls, wanted, strict=True):
        assert call["arguments"] == tool["arguments"]
        answered_at, result = results.pop(call["call_id"])
        if tool["succeeded"]:
            assert result.get("succeeded") is (None if "tool_success" in lacks else True)
        elif "failures" not in lacks:
            assert result["succeeded"] is False
            assert result.get("error")
        if "duration_ms" in result:
            assert abs(result["duration_ms"] - tool["duration_ms"]) < TOOL_SLACK
        elif (
            called_at is not None and "start" not in lacks
        ):  # from the model's call for it to the next that has its answer
            assert (answered_at - called_at).total_seconds() * 1000 >= tool["duration_ms"] - 1
    assert results == {}


def _check_tokens(
    pipe: Any, conversation: str, found: list[tuple[str, Any, dict[str, Any]]], truth: dict[str, Any], lacks: set[str]
) -> None:
    ((intelligence,),) = pipe.rows("SELECT intelligence FROM conversations WHERE conversation_id = ?", conversation)
    usage = json.loads(intelligence).get("usage_summary") or {}
    counts = truth["counts"]
    if "tokens" in lacks:
        assert not usage.get("tokens_in")
        assert not usage.get("tokens_out")
        return
    assert usage["tokens_in"] == counts["tokens_in"]
    assert usage["tokens_out"] == counts["tokens_out"]
    cached = sum(call["tokens_cached"] or 0 for call in truth["model_calls"])
    assert (usage.get("tokens_cached") or 0) == (0 if "cached" in lacks else cached)
    for kind, _, data in found:
        if kind == "model.call" and data.get("error"):
            assert "tokens_in" not in data, "a call that failed has no tokens"
