"""Measures a stage: its competitors take turns, each in a process of its own, and must find the same."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson

from pipeline.bench.stage import SCALES, Result, Size, Stage
from pipeline.bench.worker import PREPARE
from pipeline.errors import InternalError
from pipeline.settings import PACKAGE

_KEPT = ("METRIC_STORE_THREADS", "METRIC_STORE_MEMORY_LIMIT")
"""Settings that a benchmark takes from the environment; the others could lead it to somebody's data."""

OnStep = Callable[[str], None]


@dataclass
class StageResult:
    """What measuring one stage gave; results in the order of its competitors."""

    stage: Stage
    size: Size
    results: dict[str, Result]


def measure(stage: Stage, size: Size, *, on_step: OnStep, rounds: int | None = None) -> StageResult:
    """Prepare the data, warm up, then let every competitor run once per round, floor and ours side by side.

    Args:
        stage: what to measure.
        size: of the data.
        on_step: told what is being done.
        rounds: measured runs of each competitor that is not measured only once; default its own number.

    Raises:
        InternalError: a competitor failed; its traceback is on standard error.
    """
    results = {competitor.name: Result(competitor) for competitor in stage.competitors}
    with tempfile.TemporaryDirectory(prefix="metric-store-bench-") as name:
        folder = Path(name)
        on_step(f"{stage.name}: data")
        with _Worker.of(stage, PREPARE, folder, size) as worker:
            worker.answer()
        workers = {name: _Worker(stage, name, folder, size) for name in results}
        try:
            for name, result in results.items():
                if result.competitor.warm_up:
                    on_step(f"{stage.name}: {name}, warming up")
                    workers[name].run()
            wanted = {name: _rounds(result, rounds) for name, result in results.items()}
            for at in range(max(wanted.values())):
                for name, result in results.items():
                    if at < wanted[name]:
                        on_step(f"{stage.name}: {name}, {at + 1} of {wanted[name]}")
                        _take(result, workers[name].run())
        finally:
            for worker in workers.values():
                worker.close()
    compare(list(results.values()))
    return StageResult(stage, size, results)


class _Worker:
    """The process of one competitor."""

    def __init__(self, stage: Stage, name: str, folder: Path, size: Size) -> None:
        self._what = f"{stage.name}: {name}"
        environment = {
            key: value for key, value in os.environ.items() if not key.startswith("METRIC_STORE_") or key in _KEPT
        }
        command = [sys.executable, "-m", "pipeline.bench.worker", stage.name, name, str(folder), str(SCALES[size])]
        # In its folder there is no metric-store.toml; but the package must be found there, also that of a checkout.
        environment["PYTHONPATH"] = os.pathsep.join(filter(None, [str(PACKAGE.parent), environment.get("PYTHONPATH")]))
        self._process = subprocess.Popen(  # noqa: S603 - ourselves
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=folder, env=environment
        )

    @classmethod
    @contextmanager
    def of(cls, stage: Stage, name: str, folder: Path, size: Size) -> Iterator[_Worker]:
        """A process that ends with the block."""
        worker = cls(stage, name, folder, size)
        try:
            yield worker
        finally:
            worker.close()

    def run(self) -> dict[str, Any]:
        """Let it work once."""
        assert self._process.stdin is not None
        self._process.stdin.write(b"run\n")
        self._process.stdin.flush()
        return self.answer()

    def answer(self) -> dict[str, Any]:
        """Wait for what it says."""
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise InternalError(f"The benchmark {self._what} ended with exit code {self._process.wait()}.")
        answer: dict[str, Any] = orjson.loads(line)
        return answer

    def close(self) -> None:
        """End it, whatever it does."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.kill()
        self._process.wait()
        self._process.stdin.close()
        self._process.stdout.close()


def _rounds(result: Result, wanted: int | None) -> int:
    own = result.competitor.rounds
    return own if wanted is None or own == 1 else wanted


def _take(result: Result, ran: dict[str, Any]) -> None:
    share = ran["share"]
    result.share = share
    result.seconds.append(sum(ran["parts"].values()) / share)
    result.cpu_seconds.append(ran["cpu_seconds"] / share)
    for part, seconds in ran["parts"].items():
        result.parts.setdefault(part, []).append(seconds / share)
    for measure, value in ran["measures"].items():
        result.measures.setdefault(measure, []).append(value)
    result.peak_bytes = max(result.peak_bytes, ran["peak_bytes"])
    result.answers.append(ran["answer"])


def compare(results: list[Result]) -> None:
    """Note of each whether all its runs agree with each other and with those of everyone before it."""
    known: dict[str, object] = {}
    for result in results:
        compared = False
        agrees = True
        for answer in result.answers:
            for key, found in answer.items():
                compared = compared or key in known
                agrees = agrees and known.setdefault(key, found) == found
        result.agrees = agrees if compared else None
