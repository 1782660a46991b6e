"""A small OpenAI-compatible server that simulates a judge: chat completions, files and batches.

It lets a newcomer see judged metrics without a key, and with faults switched on it is what the judge is tested against.
Everything it says is marked as simulated. It listens on the loopback address only.
"""

from __future__ import annotations

import asyncio
import hashlib
import threading
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from random import Random
from typing import Any

import orjson

from pipeline.judge.prompt import AGAIN
from pipeline.sample.judge_batches import Batches
from pipeline.sample.judge_faults import Fault, FaultName, FaultPlan
from pipeline.sample.judge_mind import MODEL, NOTICE, Mind, Simulated
from pipeline.sample.truth import SampleTruth
from pipeline.settings_models import ModelEndpoint, Models, Redaction

ERROR_RATE = 0.06
"""Share of answers of the demo's judge that differ from the truth."""
BLOCK_CHARACTERS = 512
"""Characters of one block of the prefix cache: 128 tokens of 4 characters, as providers publish it."""
CACHE_BLOCKS = 8
"""Blocks from which a repeated prefix is billed as cached: 1,024 tokens."""
_REASONS = {200: "OK", 400: "Bad Request", 401: "Unauthorized", 404: "Not Found", 429: "Too Many Requests"}

_AGAIN = AGAIN.partition("{")[0]

Headers = Mapping[str, str]


@dataclass
class Reply:
    """One HTTP response; without a status the connection is cut."""

    status: int | None
    body: bytes = b""
    headers: dict[str, str] = field(default_factory=dict)
    trickle: bool = False


@dataclass
class Count:
    """What the server has seen.

    Attributes:
        requests: chat completions asked for, whatever became of them.
        answered: those that got an answer, which is what a provider bills.
        prompts: how often each distinct prompt was answered.
        tokens: input tokens of answered requests, 4 characters each.
        repeated: of these, tokens in a prefix that was seen before.
        statuses: responses by HTTP status.
        busiest: most requests at once.
    """

    requests: int = 0
    answered: int = 0
    prompts: Counter[str] = field(default_factory=Counter)
    tokens: int = 0
    repeated: int = 0
    statuses: Counter[int] = field(default_factory=Counter)
    busiest: int = 0


class SampleJudge:
    """The server. Use it as a context manager, or call `start` and `stop`.

    Args:
        mind: what answers.
        faults: what goes wrong.
        latency: seconds for one answer, or a function that draws them.
        capacity: completions at once; more get a 429.
        port: 0 takes a free one.

    Attributes:
        scripted: given a request's body, what is sent in place of a simulated answer; None for those that get one.
    """

    def __init__(
        self,
        mind: Mind | None = None,
        faults: Sequence[Fault] = (),
        latency: float | Callable[[], float] = 0.0,
        capacity: int | None = None,
        port: int = 0,
    ) -> None:
        self.mind = mind or Mind()
        self.faults = FaultPlan(faults)
        self.count = Count()
        self.batches = Batches(self._batched)
        self.requests: list[dict[str, Any]] = []
        self.scripted: Callable[[dict[str, Any]], Reply | None] = lambda _: None
        self.keep_requests = False
        self._latency = latency if callable(latency) else lambda: latency
        self._capacity = capacity
        self._port = port
        self._now = 0
        self._blocks: set[bytes] = set()
        self._gone = False
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None
        self._server: asyncio.Server | None = None
        self._connections: set[asyncio.Task[None]] = set()

    @property
    def models(self) -> Models:
        """Settings that let every tier ask this server. Nothing is redacted: no text leaves the machine."""
        endpoint = ModelEndpoint(model=MODEL, base_url=self.base_url, notice=NOTICE)
        redaction = Redaction(
            emails=False, phone_numbers=False, card_numbers=False, accounts=False, network_addresses=False
        )
        return Models(default=endpoint, redaction=redaction)

    @property
    def base_url(self) -> str:
        """What an endpoint's `base_url` is set to."""
        return f"http://127.0.0.1:{self._port}/v1"

    def __enter__(self) -> SampleJudge:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.stop()

    def start(self) -> SampleJudge:
        """Listen, on a thread of its own."""
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="sample judge", daemon=True)
        self._thread.start()
        asyncio.run_coroutine_threadsafe(self._listen(), self._loop).result(10)
        return self

    def stop(self) -> None:
        """Cut every connection and stop listening."""
        if self._loop is None or self._thread is None:
            return
        asyncio.run_coroutine_threadsafe(self._close(), self._loop).result(10)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)
        self._loop.close()
        self._loop = None

    async def _listen(self) -> None:
        self._server = await asyncio.start_server(self._connected, "127.0.0.1", self._port, backlog=1024)
        self._port = self._server.sockets[0].getsockname()[1]

    async def _close(self) -> None:
        if self._server is not None:
            self._server.close()
        for task in list(self._connections):
            task.cancel()
        await asyncio.gather(*self._connections, return_exceptions=True)

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._connections.add(task)
        try:
            while not self._gone:
                method, path, headers, body = await _read_request(reader)
                reply = await self._reply(method, path, headers, body)
                if reply.status is None:
                    break
                self.count.statuses[reply.status] += 1
                await _send(writer, reply)
        except (asyncio.IncompleteReadError, ConnectionError, asyncio.CancelledError, ValueError):
            pass
        finally:
            self._connections.discard(task)
            writer.transport.abort()  # no lingering half-closed connection

    async def _reply(self, method: str, path: str, headers: Headers, body: bytes) -> Reply:
        if (method, path) == ("POST", "/v1/chat/completions"):
            return await self._complete(body)
        if (method, path) == ("GET", "/v1/models"):
            return _json(200, {"object": "list", "data": [{"id": MODEL, "object": "model", "owned_by": NOTICE}]})
        found = self.batches.handle(method, path, headers, body)
        return _error(404, "not_found", f"no {path}") if found is None else Reply(*found)

    async def _complete(self, raw: bytes) -> Reply:
        body = orjson.loads(raw)
        if self.keep_requests:
            self.requests.append(body)
        served, self.count.requests = self.count.requests, self.count.requests + 1
        self._now += 1
        self.count.busiest = max(self.count.busiest, self._now)
        try:
            if self._capacity is not None and self._now > self._capacity:
                return _error(429, "rate_limit_exceeded", "too many requests at once")
            if (reply := self.scripted(body)) is not None:
                self.count.answered += reply.status == 200
                return reply
            fault = self.faults.strikes(body, _prompt(body), served)
            if (early := await self._early(fault)) is not None:
                return early
            if (seconds := self._latency()) > 0:
                await asyncio.sleep(seconds)
            reply = _json(200, self._answer(body, fault))
            reply.trickle = fault == "trickle"
            return reply
        finally:
            self._now -= 1

    async def _early(self, fault: FaultName | None) -> Reply | None:
        """What comes instead of an answer."""
        match fault:
            case "rate_limited":
                return _error(429, "rate_limit_exceeded", "slow down")
            case "rate_limited_retry_after":
                return _error(429, "rate_limit_exceeded", "slow down", {"retry-after": "0.2"})
            case "no_quota":
                return _error(429, "insufficient_quota", "no quota left")
            case "server_error":
                return _error(500, "server_error", "oops")
            case "unavailable":
                return _error(503, "overloaded", "try later")
            case "no_json_schema":
                return _error(400, "unsupported", "'json_schema' is not supported", parameter="response_format")
            case "no_json_object":
                return _error(400, "unsupported", "response_format is not supported by this model")
            case "no_temperature":
                return _error(400, "unsupported_value", "'temperature' does not support 0", parameter="temperature")
            case "no_max_completion_tokens":
                return _error(400, "unsupported", "Unrecognized request argument: max_completion_tokens")
            case "key_revoked":
                return _error(401, "invalid_api_key", "Incorrect API key provided: sk-secretsecretsecret")
            case "unknown_model":
                return _error(404, "model_not_found", "no such model")
            case "not_json":
                return Reply(200, b"<html>bad gateway</html>", {"content-type": "text/html"})
            case "hang":
                await asyncio.sleep(3600)
            case "gone":
                self._gone = True
                if self._server is not None:
                    self._server.close()
                for task in self._connections - {asyncio.current_task()}:
                    task.cancel()
                return Reply(None)
            case "reset":
                return Reply(None)
        return None

    def _answer(self, body: dict[str, Any], fault: FaultName | None) -> dict[str, Any]:
        """A chat completion, as billed."""
        prompt = "\n".join(str(message["content"]) for message in body["messages"])
        tokens, repeated = self._prefix(body, prompt)
        independent = float(body.get("temperature", 0)) >= 1
        simulated = self.mind.answer(str(body["messages"][-1]["content"]), independent=independent)
        self.count.answered += 1
        self.count.prompts[_prompt(body)] += 1
        self.count.tokens += tokens
        self.count.repeated += repeated
        message, finish, reasoning = _message(simulated, fault)
        cached = repeated if repeated >= CACHE_BLOCKS * BLOCK_CHARACTERS // 4 else 0
        written = len(str(message.get("content") or "")) // 4 + reasoning + 1
        choice = {"index": 0, "message": {"role": "assistant", **message}, "finish_reason": finish}
        return {
            "id": f"chatcmpl-{self.count.answered}",
            "object": "chat.completion",
            "created": int(time.time()),
            "model": f"{MODEL} ({NOTICE})",
            "choices": [] if fault == "no_choices" else [choice],
            "usage": {
                "prompt_tokens": tokens,
                "completion_tokens": written,
                "total_tokens": tokens + written,
                "prompt_tokens_details": {"cached_tokens": cached},
                "completion_tokens_details": {"reasoning_tokens": reasoning},
            },
        }

    def _prefix(self, body: dict[str, Any], prompt: str) -> tuple[int, int]:
        """Input tokens, and how many of them stand in a prefix that was seen before. The schema stands first."""
        text = orjson.dumps(body.get("response_format")).decode() + prompt
        state = hashlib.sha256()
        repeated = 0
        still = True
        for start in range(0, len(text) - BLOCK_CHARACTERS + 1, BLOCK_CHARACTERS):
            state.update(text[start : start + BLOCK_CHARACTERS].encode())
            block = state.digest()
            still = still and block in self._blocks
            repeated += BLOCK_CHARACTERS // 4 if still else 0
            self._blocks.add(block)
        return max(len(text) // 4, 1), repeated

    def _batched(self, body: dict[str, Any]) -> tuple[int, dict[str, Any]]:
        """One line of a batch: status and body."""
        served, self.count.requests = self.count.requests, self.count.requests + 1
        fault = self.faults.strikes(body, _prompt(body), served)
        if fault in ("server_error", "unavailable", "rate_limited"):
            return 500, {"error": {"message": "oops", "code": "server_error"}}
        return 200, self._answer(body, fault)


def sample_judge(truth: SampleTruth, error_rate: float = ERROR_RATE) -> SampleJudge:
    """A server that judges the sample by its labels, wrong at a known rate. Start it, then use its `models`."""
    return SampleJudge(Mind(list(truth.conversations.values()), error_rate))


def lognormal(median: float, sigma: float = 0.3, seed: int = 0) -> Callable[[], float]:
    """Latencies in seconds as real servers have them: most near the median, some much longer."""
    rng = Random(seed)  # noqa: S311 - a simulation
    return lambda: median * rng.lognormvariate(0.0, sigma)


def _message(simulated: Simulated, fault: FaultName | None) -> tuple[dict[str, Any], str, int]:
    """Message, finish_reason and reasoning tokens."""
    content = simulated.content
    match fault:
        case "malformed":
            return {"content": content[: len(content) * 2 // 3]}, "stop", 0
        case "truncated":
            return {"content": content[: len(content) // 2]}, "length", 0
        case "reasoned_away":
            return {"content": ""}, "length", 900
        case "refusal":
            return {"content": None, "refusal": "I can't help with that."}, "stop", 0
        case "filtered":
            return {"content": ""}, "content_filter", 0
        case "empty":
            return {"content": "  "}, "stop", 0
        case "wrong_type":
            return {"content": _with_value(content, {"a": "mapping"})}, "stop", 0
        case "unknown_label":
            return {"content": _with_value(content, "no such label")}, "stop", 0
        case "huge":
            return {"content": _with_value(content, 9.2e124)}, "stop", 0
    return {"content": content, "refusal": None}, "stop", 0


def _with_value(content: str, value: Any) -> str:
    return orjson.dumps({**orjson.loads(content), "applicability": "answered", "value": value}).decode()


def _prompt(body: dict[str, Any]) -> str:
    """Digest of a prompt; a question that is asked again with what was wrong is the same one."""
    asked = [str(message["content"]).partition(_AGAIN)[0] for message in body["messages"]]
    return hashlib.sha256(orjson.dumps(asked)).hexdigest()


def _json(status: int, body: dict[str, Any], headers: dict[str, str] | None = None) -> Reply:
    return Reply(status, orjson.dumps(body), {"content-type": "application/json", **(headers or {})})


def _error(
    status: int, code: str, message: str, headers: dict[str, str] | None = None, *, parameter: str | None = None
) -> Reply:
    error = {"message": message, "type": "error", "param": parameter, "code": code}
    return _json(status, {"error": error}, headers)


async def _read_request(reader: asyncio.StreamReader) -> tuple[str, str, Headers, bytes]:
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
    first, *lines = head.split("\r\n")
    method, path, _ = first.split(" ", 2)
    headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines if line)}
    body = await reader.readexactly(int(headers.get("content-length", 0)))
    return method, path.partition("?")[0], headers, body


async def _send(writer: asyncio.StreamWriter, reply: Reply) -> None:
    status = reply.status or 500
    headers = {**reply.headers, "content-length": str(len(reply.body))}
    head = f"HTTP/1.1 {status} {_REASONS.get(status, 'Error')}\r\n"
    head += "".join(f"{name}: {value}\r\n" for name, value in headers.items())
    writer.write(head.encode() + b"\r\n")
    if reply.trickle:
        for byte in reply.body:
            writer.write(bytes([byte]))
            await writer.drain()
            await asyncio.sleep(0.05)
    writer.write(b"" if reply.trickle else reply.body)
    await writer.drain()
