"""The parent's side of a python metric's worker: one conversation in, one result out, with a time limit."""

from __future__ import annotations

import json
import os
import select
import signal
import subprocess
import sys
import tempfile
import time
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Any

import orjson

from pipeline.errors import DefinitionError
from pipeline.settings_models import PythonMode

_WORKER = Path(__file__).with_name("python_worker.py")
_STARTING_SECONDS = 20.0
_MAX_ANSWER_BYTES = 2**20


class FailedError(Exception):
    """One conversation got no result; the message says why."""


class PythonProcess:
    """A worker for one file, started when it is first needed and again after it has died.

    Args:
        file: the user's file.
        limits: time and memory.
    """

    def __init__(self, file: Path, limits: PythonMode) -> None:
        self._file = file.resolve()
        self._limits = limits
        self._process: subprocess.Popen[bytes] | None = None
        self._buffer = b""
        self._folder: tempfile.TemporaryDirectory[str] | None = None

    def __enter__(self) -> PythonProcess:
        """Start the worker.

        Raises:
            DefinitionError: the file is absent, cannot be imported or has no `evaluate`.
        """
        if not self._file.is_file():
            raise DefinitionError(f"{self._file.name} does not exist under definitions/python/.")
        try:
            self._start()
        except FailedError as error:
            self.close()
            raise DefinitionError(f"{self._file.name} cannot be loaded: {error}.") from None
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """End the worker."""
        self._stop()
        if self._folder is not None:
            self._folder.cleanup()

    def evaluate(self, conversation: dict[str, Any]) -> Any:
        """What the function returned for one conversation.

        Raises:
            FailedError: it raised, took too long, or the worker died. The next conversation gets a new worker.
        """
        if self._process is None:
            self._start()
        process = self._process
        assert process is not None
        assert process.stdin is not None
        try:
            process.stdin.write(orjson.dumps(conversation, default=str) + b"\n")
            process.stdin.flush()
            answer = self._read(time.monotonic() + self._limits.timeout_seconds)
        except (FailedError, OSError) as error:
            self._stop()
            raise FailedError(str(error) if isinstance(error, FailedError) else "the process died") from None
        if "error" in answer:
            raise FailedError(str(answer["error"]))
        return answer.get("result")

    def _start(self) -> None:
        self._buffer = b""
        self._folder = self._folder or tempfile.TemporaryDirectory(prefix="metric-store-python-")
        limits = [str(self._limits.cpu_seconds), str(self._limits.memory_mb)]
        self._process = subprocess.Popen(  # noqa: S603 - our own worker; the user's file is the point
            [sys.executable, "-I", "-B", str(_WORKER), str(self._file), *limits],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            cwd=self._folder.name,
            env={"PATH": os.defpath, "LANG": "C.UTF-8", "OPENBLAS_NUM_THREADS": "1"},
            start_new_session=True,
        )
        answer = self._read(time.monotonic() + _STARTING_SECONDS + self._limits.timeout_seconds)
        if "fatal" in answer:
            raise FailedError(str(answer["fatal"]))

    def _read(self, deadline: float) -> dict[str, Any]:
        """The next line of the worker."""
        process = self._process
        assert process is not None
        assert process.stdout is not None
        while b"\n" not in self._buffer:
            left = deadline - time.monotonic()
            if left <= 0 or not select.select([process.stdout], [], [], left)[0]:
                raise FailedError(f"it took longer than {self._limits.timeout_seconds:g} s")
            read = os.read(process.stdout.fileno(), 65536)
            if not read:
                raise FailedError(self._death(process))
            self._buffer += read
            if len(self._buffer) > _MAX_ANSWER_BYTES:
                raise FailedError("it returned more than 1 MB")
        line, self._buffer = self._buffer.split(b"\n", 1)
        try:
            answer = json.loads(line)  # reads NaN, which is then refused by name
        except (ValueError, RecursionError):
            answer = None
        if not isinstance(answer, dict):
            raise FailedError("it wrote something that is no result")
        return answer

    def _death(self, process: subprocess.Popen[bytes]) -> str:
        code = process.wait(timeout=5)
        if code == -signal.SIGXCPU:
            return f"it used more than {self._limits.cpu_seconds} s of CPU"
        return f"the process died ({signal.Signals(-code).name})" if code < 0 else f"the process ended with {code}"

    def _stop(self) -> None:
        process, self._process = self._process, None
        if process is None:
            return
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        for stream in (process.stdin, process.stdout):
            if stream is not None:
                with suppress(OSError):  # what it had not read is lost with it
                    stream.close()
