"""Spans and logs of OpenTelemetry (OTLP/JSON) as calls of models, tools and agents, in every dialect that is in use.

Read are the GenAI conventions (attributes, and the events of 2024 in spans and logs) with pydantic-ai's and
OpenLLMetry's older names, OpenInference, the Vercel AI SDK, Langfuse's SDK and Pipecat.
"""

from __future__ import annotations

import re
from bisect import bisect_left, bisect_right
from collections.abc import Iterator
from typing import Any

from pipeline.ingest.conversions import convert
from pipeline.ingest.messages import Message, ToolCall, ToolResult, parsed, read_messages, says_nothing
from pipeline.ingest.model_calls import Call

_CONVERSATION = (
    "gen_ai.conversation.id",
    "session.id",
    "langfuse.session.id",
    "conversation.id",
    "traceloop.association.properties.session_id",
    "ai.telemetry.metadata.sessionId",
    "ai.telemetry.metadata.conversationId",
    "logfire.conversation_id",
)
_AGENTS = ("invoke_agent", "invoke_workflow", "create_agent", "plan")
_FACTS: dict[str, tuple[str, ...]] = {
    "model": (
        "gen_ai.response.model",
        "ai.response.model",
        "gen_ai.request.model",
        "llm.model_name",
        "langfuse.observation.model.name",
        "ai.model.id",
    ),
    "operation": ("gen_ai.operation.name", "ai.operationId", "llm.request.type"),
    "provider": ("gen_ai.provider.name", "gen_ai.system", "llm.provider", "llm.system", "ai.model.provider"),
    "cost_usd": ("operation.cost", "gen_ai.usage.cost", "llm.cost.total"),
    "finish_reasons": ("gen_ai.response.finish_reasons", "llm.finish_reason", "ai.response.finishReason"),
}
_TOKENS: dict[str, tuple[str, ...]] = {
    "tokens_in": (
        "gen_ai.usage.input_tokens",
        "gen_ai.usage.prompt_tokens",
        "llm.token_count.prompt",
        "llm.usage.prompt_tokens",
        "ai.usage.inputTokens",
        "ai.usage.promptTokens",
    ),
    "tokens_cached": (
        "gen_ai.usage.cache_read.input_tokens",
        "gen_ai.usage.cache_read_input_tokens",
        "gen_ai.usage.details.cache_read_tokens",
        "llm.token_count.prompt_details.cache_read",
        "ai.usage.cachedInputTokens",
    ),
    "tokens_out": (
        "gen_ai.usage.output_tokens",
        "gen_ai.usage.completion_tokens",
        "llm.token_count.completion",
        "llm.usage.completion_tokens",
        "ai.usage.outputTokens",
        "ai.usage.completionTokens",
    ),
}
_FLAT = re.compile(r"(gen_ai\.prompt|gen_ai\.completion|llm\.input_messages|llm\.output_messages)\.(\d+)\.(.+)")
_MAX_DEPTH = 100  # spans around a call that are looked at
_MAX_NESTED = 10_000  # members of a list that flat attributes name


def calls_of_spans(document: dict[str, Any]) -> tuple[list[Call], list[dict[str, Any]]]:
    """The calls of an export of traces, and of each span that is none, its scope and name."""
    spans = list(_spans(document))
    by_id = {(span["traceId"], span["spanId"]): span for span in spans}
    of_trace: dict[str, str] = {}
    for span in spans:
        if (found := _first(span["a"], _CONVERSATION)) is not None:
            of_trace.setdefault(span["traceId"], str(found))
    calls, others = [], []
    for span in spans:
        if (call := _call(span, by_id)) is None:
            others.append({"scope": span["scope"], "name": span.get("name")})
            continue
        own = _first(span["a"], _CONVERSATION)
        call.conversation = str(own) if own is not None else of_trace.get(span["traceId"], span["traceId"])
        calls.append(call)
    _when_heard(calls, {f"{span['traceId']}/{span['spanId']}": span for span in spans}, by_id)
    return calls, others


def calls_of_logs(document: dict[str, Any]) -> list[Call]:
    """What logs say of model calls: their messages, one event each or all in one; tokens and times stand in spans."""
    found: dict[str, Call] = {}
    for resource in _list(document, "resourceLogs"):
        service = _attributes(resource.get("resource", {})).get("service.name")
        for scope in _list(resource, "scopeLogs"):
            for log in _list(scope, "logRecords"):
                a = _attributes(log)
                name = log.get("eventName") or a.get("event.name")
                if not isinstance(name, str) or not name.startswith("gen_ai.") or name == "gen_ai.evaluation.result":
                    continue
                at = _nanoseconds(log.get("timeUnixNano")) or _nanoseconds(log.get("observedTimeUnixNano"))
                id_ = f"{log.get('traceId')}/{log.get('spanId')}"
                conversation = str(_first(a, _CONVERSATION) or log.get("traceId") or id_)
                call = found.setdefault(id_, Call("model", id_, conversation, service, started=at, ended=at))
                call.ended = at or call.ended
                body = _otlp(log.get("body"))
                _add_event(call, name, {**(body if isinstance(body, dict) else {}), **a})
    return list(found.values())


def _add_event(call: Call, name: str, fields: dict[str, Any]) -> None:
    """Take one of the events of 2024, or the one since that holds all messages."""
    role = name.removeprefix("gen_ai.").removesuffix(".message")
    if name == "gen_ai.choice":
        answers = read_messages([fields])
        call.answer = _joined([*([call.answer] if call.answer else []), *answers])
    elif name.endswith(".message"):
        call.asked += read_messages([{**fields, "role": fields.get("role") or role}])
    elif "gen_ai.input.messages" in fields or "gen_ai.output.messages" in fields:
        call.asked += read_messages(fields.get("gen_ai.input.messages"))
        call.answer = _joined(read_messages(fields.get("gen_ai.output.messages")))


def _spans(document: dict[str, Any]) -> Iterator[dict[str, Any]]:
    for resource in _list(document, "resourceSpans"):
        service = _attributes(resource.get("resource", {})).get("service.name")
        for scope in _list(resource, "scopeSpans"):
            for span in _list(scope, "spans"):
                yield {
                    **span,
                    "traceId": str(span.get("traceId")),
                    "spanId": str(span.get("spanId")),
                    "a": _attributes(span),
                    "service": service,
                    "scope": (scope.get("scope") or {}).get("name"),
                    "start": _nanoseconds(span.get("startTimeUnixNano")),
                    "end": _nanoseconds(span.get("endTimeUnixNano")),
                }


def _call(span: dict[str, Any], by_id: dict[tuple[str, str], dict[str, Any]]) -> Call | None:
    a = span["a"]
    id_ = f"{span['traceId']}/{span['spanId']}"
    start, end = span["start"], span["end"]
    duration = None if start is None or end is None else (end - start) / 1_000_000
    kind = _kind(a)
    if kind is None:
        return None
    call = Call(kind, id_, span["traceId"], span["service"], a.get("gen_ai.agent.name"), None, start, end)
    error = _error(span)
    call.facts = {"duration_ms": duration, "error": error}
    if kind == "tool":
        call.tool = _tool(a, span.get("name"))
        said = call.tool[1].result
        if error is not None and error.endswith(": ") and isinstance(said, str):
            error = said.partition("\n")[
                0
            ]  # pydantic-ai 1 gives the type of the error alone, and its words as the answer
        call.facts["succeeded"] = error is None and call.tool[1].error is None
        call.facts["error"] = call.tool[1].error or error
        return call
    if kind != "model":
        call.facts["agent"] = a.get("gen_ai.agent.name")
        return call
    usage = parsed(a.get("langfuse.observation.usage_details"))
    call.facts |= {name: _first(a, names) for name, names in _FACTS.items()}
    call.facts |= {name: _integer(_first(a, names)) for name, names in _TOKENS.items()}
    if isinstance(usage, dict):
        call.facts |= usage_facts(usage)
    if (first := a.get("gen_ai.response.time_to_first_chunk", a.get("metrics.ttfb"))) is not None:
        call.facts["time_to_first_chunk_ms"] = convert(first, "number") * 1000
    elif (first_ms := a.get("ai.response.msToFirstChunk")) is not None:
        call.facts["time_to_first_chunk_ms"] = first_ms
    _words(call, a, span)
    if call.answer is not None and not call.answer.text.strip() and not call.answer.calls:
        call.answer = None
    parent = by_id.get((span["traceId"], str(span.get("parentSpanId"))))
    if error is None and call.answer is None and call.asked and parent is not None and parent["end"] is not None:
        # Some say only of the agent's run that the call within it failed.
        error = call.facts["error"] = _error(parent)
    if error is not None:  # what came before the failure is no answer that was heard
        call.answer = call.answer if call.answer and call.answer.text else None
        call.facts |= {name: call.facts[name] or None for name in _TOKENS}
    return call


def _kind(a: dict[str, Any]) -> str | None:
    operation = a.get("gen_ai.operation.name")
    names = (a.get("openinference.span.kind"), a.get("traceloop.span.kind"), a.get("langfuse.observation.type"))
    kinds = {str(name).lower() for name in names if name}
    vercel = str(a.get("ai.operationId", ""))
    if operation == "execute_tool" or "tool" in kinds or vercel == "ai.toolCall":
        return "tool"
    if operation is None and "gen_ai.tool.name" in a:  # pydantic-ai 1.0, format 1
        return "tool"
    if operation in _AGENTS:
        return str(operation)
    if operation is not None or kinds & {"llm", "generation"} or "llm.request.type" in a:
        return "model"
    return "model" if vercel.endswith((".doGenerate", ".doStream")) else None


def _tool(a: dict[str, Any], span_name: str | None) -> tuple[ToolCall, ToolResult]:
    id_ = a.get("gen_ai.tool.call.id") or a.get("ai.toolCall.id") or a.get("tool_call.id") or a.get("tool.id")
    name = (
        a.get("gen_ai.tool.name") or a.get("tool.name") or a.get("ai.toolCall.name") or a.get("traceloop.entity.name")
    )
    given = (
        "gen_ai.tool.call.arguments",
        "tool_arguments",
        "ai.toolCall.args",
        "input.value",
        "traceloop.entity.input",
    )
    arguments = parsed(_first(a, (*given, "langfuse.observation.input")))
    if isinstance(arguments, dict) and arguments.keys() == {"args", "kwargs"}:
        arguments = arguments["kwargs"] or arguments["args"]
    gave = ("gen_ai.tool.call.result", "tool_response", "ai.toolCall.result", "output.value", "traceloop.entity.output")
    result = parsed(_first(a, (*gave, "langfuse.observation.output")))
    return ToolCall(id_, name or span_name, arguments), ToolResult(id_, name or span_name, result)


def _words(call: Call, a: dict[str, Any], span: dict[str, Any]) -> None:
    """Read what was sent to the model and what it answered, wherever this dialect keeps them."""
    nested = _nested(a)
    for name in ("gen_ai.input.messages", "ai.prompt.messages", "langfuse.observation.input", "input"):
        if not call.asked and name in a:
            call.asked = read_messages(a[name])
    for name in ("llm.input_messages", "gen_ai.prompt"):
        call.asked = call.asked or read_messages(nested.get(name))
    answers: list[Message] = []
    for name in ("gen_ai.output.messages", "langfuse.observation.output"):
        if not answers and name in a:
            answers = _answers(a[name])
    for name in ("llm.output_messages", "gen_ai.completion"):
        answers = answers or read_messages(nested.get(name))
    if not answers and ("ai.response.text" in a or "ai.response.toolCalls" in a):
        text = a.get("ai.response.text") or ""
        answers = read_messages([{"role": "assistant", "content": text, "tool_calls": a.get("ai.response.toolCalls")}])
    if not answers and call.facts.get("operation") == "chat" and isinstance(a.get("output"), str):
        answers = [Message("assistant", a["output"])]  # Pipecat
    call.answer = _joined(answers)
    events = parsed(a.get("events"))
    for event in events if isinstance(events, list) and not call.asked else []:
        _add_event(call, str(event.get("event.name")), event)
    for event in span.get("events") or []:
        name, fields = str(event.get("name")), _attributes(event)
        if name.startswith("gen_ai.") and not (call.asked and call.answer):
            _add_event(call, name, {key.removeprefix("gen_ai.event."): parsed(value) for key, value in fields.items()})


def _answers(value: Any) -> list[Message]:
    found = parsed(value)
    if isinstance(found, str):
        return [] if says_nothing(found) else [Message("assistant", found)]
    return read_messages(found)


def _joined(messages: list[Message]) -> Message | None:
    """An answer may come in pieces, such as a tool call beside its words."""
    own = [message for message in messages if message.role == "assistant"]
    if not own:
        return None
    text = "\n".join(message.text for message in own if message.text)
    return Message("assistant", text, [call for message in own for call in message.calls])


def usage_facts(usage: dict[str, Any]) -> dict[str, Any]:
    """Tokens by the names that providers give them."""
    details = usage.get("prompt_tokens_details") or usage.get("input_tokens_details") or {}
    cached = ("cache_read_input_tokens", "input_cached_tokens", "cached_input_tokens")
    found = {
        "tokens_in": _first(usage, ("prompt_tokens", "input_tokens", "input")),
        "tokens_out": _first(usage, ("completion_tokens", "output_tokens", "output")),
        "tokens_cached": details.get("cached_tokens") if "cached_tokens" in details else _first(usage, cached),
    }
    return {name: _integer(value) for name, value in found.items()}


def _error(span: dict[str, Any]) -> str | None:
    """What went wrong: the exception's words, the status's, or the type of the error."""
    status = span.get("status") or {}
    kind = span["a"].get("error.type")
    if status.get("code") not in (2, "STATUS_CODE_ERROR") and kind is None:
        return None
    raised = [_attributes(event) for event in span.get("events") or [] if event.get("name") == "exception"]
    texts = [raised[-1].get("exception.message") if raised else None, status.get("message"), kind]
    texts += [
        raised[-1].get("exception.type") if raised else None,
        span["a"].get("langfuse.observation.status_message"),
    ]
    return next((text for text in texts if isinstance(text, str) and text.strip()), "error")


def _when_heard(
    calls: list[Call], spans: dict[str, dict[str, Any]], by_id: dict[tuple[str, str], dict[str, Any]]
) -> None:
    """Words were said when the outermost span around their model call began that holds this one exchange only."""
    models = sorted((call for call in calls if call.kind == "model" and call.started), key=lambda one: one.started or 0)
    for of_one in _by_conversation(models):
        starts = [call.started or 0 for call in of_one]
        ends = sorted(
            call.ended or call.started or 0 for call in of_one if call.answer is not None and call.answer.text
        )
        floor = 0
        for call in of_one:
            call.heard_at, span, left = call.started, spans.get(call.id), _MAX_DEPTH
            while left and span is not None:
                left -= 1
                span = by_id.get((span["traceId"], str(span.get("parentSpanId"))))
                if span is None or span["start"] is None or span["end"] is None or span["start"] < floor:
                    continue
                at = bisect_right(ends, span["start"])
                after = bisect_left(starts, ends[at]) if at < len(ends) else len(starts)
                if after == len(starts) or starts[after] > span["end"]:
                    call.heard_at = min(call.heard_at or span["start"], span["start"])
            floor = max(floor, call.ended or 0)


def _by_conversation(calls: list[Call]) -> list[list[Call]]:
    found: dict[str, list[Call]] = {}
    for call in calls:
        found.setdefault(call.conversation, []).append(call)
    return list(found.values())


def _nested(a: dict[str, Any]) -> dict[str, list[Any]]:
    """Attributes such as `llm.input_messages.0.message.role` as lists of objects."""
    roots: dict[str, dict[int, Any]] = {}
    for name, value in a.items():
        if (match := _FLAT.fullmatch(name)) is not None and int(match[2]) < _MAX_NESTED:
            _put(roots.setdefault(match[1], {}).setdefault(int(match[2]), {}), match[3].split("."), value)
    return {name: [_listed(items[at]) for at in sorted(items)] for name, items in roots.items()}


def _put(node: dict[Any, Any], path: list[str], value: Any) -> None:
    for step in path[:-1]:
        inner = node.get(step)
        node = node.setdefault(step, {}) if not isinstance(inner, str | int | float) else {}
    node[path[-1]] = value


def _listed(node: Any) -> Any:
    """Objects whose keys are all numbers are lists."""
    if not isinstance(node, dict):
        return node
    if node and all(str(key).isdigit() for key in node):
        return [_listed(node[key]) for key in sorted(node, key=int)]
    return {key: _listed(value) for key, value in node.items()}


def _attributes(node: dict[str, Any]) -> dict[str, Any]:
    found = node.get("attributes")
    return {
        field["key"]: _otlp(field.get("value"))
        for field in (found if isinstance(found, list) else [])
        if isinstance(field, dict) and isinstance(field.get("key"), str)
    }


def _otlp(value: Any) -> Any:
    return convert(value, "otlp")


def _list(node: Any, name: str) -> list[dict[str, Any]]:
    found = node.get(name) if isinstance(node, dict) else None
    return [item for item in found if isinstance(item, dict)] if isinstance(found, list) else []


def _first(a: dict[str, Any], names: tuple[str, ...]) -> Any:
    return next((a[name] for name in names if a.get(name) not in (None, "")), None)


def _integer(value: Any) -> int | None:
    try:
        return None if value is None or isinstance(value, bool) else int(value)
    except (ValueError, TypeError, OverflowError):
        return None


def _nanoseconds(value: Any) -> int | None:
    """Nanoseconds since 1970; OTLP writes 0 for an instant that nobody gave."""
    found = _integer(value)
    return found if found and 0 < found < 2**63 else None
