"""How close the judge comes to the ideal N·L/C: requests, mean latency, concurrency.

    python tests/benchmarks/fanout.py [requests]

A benchmark, not a test: run it on an otherwise idle machine. The server is a process of its own. Each conversation is
one request, so there is no prefix to warm; answers are stored as in production. Ideal is the number of requests times
the mean latency the server drew, divided by the concurrency. The client's import and the creation of the database
(about a second, once for a process and once for a store) are outside the clock.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from pipeline.catalog.catalog import Metric
from pipeline.catalog.models import MetricDefinition
from pipeline.judge import loop
from pipeline.judge.client import client_of
from pipeline.judge.conversation import Conversation, Turn
from pipeline.judge.engine import Engine
from pipeline.judge.ledger import StoreLedger
from pipeline.judge.plan import Ask, plan
from pipeline.settings import Settings
from pipeline.settings_models import ModelEndpoint, Models
from pipeline.store import Store

MEDIAN_SECONDS = 0.4
SIGMA = 0.3
SERVER = f"""
import sys, time
from pipeline.sample.judge_server import SampleJudge, lognormal
judge = SampleJudge(latency=lognormal({MEDIAN_SECONDS}, {SIGMA})).start()
print(judge.base_url, flush=True)
sys.stdin.read()
"""
METRIC = Metric(
    MetricDefinition(
        key="quality",
        name="Quality",
        metric_type="numerical",
        source="call_intelligence",
        event_types=("call_intelligence.row",),
        extraction_mode="ai_query",
        ai_query_prompt="How good was the agent?",
    ),
    "0" * 64,
    "file",
    "benchmark",
)


def conversation(name: str) -> Conversation:
    """About 1,500 tokens, different for each name."""
    turns = tuple(
        Turn(at, ("agent", "user")[at % 2], f"{name}, turn {at}. " + "We talk about the invoice. " * 10)
        for at in range(20)
    )
    return Conversation(name, turns)


def measure(requests: int, concurrency: int) -> tuple[float, float]:
    """Wall and CPU seconds of one run."""
    server = subprocess.Popen([sys.executable, "-c", SERVER], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert server.stdout is not None
    url = server.stdout.readline().strip()
    endpoint = ModelEndpoint(model="benchmark", base_url=url, max_concurrency=concurrency)
    models = Models(default=endpoint)

    def ask(names: Any) -> list[Ask]:
        return [ask for name in names for ask in plan(models, [METRIC], conversation(name))]

    with tempfile.TemporaryDirectory() as folder:
        store = Store(Settings(home=Path(folder), threads=1))
        with store.write():
            pass
        client_of(endpoint)
        engine = Engine(
            StoreLedger(store, "benchmark", models.budget), write_batch=models.write_batch, concurrency=concurrency
        )
        wall, cpu = time.perf_counter(), time.process_time()
        names = [f"conversation {index}" for index in range(requests)]
        loop.run(engine.run(names, ask, lambda asks, results, spent: None))
        wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    assert engine.counters.done == requests
    assert engine.counters.spent.calls == requests
    server.communicate("")
    return wall, cpu


def main() -> None:
    """Print a table."""
    requests = int(sys.argv[1]) if len(sys.argv) > 1 else 5000
    mean = MEDIAN_SECONDS * 2.718281828 ** (SIGMA**2 / 2)
    print(f"{requests} requests, mean latency {mean:.3f} s")  # noqa: T201
    for concurrency in (32, 128):
        wall, cpu = measure(requests, concurrency)
        ideal = requests * mean / concurrency
        each, load = 1000 * cpu / requests, os.getloadavg()[0]
        print(  # noqa: T201
            f"C={concurrency:4}  ideal {ideal:6.1f} s  wall {wall:6.1f} s  ratio {ideal / wall:.3f}  "
            f"CPU {each:.2f} ms a call  load {load:.1f}",
            flush=True,
        )


if __name__ == "__main__":
    main()
