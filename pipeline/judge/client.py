"""One request to an OpenAI-compatible server through the `openai` client, which is imported when it is first used."""

from __future__ import annotations

import asyncio
import json
import logging
import os
import time
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any

import orjson

from pipeline.judge import loop
from pipeline.judge.capabilities import Capability
from pipeline.judge.faults import FaultError, fault_of
from pipeline.judge.parse import parse_answer
from pipeline.judge.prompt import Request
from pipeline.judge.question import Form
from pipeline.judge.tokens import estimate_tokens
from pipeline.settings_models import ModelEndpoint

if TYPE_CHECKING:
    from openai import AsyncOpenAI
    from openai._types import RequestOptions

_NO_KEY = "none"  # the client refuses to start without one; servers without keys ignore it
_KEEPALIVE_SECONDS = 30
_LOOPBACK = ("localhost", "127.0.0.1", "::1")
_UNTOLD = ("Lang", "Package-Version", "OS", "Arch", "Runtime", "Runtime-Version", "Async")
"""What the client says about this machine with each request, which takes it an eighth of its processor time."""


@dataclass(frozen=True, slots=True)
class Received:
    """What one request brought back, and what it cost.

    Attributes:
        outcome: answered, refused, empty, truncated or malformed.
        raw: the text as it came.
        mode: how structure was asked for.
        seconds: from request to answer.
    """

    outcome: str
    raw: str
    finish_reason: str | None
    returned_model: str | None
    mode: str
    tokens_in: int
    tokens_cached: int
    tokens_out: int
    tokens_reasoning: int
    cost_usd: float
    seconds: float


def client_of(endpoint: ModelEndpoint) -> AsyncOpenAI:
    """The one client of this process for an endpoint. Belongs to the event loop of `judge.loop`.

    The key is read from the environment each time, so that a new key works without a restart.

    Raises:
        FaultError: the variable that should hold the key is not set.
    """
    key = os.environ.get(endpoint.key_variable, "") if endpoint.key_variable else _NO_KEY
    if not key:
        raise FaultError("endpoint", f"the environment variable {endpoint.key_variable} is not set")
    return _client(endpoint.base_url, key)


@cache
def _client(base_url: str, key: str) -> AsyncOpenAI:
    """Over aiohttp, which takes a third less processor time a call than the client's own transport.

    The number of connections is not limited here: the limiter counts requests. A proxy that the environment names is
    used, but not for this machine.
    """
    import httpx2
    from openai import AsyncOpenAI, DefaultAioHttpClient, Omit

    for name in ("openai", "httpx2", "aiohttp"):  # at debug level they would log the messages
        logging.getLogger(name).setLevel(logging.WARNING)
    limits = httpx2.Limits(max_connections=0, keepalive_expiry=_KEEPALIVE_SECONDS)
    http = DefaultAioHttpClient(limits=limits, trust_env=httpx2.URL(base_url).host not in _LOOPBACK)
    untold: dict[str, Any] = {f"X-Stainless-{name}": Omit() for name in _UNTOLD}
    client = AsyncOpenAI(base_url=base_url, api_key=key, max_retries=0, http_client=http, default_headers=untold)
    loop.at_exit(client.close)
    return client


async def send(request: Request, capability: Capability, output_tokens: int | None = None) -> Received:
    """Ask once.

    Raises:
        FaultError: no answer came.
    """
    endpoint = request.endpoint
    started = time.perf_counter()
    try:
        client = client_of(endpoint)
        async with asyncio.timeout(endpoint.timeout_seconds):  # of the whole answer: a trickle does not extend it
            completion = await _complete(client, capability.parameters(request, output_tokens))
    except Exception as error:
        raise fault_of(error, endpoint.key_variable) from None  # the chain would carry the request's text
    return received(
        completion, endpoint, request.form, request.tokens_in, capability.mode, time.perf_counter() - started
    )


async def _complete(client: AsyncOpenAI, body: dict[str, Any]) -> Any:
    """A chat completion as parsed JSON.

    `chat.completions.create` would walk through the body and build an object for every part of the answer, which
    together take a third of the processor time of a call.
    """
    import httpx2

    options: RequestOptions = {"timeout": None, "security": {"bearer_auth": True}}
    content = orjson.dumps(body)
    response = await client.post("/chat/completions", cast_to=httpx2.Response, content=content, options=options)
    try:
        return json.loads(response.content)  # orjson refuses what some servers send: NaN, half of a surrogate pair
    except (ValueError, RecursionError):
        raise FaultError("transient", "a response that is no chat completion") from None


def received(
    completion: Any,
    endpoint: ModelEndpoint,
    form: Form,
    tokens_in: int,
    mode: str,
    seconds: float,
    discount: float = 0.0,
) -> Received:
    """Read a chat completion, of which a server may have left out any part.

    Args:
        completion: JSON of a response, or of a line of a batch.
        endpoint: who was asked.
        form: of the answer that was asked for.
        tokens_in: estimate, for servers that do not count.
        mode: how structure was asked for.
        seconds: from request to answer.
        discount: share of the price that is saved.

    Raises:
        FaultError: the response is no chat completion at all.
    """
    choices = _field(completion, "choices")
    if not isinstance(choices, list):
        raise FaultError("transient", "a response that is no chat completion")
    choice = choices[0] if choices else None
    message = _field(choice, "message")
    content, refusal = _field(message, "content"), _field(message, "refusal")
    raw = content if isinstance(content, str) else ""
    finish = _field(choice, "finish_reason")
    counts = _usage(_field(completion, "usage"), tokens_in, raw)
    model = _field(completion, "model")
    return Received(
        outcome=_outcome(raw, refusal, finish, form),
        raw=raw or (refusal if isinstance(refusal, str) else ""),
        finish_reason=finish if isinstance(finish, str) else None,
        returned_model=model if isinstance(model, str) else None,
        mode=mode,
        **counts,
        cost_usd=_cost(endpoint, counts) * (1 - discount),
        seconds=seconds,
    )


def _field(of: Any, name: str) -> Any:
    return of.get(name) if isinstance(of, dict) else None


def _outcome(raw: str, refusal: Any, finish: Any, form: Form) -> str:
    if refusal or finish == "content_filter":
        return "refused"
    if finish == "length":
        return "truncated"
    if not raw.strip():
        return "empty"
    return "malformed" if parse_answer(raw, form) is None else "answered"


def _usage(usage: Any, estimated_in: int, raw: str) -> dict[str, int]:
    """Tokens as billed; estimated where a server does not count."""

    def count(of: Any, name: str) -> int | None:
        found = _field(of, name)
        return found if isinstance(found, int) and found >= 0 else None

    tokens_in, tokens_out = count(usage, "prompt_tokens"), count(usage, "completion_tokens")
    tokens_in = estimated_in if tokens_in is None else tokens_in
    return {
        "tokens_in": tokens_in,
        "tokens_cached": min(count(_field(usage, "prompt_tokens_details"), "cached_tokens") or 0, tokens_in),
        "tokens_out": estimate_tokens(raw) if tokens_out is None else tokens_out,
        "tokens_reasoning": count(_field(usage, "completion_tokens_details"), "reasoning_tokens") or 0,
    }


def _cost(endpoint: ModelEndpoint, counts: dict[str, int]) -> float:
    fresh = counts["tokens_in"] - counts["tokens_cached"]
    dollars = fresh * endpoint.usd_in + counts["tokens_cached"] * endpoint.cached_price
    return (dollars + counts["tokens_out"] * endpoint.usd_out) / 1_000_000
