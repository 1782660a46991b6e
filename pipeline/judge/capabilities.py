"""How an endpoint wants to be asked, learned from what it refuses and remembered.

"OpenAI-compatible" servers differ: some refuse `json_schema`, some `temperature`, some know only `max_tokens`, and
reasoning models spend the output limit before they write. One refusal is enough: the request goes out again without
what was refused, and the next run does not try it. A refusal that names nothing, before any answer came, is looked into
with one question of our own (`PROBE`), asked again and again with one thing less, in this order: as it is, without
`prompt_cache_key`, with `max_tokens`, without `temperature`, with `json_object`, without a response format. Where it is
answered as it is, the refusal was about the conversation and nothing is learned. What was learned is forgotten after a
while: servers are upgraded.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any, Literal

from pipeline.judge.prompt import RESPONSE_FORMATS, Request
from pipeline.judge.refusals import Refusal

FORGET_AFTER = timedelta(days=30)
MAX_OUTPUT_TOKENS = 32_768
Mode = Literal["json_schema", "json_object", "text"]

_LADDER: dict[Mode, Mode] = {"json_schema": "json_object", "json_object": "text"}
_OPTIONAL = ("temperature", "prompt_cache_key")
_FORMAT_WORDS = re.compile(r"response_format|json_schema|json_object|guided_json|grammar", re.IGNORECASE)
_TOO_LONG = re.compile(r"context.{0,3}length|maximum context|too many tokens|too long|reduce the length", re.IGNORECASE)


@dataclass(frozen=True)
class Capability:
    """One way of asking.

    Attributes:
        mode: how structure is asked for.
        dropped: optional parameters that were refused.
        tokens_parameter: name of the output limit.
        output_tokens: the output limit itself; grows when answers are cut off.
        proven: whether an answer has arrived this way.
    """

    output_tokens: int
    mode: Mode = "json_schema"
    dropped: frozenset[str] = frozenset()
    tokens_parameter: Literal["max_completion_tokens", "max_tokens"] = "max_completion_tokens"
    proven: bool = False

    def parameters(
        self, request: Request, output_tokens: int | None = None, objection: str | None = None
    ) -> dict[str, Any]:
        """Body of a chat completion; with the objection to an earlier answer, if there was one."""
        optional = {"temperature": request.temperature, "prompt_cache_key": request.prefix.digest[:32]}
        body: dict[str, Any] = {
            "model": request.endpoint.model,
            "messages": request.messages_after(objection),
            self.tokens_parameter: output_tokens or self.output_tokens,
        }
        body |= {name: value for name, value in optional.items() if name not in self.dropped}
        if (response_format := RESPONSE_FORMATS[self.mode]) is not None:
            body["response_format"] = response_format
        return body

    def without(self, refusal: Refusal) -> Capability | None:
        """The next way to ask after a refusal (HTTP 400 or 422); None when it names nothing that can be changed.

        What a field of the refusal names goes first, then what its text names first.
        """
        if _TOO_LONG.search(refusal.text):
            return None
        for told in (" ".join(refusal.parameters), refusal.text):
            named = {name: told.find(name) for name in _OPTIONAL if name in told and name not in self.dropped}
            if self.tokens_parameter == "max_completion_tokens" and "max_completion_tokens" in told:
                named["max_completion_tokens"] = told.find("max_completion_tokens")
            if self.mode in _LADDER and (found := _FORMAT_WORDS.search(told)):
                named["response_format"] = found.start()
            if named:
                return self._changed(min(named, key=named.__getitem__))
        return None

    def ladder(self) -> Iterator[Capability]:
        """What is tried when a refusal does not say what it refuses: this way, then each time with one thing less."""
        yield self
        step = self
        for name in ("prompt_cache_key", "max_completion_tokens", "temperature", "response_format", "response_format"):
            held_back = name in step.dropped or (name, step.tokens_parameter) == ("max_completion_tokens", "max_tokens")
            if not held_back and (name != "response_format" or step.mode in _LADDER):
                step = step._changed(name)
                yield step

    def _changed(self, name: str) -> Capability:
        if name == "max_completion_tokens":
            return replace(self, tokens_parameter="max_tokens")
        if name == "response_format":
            return replace(self, mode=_LADDER[self.mode])
        return replace(self, dropped=self.dropped | {name})

    def with_more_output(self) -> Capability | None:
        """Twice the output limit, for answers that were cut off; None at the end."""
        doubled = min(self.output_tokens * 2, MAX_OUTPUT_TOKENS)
        return replace(self, output_tokens=doubled) if doubled > self.output_tokens else None
