"""Logs of requests to language models and their responses, and traces of agents, as calls.

Read are log lines of OpenAI's chat completions and Responses and of Anthropic's messages, the traces of openai-agents,
and Langfuse's traces as its API gives them.
"""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime
from typing import Any

import orjson

from pipeline.ingest.clock import read_instant
from pipeline.ingest.messages import Message, ToolCall, ToolResult, parsed, read_messages
from pipeline.ingest.model_calls import Call
from pipeline.ingest.telemetry import usage_facts


def is_logged_call(document: Any) -> bool:
    """Whether it is a line of a log with the request to a model in it."""
    request = _request(document) if isinstance(document, dict) else None
    return isinstance(request, dict) and ("messages" in request or "input" in request)


def logged_call(document: dict[str, Any]) -> Call:
    """One line of a log: a request, and the response or the error that came of it."""
    request, response = _request(document), _inner(document, "response")
    answer = response if isinstance(response, dict) else {}
    started = _instant(_first(document, "timestamp", "started_at", "created_at", "created"))
    if started is None:
        started = _instant(_first(answer, "created", "created_at"))
    duration = _number(_first(document, "duration_ms", "latency_ms"))
    if duration is None and (seconds := _number(document.get("latency"))) is not None:
        duration = seconds * 1000
    ended = None if started is None else started + int((duration or 0) * 1_000_000)
    metadata: list[dict[str, Any]] = [
        node["metadata"] for node in (document, request) if isinstance(node.get("metadata"), dict)
    ]
    conversation = _first(document, "conversation_id", "session_id", "thread_id") or next(
        (found for inner in metadata if (found := _first(inner, "conversation_id", "session_id"))), None
    )
    own = answer.get("id") or document.get("id") or document.get("request_id") or _digest(document)
    id_ = str(own) if conversation is None else f"{conversation}/{own}"
    failure = document.get("error") or answer.get("error")
    call = Call("model", id_, str(conversation or document.get("id") or id_), started=started, ended=ended)
    call.service = document.get("service_id") or next((inner.get("service_id") for inner in metadata), None)
    call.asked = read_messages({"messages": _list(request.get("messages", request.get("input")))})
    call.answer = _answer(answer)
    choice = (_list(answer.get("choices")) or [{}])[0]
    call.facts = {
        "model": answer.get("model") or request.get("model"),
        "duration_ms": duration,
        "cost_usd": _number(_first(document, "cost_usd", "cost")),
        "finish_reason": choice.get("finish_reason") or answer.get("stop_reason"),
        "response_id": answer.get("id"),
        "error": _error(failure),
        **usage_facts(answer.get("usage") or {}),
    }
    return call


def calls_of_agents(document: dict[str, Any]) -> list[Call]:
    """An export of openai-agents: traces and spans, as its processor sends them."""
    items = _list(document.get("data"))
    groups = {item.get("id"): item.get("group_id") for item in items if item.get("object") == "trace"}
    calls = []
    for item in items:
        data = item.get("span_data") or {}
        kind = {"function": "tool", "response": "model", "generation": "model"}.get(str(data.get("type")))
        if item.get("object") != "trace.span" or kind is None:
            continue
        started, ended = _instant(item.get("started_at")), _instant(item.get("ended_at"))
        trace = item.get("trace_id")
        call = Call(kind, str(item.get("id")), str(groups.get(trace) or trace), started=started, ended=ended)
        error = _error(item.get("error"))
        call.facts = {"duration_ms": _milliseconds(started, ended), "error": error}
        if kind == "tool":
            name, result = data.get("name"), parsed(data.get("output"))
            call.tool = (ToolCall(None, name, parsed(data.get("input"))), ToolResult(None, name, result))
            call.facts["succeeded"] = error is None and call.tool[1].error is None
        else:
            call.facts |= usage_facts(data.get("usage") or {}) | {"model": data.get("model")}
            call.asked = read_messages({"messages": _list(data.get("input"))})
            own = [one for one in read_messages({"messages": _list(data.get("output"))}) if one.role == "assistant"]
            if own:
                text = "\n".join(one.text for one in own if one.text)
                call.answer = Message("assistant", text, [tool for one in own for tool in one.calls])
        calls.append(call)
    return calls


def calls_of_langfuse(document: dict[str, Any]) -> list[Call]:
    """A trace of Langfuse with its observations, as `GET /api/public/traces/{id}` and exports have it."""
    conversation = str(document.get("sessionId") or document.get("id"))
    calls = []
    for item in _list(document.get("observations")):
        if not isinstance(item, dict):
            continue
        generation = item.get("type") == "GENERATION"
        tool = item.get("type") == "TOOL" or (item.get("type") == "SPAN" and isinstance(item.get("input"), dict))
        if not generation and not tool:
            continue
        started, ended = _instant(item.get("startTime")), _instant(item.get("endTime"))
        id_, failed = str(item.get("id")), item.get("level") == "ERROR"
        call = Call("model" if generation else "tool", id_, conversation, started=started, ended=ended)
        error = item.get("statusMessage") or ("error" if failed else None) if failed else None
        call.facts = {"duration_ms": _milliseconds(started, ended), "error": error}
        if generation:
            usage = item.get("usageDetails") or item.get("usage") or {}
            call.facts |= usage_facts(usage) | {"model": item.get("model")}
            call.facts["cost_usd"] = item.get("calculatedTotalCost") or None
            if failed:
                call.facts |= {name: call.facts[name] or None for name in ("tokens_in", "tokens_out", "tokens_cached")}
            call.asked = read_messages(item.get("input"))
            output = parsed(item.get("output"))
            own = [Message("assistant", output)] if isinstance(output, str) else read_messages(output)
            call.answer = next((one for one in own if one.role == "assistant"), None) if not failed else None
        else:
            name, result = item.get("name"), parsed(item.get("output"))
            call.tool = (ToolCall(None, name, parsed(item.get("input"))), ToolResult(None, name, result))
            call.facts["succeeded"] = not failed and call.tool[1].error is None
            call.facts["error"] = call.tool[1].error or error
        calls.append(call)
    models = sorted((call for call in calls if call.kind == "model" and call.started), key=lambda one: one.started or 0)
    if models and (said := _instant(document.get("timestamp"))) is not None and said <= (models[0].started or 0):
        models[0].heard_at = said
    return calls


def _digest(document: dict[str, Any]) -> str:
    """What a line without an id is known by: several may begin at the same instant."""
    return hashlib.sha256(orjson.dumps(document, option=orjson.OPT_SORT_KEYS)).hexdigest()[:32]


def _answer(response: dict[str, Any]) -> Message | None:
    if _list(response.get("choices")):
        found = read_messages([response["choices"][0]])
    elif isinstance(response.get("output"), list):
        found = [one for one in read_messages({"messages": response["output"]}) if one.role == "assistant"]
    elif "content" in response:
        found = read_messages([{"role": "assistant", **response}])
    else:
        found = []
    if not found:
        return None
    text = "\n".join(one.text for one in found if one.text)
    return Message("assistant", text, [call for one in found for call in one.calls])


def _request(document: dict[str, Any]) -> Any:
    return _inner(document, "request") or document.get("body")  # `body` in the files of a batch


def _inner(document: dict[str, Any], name: str) -> Any:
    found = document.get(name)
    return found["body"] if isinstance(found, dict) and isinstance(found.get("body"), dict) else found


def _list(value: Any) -> list[Any]:
    found = parsed(value)
    if isinstance(found, str) and found.strip():
        return [{"role": "user", "content": found}]
    return [item for item in found if isinstance(item, dict)] if isinstance(found, list) else []


def _first(node: dict[str, Any], *names: str) -> Any:
    return next((node[name] for name in names if node.get(name) not in (None, "")), None)


def _error(error: Any) -> str | None:
    if not error:
        return None
    if isinstance(error, dict):
        body = error.get("body")
        inner = body.get("error", body) if isinstance(body, dict) else {}
        found = (inner.get("message") if isinstance(inner, dict) else None) or error.get("message") or error.get("type")
        return str(found or "error")
    return str(error)


def _number(value: Any) -> float | None:
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else None


def _instant(value: Any) -> int | None:
    """Nanoseconds since 1970 of ISO 8601 text (UTC where it names no zone) or of Unix seconds."""
    if (number := _number(value)) is not None:
        return int(number * 1_000_000) * 1000
    try:
        found = read_instant(value) if isinstance(value, str) else None
    except (ValueError, OverflowError):
        return None
    if found is None:
        return None
    since = (found if found.tzinfo else found.replace(tzinfo=UTC)) - datetime(1970, 1, 1, tzinfo=UTC)
    return ((since.days * 86_400 + since.seconds) * 1_000_000 + since.microseconds) * 1000


def _milliseconds(started: int | None, ended: int | None) -> float | None:
    return None if started is None or ended is None else (ended - started) / 1_000_000
