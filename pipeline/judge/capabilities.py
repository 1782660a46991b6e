"""How an endpoint wants to be asked, learned from what it refuses and remembered.

"OpenAI-compatible" servers differ: some refuse `json_schema`, some `temperature`, some know only `max_tokens`, and
reasoning models spend the output limit before they write. One refusal is enough: the request goes out again without
what was refused, and the next run does not try it. What was learned is forgotten after a while: servers are upgraded.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any, Literal

from pipeline.judge.prompt import RESPONSE_FORMATS, Request

FORGET_AFTER = timedelta(days=30)
MAX_OUTPUT_TOKENS = 32_768
Mode = Literal["json_schema", "json_object", "text"]

_LADDER: dict[Mode, Mode] = {"json_schema": "json_object", "json_object": "text"}
_OPTIONAL = ("temperature", "prompt_cache_key")
_FORMAT_WORDS = re.compile(r"response_format|json_schema|json_object|structured.output|guided|grammar", re.IGNORECASE)
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

    def without(self, refusal: str, parameter: str | None) -> Capability | None:
        """The next way to ask after a refusal (HTTP 400 or 422); None when nothing that can be changed was refused.

        Args:
            refusal: the server's message.
            parameter: the parameter it names, if it does.
        """
        told = f"{parameter or ''} {refusal}"
        if _TOO_LONG.search(refusal):
            return None
        for name in _OPTIONAL:
            if name in told and name not in self.dropped:
                return replace(self, dropped=self.dropped | {name})
        if self.tokens_parameter in told and self.tokens_parameter == "max_completion_tokens":
            return replace(self, tokens_parameter="max_tokens")
        if self.mode in _LADDER and (_FORMAT_WORDS.search(told) or not self.proven):
            return replace(self, mode=_LADDER[self.mode])
        return None

    def with_more_output(self) -> Capability | None:
        """Twice the output limit, for answers that were cut off; None at the end."""
        doubled = min(self.output_tokens * 2, MAX_OUTPUT_TOKENS)
        return replace(self, output_tokens=doubled) if doubled > self.output_tokens else None
