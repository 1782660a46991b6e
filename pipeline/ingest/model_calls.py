"""What calls of models and tools say about a conversation: each word once, although every call repeats the history."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import orjson

from pipeline.ingest.messages import Message, ToolCall, ToolResult

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_REMEMBERED = 10_000  # conversations of one file


@dataclass
class Call:
    """One call of a model, a tool or an agent, whoever reported it.

    Attributes:
        kind: `model`, `tool`, or the agent's operation.
        id: unique; ids of events are made of it.
        heard_at: nanoseconds since 1970 at which the words that it answers were said, where that is known.
        started, ended: nanoseconds since 1970.
        facts: fields of the event: tokens, model, and so on; those that are None are left out.
        asked: all messages that were sent.
        answer: the model's message; None where it gave none.
        tool: call and result of a tool's own report.
        names_tools: whether the tools of this conversation report themselves.
    """

    kind: str
    id: str
    conversation: str
    service: str | None = None
    participant: str | None = None
    heard_at: int | None = None
    started: int | None = None
    ended: int | None = None
    facts: dict[str, Any] = field(default_factory=dict)
    asked: list[Message] = field(default_factory=list)
    answer: Message | None = None
    tool: tuple[ToolCall, ToolResult] | None = None


@dataclass
class _Known:
    """What has been said in a conversation so far.

    Attributes:
        waiting: words since the last answer in words, each as role and text.
        prompts: texts of system messages.
        calls: names of the tools that were called, by the id of the call.
        open: ids of calls without a result, in their order.
        results: ids of results.
        ended: when the latest call of the model ended.
    """

    waiting: list[tuple[str, str]] = field(default_factory=list)
    prompts: set[str] = field(default_factory=set)
    calls: dict[str, str | None] = field(default_factory=dict)
    open: list[str] = field(default_factory=list)
    results: set[str] = field(default_factory=set)
    ended: int | None = None


class Memory:
    """Turns the calls of a file into events, remembering what each conversation has heard."""

    def __init__(self) -> None:
        self._known: dict[str, _Known] = {}

    def events(self, calls: Sequence[Call]) -> Iterator[dict[str, Any]]:
        """The events of these calls, in the order in which the calls began.

        Args:
            calls: of one document.
        """
        own_ids: set[tuple[str, str | None]] = {
            (call.conversation, call.tool[0].id) for call in calls if call.tool is not None and call.tool[0].id
        }
        own_names = Counter(
            (call.conversation, call.tool[0].name) for call in calls if call.tool and not call.tool[0].id
        )
        reported = _Reported(own_ids, own_names)
        for call in sorted(calls, key=lambda one: one.started or 0):
            if call.kind == "tool":
                yield from _tool(call)
            elif call.kind == "model":
                yield from self._model(call, reported)
            else:
                yield _event(call, f"agent.{call.kind}", call.id, call.started, call.facts)

    def _model(self, call: Call, reported: _Reported) -> Iterator[dict[str, Any]]:
        known = self._known.pop(call.conversation, None) or _Known()
        self._known[call.conversation] = known  # the latest stands last
        if len(self._known) > _REMEMBERED:
            self._known.pop(next(iter(self._known)))
        yield from self._heard(call, known, reported)
        known.ended = call.ended or call.started
        yield _event(call, "model.call", call.id, call.started, call.facts)
        if call.answer is None:
            return
        if call.answer.text.strip():
            known.waiting.clear()
            data = {"text": call.answer.text, "engine_ms": call.facts.get("duration_ms")}
            if call.facts.get("interrupted"):
                data["interrupted"] = True
            yield _event(call, "agent.turn", f"{call.id}/output", call.ended, data, call.participant or "agent")
        yield from _asked_tools(call, call.answer.calls, call.ended, known, reported)

    def _heard(self, call: Call, known: _Known, reported: _Reported) -> Iterator[dict[str, Any]]:
        """What of the messages that were sent is new: what follows the model's last words, and was not sent before."""
        said_at = call.heard_at or call.started
        last_answer = max(
            (at for at, message in enumerate(call.asked) if message.role == "assistant" and message.text.strip()),
            default=-1,
        )
        last_words = max(
            (at for at, message in enumerate(call.asked) if message.role == "user" and message.text), default=-1
        )
        waiting, place = list(known.waiting), 0
        for at, message in enumerate(call.asked):
            if message.role == "system" and message.text.strip() and message.text not in known.prompts:
                known.prompts.add(message.text)
                yield _event(call, "system.turn", f"{call.id}/input/{at}", said_at, {"text": message.text}, "system")
            if at > last_answer and message.role == "user" and message.text.strip():
                if place < len(waiting) and waiting[place] == ("user", message.text):
                    place += 1  # sent again after a call that gave no answer
                else:
                    known.waiting.append(("user", message.text))
                    yield _event(call, "user.turn", f"{call.id}/input/{at}", said_at, {"text": message.text}, "user")
            if at > last_words or at > last_answer:
                # Where the answer did not show what it asked for, it was asked when that answer ended.
                yield from _asked_tools(call, message.calls, known.ended or said_at, known, reported)
                for place_in, result in enumerate(message.results):
                    yield from _answered_tool(call, result, f"{call.id}/{at}/{place_in}", known, reported)


@dataclass
class _Reported:
    """Tools that report their calls themselves, by id, or by name where they know none."""

    ids: set[tuple[str, str | None]]
    names: Counter[tuple[str, str | None]]

    def holds(self, call: Call, id_: str | None, name: str | None) -> bool:
        if (call.conversation, id_) in self.ids:
            return True
        if name is None:
            return any(conversation == call.conversation for conversation, _ in self.names)
        return (call.conversation, name) in self.names


def _asked_tools(
    call: Call, asked: Sequence[ToolCall], at: int | None, known: _Known, reported: _Reported
) -> Iterator[dict[str, Any]]:
    for place, tool in enumerate(asked):
        key = tool.id or f"{call.id}/{place}"
        if key in known.calls or reported.holds(call, tool.id, tool.name):
            continue
        known.calls[key] = tool.name
        known.open.append(key)
        data = {"name": tool.name, "call_id": key, "arguments": tool.arguments}
        # What the answer itself says is better than what a later request repeats of it.
        said = _event(call, "tool.call", _made(call, "call", key), at, data)
        yield {**said, "version": int(call.answer is not None and asked is call.answer.calls)}


def _answered_tool(
    call: Call, result: ToolResult, place: str, known: _Known, reported: _Reported
) -> Iterator[dict[str, Any]]:
    """A result belongs to the call of its id; where no call has that id, or it has none, to the oldest without one."""
    seen = result.id or place
    if seen in known.results or reported.holds(call, result.id, result.name):
        return
    known.results.add(seen)
    key = seen if seen in known.calls or not known.open else known.open[0]
    if key in known.open:
        known.open.remove(key)
    data = {**_result(result), "name": result.name or known.calls.get(key), "call_id": key}
    yield _event(call, "tool.result", _made(call, "result", key), call.started, data)


def _tool(call: Call) -> Iterator[dict[str, Any]]:
    assert call.tool is not None
    asked, result = call.tool
    id_ = asked.id or call.id
    yield _event(
        call,
        "tool.call",
        f"{call.id}/call",
        call.started,
        {"name": asked.name, "call_id": id_, "arguments": asked.arguments},
    )
    answered = {**_result(result), "name": asked.name, "call_id": id_}
    yield _event(call, "tool.result", f"{call.id}/result", call.ended, {**answered, **call.facts})


def _result(result: ToolResult) -> dict[str, Any]:
    return {
        "call_id": result.id,
        "name": result.name,
        "result": result.result,
        "succeeded": result.succeeded,
        "error": result.error,
    }


def _made(call: Call, kind: str, key: str) -> str:
    """Ids that tools and providers choose are unique in their conversation only."""
    return hashlib.sha256(orjson.dumps([call.conversation, kind, key])).hexdigest()[:32]


def _event(
    call: Call, kind: str, id_: str, at: int | None, data: dict[str, Any], participant: str | None = None
) -> dict[str, Any]:
    return {
        "event_type": kind,
        "event_id": id_,
        "conversation_id": call.conversation,
        "service_id": call.service,
        "participant": participant or call.participant or "agent",
        "occurred_at": None if at is None else (_EPOCH + timedelta(microseconds=at // 1000)).isoformat(),
        "version": 1,
        "data": {name: value for name, value in data.items() if value is not None},
    }
