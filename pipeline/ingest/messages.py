"""Messages of language models in one form, whichever API or instrumentation wrote them down.

Read are: OpenAI's chat completions and Responses items, Anthropic's content blocks, the parts of OpenTelemetry's GenAI
conventions and its events of 2024, OpenInference's flat attributes once they are nested, and the Vercel AI SDK's parts.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import orjson

_ROLES = {
    "assistant": "assistant",
    "model": "assistant",
    "ai": "assistant",
    "agent": "assistant",
    "user": "user",
    "human": "user",
    "system": "system",
    "developer": "system",
    "tool": "tool",
    "function": "tool",
}
_CUT_OFF = re.compile(r"\s*(\[\s*\{|\{\s*\")")
_TEXTS = ("text", "input_text", "output_text")


@dataclass
class ToolCall:
    """What the model asked a tool to do."""

    id: str | None
    name: str | None
    arguments: Any


@dataclass
class ToolResult:
    """What a tool gave back; `failed` is None where the message does not say."""

    id: str | None
    name: str | None
    result: Any
    failed: bool | None = None

    @property
    def error(self) -> str | None:
        """The words of a failure: an answer that is an object with `error` says that the tool failed."""
        if isinstance(self.result, dict) and self.result.get("error"):
            error = self.result["error"]
            return error if isinstance(error, str) else orjson.dumps(error).decode()
        if self.failed:
            return self.result if isinstance(self.result, str) else orjson.dumps(self.result).decode()
        return None

    @property
    def succeeded(self) -> bool | None:
        """Whether it worked, where that is said."""
        return False if self.error is not None else None if self.failed is None else not self.failed


@dataclass
class Message:
    """One message: its words, and the tools that it calls or that answer in it."""

    role: str
    text: str = ""
    calls: list[ToolCall] = field(default_factory=list)
    results: list[ToolResult] = field(default_factory=list)


def read_messages(value: Any) -> list[Message]:
    """The messages of a list, of its JSON text, or of a text that one person said; others give none."""
    found = parsed(value)
    if isinstance(found, str):
        return [] if says_nothing(found) else [Message("user", found)]
    if isinstance(found, dict):
        found = found.get("messages", found.get("input", [found] if "role" in found or "message" in found else []))
        if isinstance(found, str):
            return [Message("user", found)]
    if not isinstance(found, list):
        return []
    return [message for item in found if isinstance(item, dict) for message in _read(item)]


def says_nothing(text: str) -> bool:
    """Whether it is blank, or JSON that was cut off, which is nobody's words."""
    return not text.strip() or _CUT_OFF.match(text) is not None


def parsed(value: Any) -> Any:
    """JSON text as what it says; any other text as it is."""
    if not isinstance(value, str):
        return value
    try:
        return orjson.loads(value)
    except orjson.JSONDecodeError:
        return value


def _read(item: dict[str, Any]) -> Iterator[Message]:
    if isinstance(item.get("message"), dict):  # gen_ai.choice, OpenInference
        yield from _read({"role": item.get("role") or "assistant", **item["message"]})
        return
    match item.get("type"):
        case "function_call" | "custom_tool_call":
            arguments = parsed(item.get("arguments", item.get("input")))
            yield Message("assistant", calls=[ToolCall(item.get("call_id"), item.get("name"), arguments)])
            return
        case "function_call_output" | "custom_tool_call_output":
            yield Message("tool", results=[ToolResult(item.get("call_id"), None, parsed(item.get("output")))])
            return
        case "reasoning" | "item_reference":
            return
    role = _ROLES.get(str(item.get("role", "")).lower())
    if role is None:
        return
    message = Message(role)
    content = item.get("parts", item.get("content", item.get("contents")))
    if role == "tool" and not _has_results(content):
        id_ = item.get("tool_call_id") or item.get("id")
        result = _text(content) if isinstance(content, list) else content
        message.results.append(ToolResult(id_, item.get("name"), parsed(result)))
    else:
        _take(message, content)
    calls = parsed(item.get("tool_calls"))
    for call in calls if isinstance(calls, list) else []:
        if isinstance(call, dict):
            message.calls.append(_call(call.get("tool_call", call)))
    old = item.get("function_call")
    if isinstance(old, dict):
        message.calls.append(ToolCall(None, old.get("name"), parsed(old.get("arguments"))))
    if not message.text and isinstance(item.get("refusal"), str):
        message.text = item["refusal"]
    yield message


def _call(call: dict[str, Any]) -> ToolCall:
    nested = (call.get("function"), call.get("custom"))
    inner: dict[str, Any] = next((one for one in nested if isinstance(one, dict)), call)
    arguments = next((inner[name] for name in ("arguments", "input", "args") if inner.get(name) is not None), None)
    name = inner.get("name") or call.get("toolName")
    return ToolCall(call.get("id") or call.get("toolCallId"), name, parsed(arguments))


def _has_results(content: Any) -> bool:
    kinds = ("tool_call_response", "tool_result", "tool-result")
    return isinstance(content, list) and any(isinstance(part, dict) and part.get("type") in kinds for part in content)


def _take(message: Message, content: Any) -> None:
    """Add the words, calls and results that a message's content holds."""
    if not isinstance(content, list):
        message.text = _text(content)
        return
    message.text = _text(content)
    for part in content:
        if not isinstance(part, dict):
            continue
        match part.get("type"):
            case "tool_call" | "tool_use" | "tool-call" | "server_tool_use":
                message.calls.append(_call({**part, "name": part.get("name") or part.get("toolName")}))
            case "tool_call_response":
                result = parsed(part.get("response", part.get("result")))
                message.results.append(ToolResult(part.get("id"), part.get("name"), result))
            case "tool_result":
                inner = part.get("content")
                result = parsed(_text(inner) if isinstance(inner, list) else inner)
                failed = bool(part.get("is_error"))
                message.results.append(ToolResult(part.get("tool_use_id"), None, result, failed))
            case "tool-result":
                output = part.get("output", part.get("result"))
                kind = output.get("type", "") if isinstance(output, dict) else ""
                result = output.get("value") if isinstance(output, dict) and "value" in output else output
                failed_word = True if kind.startswith("error") or part.get("isError") else None
                message.results.append(
                    ToolResult(part.get("toolCallId"), part.get("toolName"), parsed(result), failed_word)
                )


def _text(content: Any) -> str:
    """The words of a content: itself, or those of its parts, one a line."""
    if isinstance(content, str):
        return content
    if not isinstance(content, list):
        return ""
    texts = []
    for part in content:
        if isinstance(part, dict) and isinstance(part.get("message_content"), dict):  # OpenInference
            part = part["message_content"]
        if isinstance(part, str):
            texts.append(part)
        elif isinstance(part, dict) and part.get("type", "text") in _TEXTS:
            text = part.get("text", part.get("content"))
            texts.append(text if isinstance(text, str) else "")
    return "\n".join(text for text in texts if text)
