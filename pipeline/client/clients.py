"""The two clients: the same calls, waited for or awaited."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import UTC, datetime
from functools import wraps
from pathlib import Path
from types import TracebackType
from typing import Any, Concatenate, ParamSpec, Self, TypeVar

import httpx2
import orjson

from pipeline.client import calls
from pipeline.client.calls import Call
from pipeline.client.errors import RefusedError, UnreachableError
from pipeline.client.spool import Spool
from pipeline.errors import UserError
from pipeline.whole_file import replacing

Given = ParamSpec("Given")
Answer = TypeVar("Answer")

WORKSPACE = "00000000-0000-4000-8000-000000000001"
_SECONDS = 60.0
_AWAY = (429, 502, 503, 504)


def _waiting(build: Callable[Given, Call[Answer]]) -> Callable[Concatenate[MetricStore, Given], Answer]:
    @wraps(build)
    def send(self: MetricStore, /, *args: Given.args, **kwargs: Given.kwargs) -> Answer:
        return self.send(build(*args, **kwargs))

    return send


def _awaiting(
    build: Callable[Given, Call[Answer]],
) -> Callable[Concatenate[AsyncMetricStore, Given], Awaitable[Answer]]:
    @wraps(build)
    async def send(self: AsyncMetricStore, /, *args: Given.args, **kwargs: Given.kwargs) -> Answer:
        return await self.send(build(*args, **kwargs))

    return send


class MetricStore:
    """A metric store over HTTP.

    Args:
        url: of the server, for example `http://localhost:8321`.
        key: `ms_…`; None for a server in single-user mode.
        workspace_id: the key's workspace.
        spool: folder in which events wait while the server is away; None to raise instead.
        timeout: seconds to wait for an answer to begin or go on; default 60, for an export an hour.
    """

    def __init__(
        self,
        url: str,
        key: str | None = None,
        workspace_id: str = WORKSPACE,
        *,
        spool: str | Path | None = None,
        timeout: float | None = None,
    ) -> None:
        self._http = httpx2.Client(base_url=_address(url), headers=_authorization(key), timeout=timeout or _SECONDS)
        self._patient = timeout is None
        self._prefix = f"/v1/{workspace_id}"
        self._spool = None if spool is None else Spool(Path(spool))
        # Requests by path, for whatever has no method of its own.
        self.get, self.put, self.post = self._http.get, self._http.put, self._http.post
        self.patch, self.delete = self._http.patch, self._http.delete

    settings = _waiting(calls.settings)
    define = _waiting(calls.define)
    catalog = _waiting(calls.catalog)
    latest = _waiting(calls.latest)
    history = _waiting(calls.history)
    trend = _waiting(calls.trend)
    values = _waiting(calls.values)
    breakdown = _waiting(calls.breakdown)
    evaluate = _waiting(calls.evaluate)
    conversations = _waiting(calls.conversations)
    conversation = _waiting(calls.conversation)
    runs = _waiting(calls.runs)
    coverage = _waiting(calls.coverage)
    checks = _waiting(calls.checks)
    status = _waiting(calls.status)
    definitions = _waiting(calls.definitions)
    query = _waiting(calls.query)

    def send_events(self, batch: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
        """Send canonical events or CloudEvents, after those that wait in the spool.

        Returns:
            `accepted` and `refused`; `spooled` when the server is away and the events wait on this machine's disk.

        Raises:
            RefusedError: none of the events can be accepted.
            UnreachableError: the server is away and there is no spool.
        """
        call = calls.events(batch)
        try:
            self.flush()
            return self.send(call)
        except (UnreachableError, RefusedError) as error:
            if self._spool is None or (isinstance(error, RefusedError) and error.status not in _AWAY):
                raise
            self._spool.add(call.content or b"")
            return {"accepted": 0, "refused": [], "spooled": len(batch)}

    def write_metric(
        self, conversation_id: str, name: str, value: float | str | bool | None = None, *, write_once: bool = False
    ) -> dict[str, Any]:
        """Record what an agent says about its own conversation."""
        return self.send_events([calls.written(conversation_id, name, value, write_once, datetime.now(UTC))])

    def flush(self) -> int:
        """Send what waits in the spool.

        Returns:
            How many batches were sent.
        """
        return 0 if self._spool is None else self._spool.drain(self._send_spooled)

    def _send_spooled(self, batch: bytes) -> None:
        events = [orjson.loads(line) for line in batch.splitlines()]
        try:
            self.send(calls.events(events))
        except RefusedError as error:
            if error.status != 422:  # a batch that will never be accepted must not hold up those behind it
                raise

    def send(self, call: Call[Answer]) -> Answer:
        """Send any call.

        Raises:
            RefusedError: the server answered that it will not do it.
            UnreachableError: no answer came.
        """
        try:
            got = self._http.request(call.method, self._prefix + call.path, **_arguments(call))
        except httpx2.RequestError as error:
            raise _unreachable(self._http.base_url, error) from None
        return _read(call, got)

    def download(self, call: Call[Answer], target: Path) -> Answer:
        """Write the body of an answer to a file, piece by piece; an interrupted one leaves the old file or none.

        Raises:
            RefusedError: the server answered that it will not do it.
            UnreachableError: no answer came, or not all of it.
            UserError: the file cannot be written.
        """
        wait = call.patience if self._patient else None
        timeout = self._http.timeout if wait is None else httpx2.Timeout(_SECONDS, read=wait)
        try:
            with (
                replacing(target) as fresh,
                self._http.stream(call.method, self._prefix + call.path, **_arguments(call), timeout=timeout) as got,
            ):
                if not got.is_success:
                    got.read()
                    return _read(call, got)
                with fresh.open("xb") as file:
                    for piece in got.iter_bytes():
                        file.write(piece)
                return _read(call, got)
        except httpx2.RequestError as error:
            raise _unreachable(self._http.base_url, error) from None
        except OSError as error:
            raise UserError(f"Cannot write {target}: {error.strerror or error}.") from error

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


class AsyncMetricStore:
    """The same for asynchronous programs; arguments as for `MetricStore`."""

    def __init__(
        self,
        url: str,
        key: str | None = None,
        workspace_id: str = WORKSPACE,
        *,
        spool: str | Path | None = None,
        timeout: float | None = None,
    ) -> None:
        self._http = httpx2.AsyncClient(
            base_url=_address(url), headers=_authorization(key), timeout=timeout or _SECONDS
        )
        self._prefix = f"/v1/{workspace_id}"
        self._intake = MetricStore(url, key, workspace_id, spool=spool, timeout=timeout)

    settings = _awaiting(calls.settings)
    define = _awaiting(calls.define)
    catalog = _awaiting(calls.catalog)
    latest = _awaiting(calls.latest)
    history = _awaiting(calls.history)
    trend = _awaiting(calls.trend)
    values = _awaiting(calls.values)
    breakdown = _awaiting(calls.breakdown)
    evaluate = _awaiting(calls.evaluate)
    conversations = _awaiting(calls.conversations)
    conversation = _awaiting(calls.conversation)
    runs = _awaiting(calls.runs)
    coverage = _awaiting(calls.coverage)
    checks = _awaiting(calls.checks)
    status = _awaiting(calls.status)
    definitions = _awaiting(calls.definitions)
    query = _awaiting(calls.query)

    async def send_events(self, batch: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
        """As `MetricStore.send_events`; files and network are waited for in a thread."""
        return await asyncio.to_thread(self._intake.send_events, batch)

    async def write_metric(
        self, conversation_id: str, name: str, value: float | str | bool | None = None, *, write_once: bool = False
    ) -> dict[str, Any]:
        """Record what an agent says about its own conversation."""
        return await asyncio.to_thread(self._intake.write_metric, conversation_id, name, value, write_once=write_once)

    async def send(self, call: Call[Answer]) -> Answer:
        """Send any call.

        Raises:
            RefusedError: the server answered that it will not do it.
            UnreachableError: no answer came.
        """
        try:
            got = await self._http.request(call.method, self._prefix + call.path, **_arguments(call))
        except httpx2.RequestError as error:
            raise _unreachable(self._http.base_url, error) from None
        return _read(call, got)

    async def aclose(self) -> None:
        """Close the connections."""
        self._intake.close()
        await self._http.aclose()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()


def _address(url: str) -> httpx2.URL:
    try:
        return httpx2.URL(url)
    except httpx2.InvalidURL as error:
        raise UserError(
            f"The address of the server is no URL ({error}); write for example http://localhost:8321."
        ) from None


def _authorization(key: str | None) -> dict[str, str]:
    if key and not (key.isascii() and key.isprintable()):
        raise UserError("The key holds characters that no key has; copy it anew.")
    return {} if not key else {"Authorization": f"Bearer {key}"}


def _arguments(call: Call[Any]) -> dict[str, Any]:
    headers = {"Content-Type": "application/json"} if call.content is not None else {}
    return {"params": call.params, "content": call.content, "headers": {**headers, **call.headers}}


def _read(call: Call[Answer], got: httpx2.Response) -> Answer:
    if got.is_success:
        try:
            return call.read(got)
        except (ValueError, KeyError, TypeError):  # of pydantic and orjson, too
            raise UnreachableError(
                f"What answers at {got.url.host} is no metric store of this version; look at the address."
            ) from None
    try:
        detail = orjson.loads(got.content)["detail"]
    except (orjson.JSONDecodeError, KeyError, TypeError):
        detail = got.text[:300]
    wait = got.headers.get("retry-after", "")
    raise RefusedError(got.status_code, detail, float(wait) if wait.isdigit() else None)


def _unreachable(url: httpx2.URL, error: Exception) -> UnreachableError:
    address = url.copy_with(username=None, password=None)
    why = str(error) or type(error).__name__
    return UnreachableError(f"No answer from {address} ({why}). Is `metric-store serve` running there?")
