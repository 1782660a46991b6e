"""The HTTP API over a year of 50 metrics, beside the queries that it runs."""

from __future__ import annotations

import asyncio
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta

import duckdb
import httpx2

from pipeline.aggregate import queries
from pipeline.bench.data import SQL
from pipeline.bench.definitions import write_definitions
from pipeline.bench.stage import Answer, Bar, Competitor, Place, Results, Run, Stage, measured
from pipeline.catalog import load_catalog
from pipeline.reports.values import single_values
from pipeline.settings import Settings
from pipeline.store import STATES, Store, load_sql, run_script

_METRICS = 50
_DAYS = 365
_KEY = "bench_7"
_REQUESTS = 200  # of each kind, one after another
_CLIENTS = 50
_PAUSE = 1.0  # seconds between two requests of a client
_CLIENT_REQUESTS = 10  # of each client
_START = "import sys; from pipeline.cli import main; main()"
_PATHS = {
    "latest": "metrics",
    "trend": f"metrics/{_KEY}/trend?days={_DAYS}",
    "values": f"metrics/{_KEY}/values",
}


def prepare(at: Place) -> None:
    """Period rows of every hour and day of a year, and the values of one metric, published."""
    settings = at.settings(at.folder)
    base = {"metric_type": "numerical", "source": "call_intelligence", "event_types": ["call_intelligence.row"]}
    write_definitions(
        settings.definitions,
        [
            base
            | {"key": f"bench_{n}", "name": f"Metric {n}", "extract_path": "$.duration_seconds", "aggregation": "avg"}
            for n in range(_METRICS)
        ],
    )
    store = Store(settings)
    first = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0) - timedelta(days=_DAYS)
    counts = ", ".join(f"0 AS {state}_count" for state in STATES if state != "ok")
    periods = load_sql(SQL, "periods").replace("/*counts*/", counts)
    catalog = load_catalog(settings)
    with store.transaction() as con:
        con.execute(
            "INSERT INTO metric_definitions BY NAME"
            " SELECT $workspace_id AS workspace_id, unnest($metrics, max_depth := 2), 'numerical' AS metric_type,"
            " 'file' AS managed_by, $first AS valid_from",
            {
                "workspace_id": store.workspace_id,
                "first": first,
                "metrics": [
                    {"key": m.key, "version": m.version, "body": m.definition.model_dump_json()}
                    for m in catalog.active
                    if m.key.startswith("bench_")
                ],
            },
        )
        shared = {"workspace_id": store.workspace_id, "first": first}
        days = at.scaled(_DAYS, least=2)
        con.execute(periods, {**shared, "granularity": "hour", "step": "1 hour", "periods": days * 24})
        con.execute(periods, {**shared, "granularity": "day", "step": "1 day", "periods": days + 1})
        metric = catalog.get(_KEY)
        of = [{"key": metric.key, "version": metric.version, "type": "numerical"}]
        run_script(con, load_sql(SQL, "values"), {**shared, "metrics": of, "conversations": days * 100, "days": days})
    store.publish()


def queried(run: Run) -> Answer:
    """DuckDB alone, on an open snapshot: the rows of the answers, without HTTP, JSON or access rights."""
    settings = run.settings(run.folder)
    workspace, zone = settings.workspace_id, settings.zone
    cases: dict[str, Callable[[duckdb.DuckDBPyConnection], object]] = {
        "latest": lambda con: queries.latest(con, workspace),
        "trend": lambda con: queries.trend(con, workspace, _KEY, zone=zone, days=_DAYS),
        "values": lambda con: single_values(con, workspace, keys=[_KEY]),
    }
    with Store(settings).read() as con, run.clock():
        for name, query in cases.items():
            _measure(run, name, lambda query=query: query(con))  # type: ignore[misc]
    return {}


def asked(run: Run) -> Answer:
    """One client, no answer twice; then fifty clients that ask once a second."""
    settings = run.settings(run.folder)
    with _server(run, settings) as root, httpx2.Client(base_url=root, timeout=60) as client, run.clock():
        for name, path in _PATHS.items():
            mark = "&" if "?" in path else "?"
            numbers = iter(range(10 * _REQUESTS))

            def once(path: str = path, mark: str = mark, numbers: Iterator[int] = numbers) -> None:
                client.get(f"{path}{mark}asked={next(numbers)}").raise_for_status()

            _measure(run, name, once)
        took = asyncio.run(_many(root))
        run.measures["p99 of 50 clients"] = 1000 * statistics.quantiles(took, n=100)[98]
    return {}


def _measure(run: Run, name: str, once: Callable[[], object]) -> None:
    once()
    took = []
    for _ in range(_REQUESTS):
        start = time.perf_counter()
        once()
        took.append(time.perf_counter() - start)
    run.measures[f"{name} p50"] = 1000 * statistics.median(took)


async def _many(root: str) -> list[float]:
    took: list[float] = []

    async def one(number: int) -> None:
        await asyncio.sleep(number * _PAUSE / _CLIENTS)
        async with httpx2.AsyncClient(base_url=root, timeout=60) as client:
            for at in range(_CLIENT_REQUESTS):
                path = list(_PATHS.values())[(number + at) % len(_PATHS)]
                start = time.perf_counter()
                (await client.get(f"{path}{'&' if '?' in path else '?'}asked={number}-{at}")).raise_for_status()
                took.append(time.perf_counter() - start)
                await asyncio.sleep(_PAUSE)

    await asyncio.gather(*(one(number) for number in range(_CLIENTS)))
    return took


@contextmanager
def _server(run: Run, settings: Settings) -> Iterator[str]:
    """`metric-store serve` in a process of its own."""
    port = 20_000 + os.getpid() % 20_000
    environment = os.environ | {
        "METRIC_STORE_HOME": str(settings.home),
        "METRIC_STORE_DEFINITIONS": str(settings.definitions),
        "METRIC_STORE_SERVE__REQUESTS_PER_MINUTE": "100000000",
    }
    command = [sys.executable, "-c", _START, "serve", "--port", str(port)]
    process = subprocess.Popen(command, env=environment, cwd=run.scratch)  # noqa: S603 - ourselves
    try:
        deadline = time.monotonic() + 120
        while True:
            try:
                httpx2.get(f"http://127.0.0.1:{port}/health")
                break
            except httpx2.TransportError:
                if time.monotonic() > deadline or process.poll() is not None:
                    raise
                time.sleep(0.1)
        yield f"http://127.0.0.1:{port}/v1/{settings.workspace_id}/"
    finally:
        process.terminate()
        process.wait()


_FLOOR, _OURS = "floor: DuckDB alone", "HTTP API"


def _over(name: str) -> Bar:
    def found(results: Results) -> float:
        pairs = zip(results[_OURS].measures[f"{name} p50"], results[_FLOOR].measures[f"{name} p50"], strict=True)
        return statistics.median(ours - floor for ours, floor in pairs)

    return Bar(_OURS, f"{name}: p50 ≤ 3 ms over the floor", found, 3, " ms")


STAGE = Stage(
    name="read",
    work="50 metrics x 1 year of hours and days: latest, trend over 365 days, values",
    cost="4 minutes, 1 GB",
    prepare=prepare,
    competitors=(
        Competitor(_FLOOR, queried),
        Competitor(
            _OURS,
            asked,
            note="the 50 clients run in the process that is measured and ask once a second each",
        ),
    ),
    bars=(
        *(_over(name) for name in _PATHS),
        measured(_OURS, "p99 of 50 clients", "p99 of 50 clients ≤ 25 ms", 25, " ms"),
    ),
)
