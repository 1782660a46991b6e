"""Runs queries in processes of their own: few at once, fewer of one key, each killed at its deadline.

A process answers one query and ends, so nothing of a query outlives it. One that has loaded what it needs waits ready
for each place.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from collections import defaultdict
from collections.abc import AsyncIterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from typing import Any

from pipeline.errors import ExpressionError, StoreUnavailableError, TooManyRequestsError
from pipeline.reports.readable import Rights
from pipeline.reports.sql_copies import Lease, SqlCopies

_BOOTSTRAP = (
    "import json, sys; sys.path[:] = json.loads(sys.argv[1]); from pipeline.reports.sql_worker import main; main()"
)
_STARTING_SECONDS = 60.0
_MOST_WAITING = 16
_LINE = 2**16
_REFUSED = b'{"refused"'
TOO_MUCH_MEMORY = "The query needs more memory than one may use. Ask for less."
_AT_ONCE = 2
"""Copies that are made at once."""


@dataclass(frozen=True)
class SqlLimits:
    """What queries may take.

    Attributes:
        processes: queries at once.
        for_each_key: queries of one key at once.
        seconds: of one query, parsing included, the copies that it reads from excluded.
        memory: bytes of one query.
        most_bytes: of one answer.
    """

    processes: int
    for_each_key: int
    seconds: float
    memory: int
    most_bytes: int


@dataclass
class _Line:
    places: asyncio.Semaphore
    people: int = 0


class SqlProcesses:
    """The processes of one server; everything runs on its event loop.

    Args:
        limits: of all queries.
        copies: where they find what they may read.
    """

    def __init__(self, limits: SqlLimits, copies: SqlCopies) -> None:
        self._limits = limits
        self._copies = copies
        self._places = asyncio.Semaphore(limits.processes)
        self._lines: defaultdict[str, _Line] = defaultdict(lambda: _Line(asyncio.Semaphore(limits.for_each_key)))
        self._ready: list[asyncio.subprocess.Process] = []
        self._threads = ThreadPoolExecutor(_AT_ONCE, "sql-copies")
        self._starting: set[asyncio.Task[None]] = set()

    async def run(self, key: str, sql: str, rights: Rights, most_rows: int) -> bytes:
        """The answer to a query, as JSON: `columns`, `rows` and `truncated`. Cancelling it kills the process.

        Args:
            key: whose share it counts towards.
            sql: as it was sent.
            rights: what it may read.
            most_rows: rows beyond this are cut off.

        Raises:
            ExpressionError: the query is refused, fails, takes too long or too much memory.
            TooManyRequestsError: the key has too many queries waiting.
            StoreUnavailableError: nothing has been published.
        """
        async with self._place(key), self._process() as process:
            limits, clock = self._limits, asyncio.get_running_loop().time
            asked = {
                "sql": sql,
                "most_rows": most_rows,
                "most_bytes": limits.most_bytes,
                "memory": limits.memory,
                "seconds": limits.seconds,
            }
            began = clock()
            tables = json.loads(await self._exchange(process, asked, limits.seconds))["tables"]
            left = limits.seconds - (clock() - began)
            lease = await self._take(rights, tables)
            try:
                return await self._exchange(process, lease.files, left)
            finally:
                lease.release()

    async def close(self) -> None:
        """End the processes that wait."""
        for task in self._starting:
            task.cancel()
        await asyncio.gather(*self._starting, return_exceptions=True)
        while self._ready:
            await _end(self._ready.pop())
        self._threads.shutdown(wait=False, cancel_futures=True)

    async def _take(self, rights: Rights, tables: Sequence[str]) -> Lease:
        taking = self._threads.submit(self._copies.take, rights, tables)
        try:
            return await asyncio.shield(asyncio.wrap_future(taking))
        except asyncio.CancelledError:  # the copy is finished all the same: the next query needs it
            taking.add_done_callback(
                lambda done: None if done.cancelled() or done.exception() else done.result().release()
            )
            raise

    @asynccontextmanager
    async def _place(self, key: str) -> AsyncIterator[None]:
        """Wait in the key's own line, then for one of all places."""
        line = self._lines[key]
        if line.people >= self._limits.for_each_key + _MOST_WAITING:
            raise TooManyRequestsError(f"{line.people} queries of this key run or wait already; send them one by one.")
        line.people += 1
        try:
            async with line.places, self._places:
                yield
        finally:
            line.people -= 1
            if line.people == 0:
                del self._lines[key]

    @asynccontextmanager
    async def _process(self) -> AsyncIterator[asyncio.subprocess.Process]:
        process = None
        while self._ready and (process is None or process.returncode is not None):
            process = self._ready.pop()
        if process is None or process.returncode is not None:
            process = await self._start()
        try:
            yield process
        finally:
            await asyncio.shield(_end(process))
            if len(self._ready) + len(self._starting) < self._limits.processes:
                task = asyncio.create_task(self._warm())
                self._starting.add(task)
                task.add_done_callback(self._starting.discard)

    async def _warm(self) -> None:
        """Have a process ready for the next query."""
        with suppress(StoreUnavailableError):
            self._ready.append(await self._start())

    async def _start(self) -> asyncio.subprocess.Process:
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-P",
            "-c",
            _BOOTSTRAP,
            json.dumps(sys.path),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.DEVNULL,
            env={"PATH": os.defpath, "LANG": "C.UTF-8", "MALLOC_ARENA_MAX": "1"},
            cwd="/",
            start_new_session=True,  # Ctrl-C goes to us, and from us to it
            limit=self._limits.most_bytes + _LINE,
        )
        try:
            await asyncio.wait_for(_line(process), _STARTING_SECONDS)
        except (TimeoutError, _GoneError):
            await _end(process)
            raise StoreUnavailableError(
                "The process of the query did not start; the server's machine is short of memory."
            ) from None
        except BaseException:
            await asyncio.shield(_end(process))
            raise
        return process

    async def _exchange(self, process: asyncio.subprocess.Process, message: Mapping[str, Any], seconds: float) -> bytes:
        assert process.stdin is not None
        slow = (
            f"The query did not finish within {self._limits.seconds:g} s. Ask for less: a shorter range, fewer joins."
        )
        try:
            process.stdin.write(json.dumps(message).encode() + b"\n")
            answer = await asyncio.wait_for(_line(process), max(seconds, 0))
        except TimeoutError:
            raise ExpressionError(slow) from None
        except _GoneError:
            code = await process.wait()
            raise ExpressionError(slow if code in (-signal.SIGXCPU, -signal.SIGKILL) else TOO_MUCH_MEMORY) from None
        if answer.startswith(_REFUSED):
            raise ExpressionError(json.loads(answer)["refused"])
        return answer


class _GoneError(Exception):
    """The process ended, or says more than it may."""


async def _line(process: asyncio.subprocess.Process) -> bytes:
    assert process.stdout is not None
    try:
        line = await process.stdout.readline()
    except (ValueError, ConnectionError):  # a line without end
        raise _GoneError from None
    if not line.endswith(b"\n"):
        raise _GoneError
    return line


async def _end(process: asyncio.subprocess.Process) -> None:
    with suppress(ProcessLookupError):
        process.kill()
    await process.wait()
