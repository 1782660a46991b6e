"""One request to an OpenAI-compatible server through the `openai` client, which is imported when it is first used."""

from __future__ import annotations

import asyncio
import json
import logging
import os
import time
from functools import cache
from typing import TYPE_CHECKING, Any

import orjson

from pipeline.judge import loop
from pipeline.judge.capabilities import Capability
from pipeline.judge.completion import Received, received
from pipeline.judge.faults import FaultError, fault_in, fault_of
from pipeline.judge.prompt import Request
from pipeline.settings_models import ModelEndpoint

if TYPE_CHECKING:
    from openai import AsyncOpenAI
    from openai._types import RequestOptions

_NO_KEY = "none"  # the client refuses to start without one; servers without keys ignore it
_KEEPALIVE_SECONDS = 30
_LOOPBACK = ("localhost", "127.0.0.1", "::1")
_UNTOLD = ("Lang", "Package-Version", "OS", "Arch", "Runtime", "Runtime-Version", "Async")
"""What the client says about this machine with each request, which takes it an eighth of its processor time."""


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


async def send(
    request: Request, capability: Capability, output_tokens: int | None = None, objection: str | None = None
) -> Received:
    """Ask once.

    Args:
        request: what to ask.
        capability: how.
        output_tokens: limit of this answer, when it is not that of the capability.
        objection: what was wrong with an earlier answer.

    Raises:
        FaultError: no answer came.
    """
    endpoint = request.endpoint
    started = time.perf_counter()
    try:
        client = client_of(endpoint)
        async with asyncio.timeout(endpoint.timeout_seconds):  # of the whole answer: a trickle does not extend it
            completion = await _complete(client, capability.parameters(request, output_tokens, objection))
    except Exception as error:
        raise fault_of(error, endpoint.key_variable) from None  # the chain would carry the request's text
    if (fault := fault_in(completion, endpoint.key_variable)) is not None:
        raise fault
    seconds = time.perf_counter() - started
    return received(completion, endpoint, request.form, request.tokens_in, capability.mode, seconds)


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
