"""Runs queries in processes of their own: few at once, fewer of one key, each killed at its deadline.

A query runs in a fork of a process that has loaded what it needs, so nothing of it outlives it. Whatever takes too
long, dies or is no longer wanted ends with its process, and another is started.
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
        # As many as there are places: a process that gets ready, or None where there has been none.
        self._free: list[asyncio.Task[asyncio.subprocess.Process] | None] = [None] * limits.processes
        self._threads = ThreadPoolExecutor(_AT_ONCE, "sql-copies")

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
        limits, clock = self._limits, asyncio.get_running_loop().time
        asked = {
            "sql": sql,
            "most_rows": most_rows,
            "most_bytes": limits.most_bytes,
            "memory": limits.memory,
            "seconds": limits.seconds,
        }
        async with self._place(key), self._process() as process:
            began = clock()
            tables = json.loads(await self._exchange(process, asked, limits.seconds))["tables"]
            left = limits.seconds - (clock() - began)
            lease = await self._take(rights, tables)
            try:
                return await self._exchange(process, lease.files, left)
            finally:
                lease.release()

    async def close(self) -> None:
        """End the processes."""
        for task in self._free:
            if task is not None:
                task.cancel()
                found = (await asyncio.gather(task, return_exceptions=True))[0]
                if isinstance(found, asyncio.subprocess.Process):
                    await _end(found)
        self._free.clear()
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
        """A process for one query; whoever has a place finds one."""
        next_one: asyncio.Task[asyncio.subprocess.Process] | None = None
        process = None
        try:
            process = await (self._free.pop() or self._start())
            yield process
            next_one = asyncio.create_task(_readied(process))
        except _RefusedError as refused:
            assert process is not None
            next_one = asyncio.create_task(_readied(process))
            raise ExpressionError(str(refused)) from None
        finally:
            if next_one is None and process is not None:
                _kill(process)
                next_one = asyncio.create_task(self._replace(process))
            self._free.append(next_one)  # the last in is taken first: a task before a place that needs a start

    async def _replace(self, process: asyncio.subprocess.Process) -> asyncio.subprocess.Process:
        await _end(process)
        return await self._start()

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
        return await _readied(process)

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
            raise ExpressionError(slow if code in (signal.SIGXCPU, signal.SIGKILL) else TOO_MUCH_MEMORY) from None
        if answer.startswith(_REFUSED):
            raise _RefusedError(json.loads(answer)["refused"])
        return answer


class _GoneError(Exception):
    """The process ended, or says more than it may."""


class _RefusedError(Exception):
    """The process answered that the query is refused or fails."""


async def _readied(process: asyncio.subprocess.Process) -> asyncio.subprocess.Process:
    """The process, once it says that it is ready.

    Raises:
        StoreUnavailableError: it does not; it has been ended.
    """
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


async def _line(process: asyncio.subprocess.Process) -> bytes:
    assert process.stdout is not None
    try:
        line = await process.stdout.readline()
    except (ValueError, ConnectionError):  # a line without end
        raise _GoneError from None
    if not line.endswith(b"\n"):
        raise _GoneError
    return line


def _kill(process: asyncio.subprocess.Process) -> None:
    """End a process and the fork that runs its query."""
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)


async def _end(process: asyncio.subprocess.Process) -> None:
    _kill(process)
    await process.wait()
