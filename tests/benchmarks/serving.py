"""Requests a second and latencies of the HTTP API, beside a bare DuckDB query on the same snapshot as the floor.

Fifty metrics, a year of hours and days, 100 conversations a day with a value each. Run it with
`python tests/benchmarks/serving.py [--clients N] [--seconds S]`; server and clients are processes of their own.
"""

from __future__ import annotations

import argparse
import multiprocessing
import statistics
import tempfile
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx2
import uvicorn

from pipeline.aggregate import queries
from pipeline.api import create_app
from pipeline.api.server import server_config
from pipeline.catalog import load_catalog
from pipeline.reports.values import single_values
from pipeline.settings import Settings
from pipeline.settings_serve import Serve
from pipeline.store import STATES, Store
from pipeline.store.snapshot import SnapshotReader, snapshot_reader
from pipeline.workspace.keys import create_key

METRICS = 50
DAYS = 365
COUNTS = ", ".join(f"0 AS {state}_count" for state in STATES if state != "ok")
PERIODS = f"""
INSERT INTO metric_periods BY NAME
SELECT
    $workspace AS workspace_id, d.key AS metric_key, d.version AS definition_version, 'numerical' AS metric_type,
    'avg' AS aggregation, 'production' AS traffic, $granularity AS granularity,
    $first::TIMESTAMPTZ + n * $step::INTERVAL AS period_start,
    $first::TIMESTAMPTZ + (n + 1) * $step::INTERVAL AS period_end,
    random() AS value, 4 AS event_count, 4 AS eligible_count, {COUNTS}, 1.0 AS coverage, 'none' AS interval_method,
    'all' AS selection, false AS estimated, now() AS computed_at, 1 AS revision, 4.0 AS value_sum
FROM metric_definitions AS d CROSS JOIN range($periods) AS r(n)
ORDER BY period_start, d.key
"""
VALUES = """
INSERT INTO metric_values BY NAME
SELECT
    $workspace AS workspace_id, d.key AS metric_key, d.version AS definition_version, 'conversation' AS entity_type,
    'c' || n AS entity_id, 0 AS sample_index, $first::TIMESTAMPTZ + n * INTERVAL 864 SECOND AS observed_at,
    'production' AS traffic, random() AS value_number, 'ok' AS status, 1.0 AS confidence, 1 AS attempts,
    '' AS content_hash, now() AS computed_at, 'r' AS run_id
FROM metric_definitions AS d CROSS JOIN range(36500) AS r(n)
WHERE d.key = 'metric_0'
"""


def fill(home: Path) -> tuple[Settings, str]:
    """A store of the given size, published, and a key for it."""
    folder = home / "definitions" / "metrics" / "custom"
    folder.mkdir(parents=True)
    one = (
        "  - {key: metric_%d, name: Metric %d, metric_type: numerical, source: call_intelligence,"
        " event_types: [call_intelligence.row], extract_path: $.duration_seconds, aggregation: avg}\n"
    )
    (folder / "metrics.yaml").write_text("definitions:\n" + "".join(one % (n, n) for n in range(METRICS)))
    settings = Settings(
        home=home / "home", definitions=home / "definitions", serve=Serve(requests_per_minute=100_000_000)
    )
    store = Store(settings)
    first = datetime.now(UTC).replace(minute=0, second=0, microsecond=0, hour=0) - timedelta(days=DAYS)
    catalog = load_catalog(settings)
    with store.transaction() as con:
        for number in range(METRICS):
            metric = catalog.get(f"metric_{number}")
            con.execute(
                "INSERT INTO metric_definitions VALUES (?, ?, ?, 'numerical', 'file', ?, ?, NULL)",
                [store.workspace_id, metric.key, metric.version, metric.definition.model_dump_json(), first],
            )
        shared = {"workspace": store.workspace_id, "first": first}
        con.execute(PERIODS, {**shared, "granularity": "hour", "step": "1 hour", "periods": DAYS * 24})
        con.execute(PERIODS, {**shared, "granularity": "day", "step": "1 day", "periods": DAYS + 1})
        con.execute(VALUES, shared)
    store.publish()
    return settings, create_key(store, "benchmark", "viewer", actor="cli", now=datetime.now(UTC))[1]


def serve(home: str, port: int) -> None:
    """The server, in a process of its own."""
    settings = Settings(
        home=Path(home) / "home", definitions=Path(home) / "definitions", serve=Serve(requests_per_minute=100_000_000)
    )
    uvicorn.Server(server_config(create_app(settings), host="127.0.0.1", port=port)).run()


def publish_on(home: str, stop: object) -> None:
    """What a pipeline does meanwhile: write and publish."""
    store = Store(Settings(home=Path(home) / "home", definitions=Path(home) / "definitions"))
    while not stop.is_set():  # type: ignore[attr-defined]
        with store.transaction() as con:
            con.execute("UPDATE metric_definitions SET valid_from = valid_from")
        store.publish()
        time.sleep(1)


def ask(url: str, key: str, seconds: float, fresh: bool, into: object) -> None:
    """One client: as many requests as it can, one after another; `fresh` ones were never asked before."""
    mark = f"{'&' if '?' in url else '?'}asked={time.time_ns()}-" if fresh else ""
    took = []
    with httpx2.Client(headers={"Authorization": f"Bearer {key}"}, timeout=60) as client:
        client.get(url)
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            start = time.perf_counter()
            assert client.get(f"{url}{mark}{len(took)}" if fresh else url).status_code == 200
            took.append(time.perf_counter() - start)
    into.put(took)  # type: ignore[attr-defined]


def measure(url: str, key: str, clients: int, seconds: float, *, fresh: bool = True) -> str:
    """Requests a second, p50 and p99 in milliseconds."""
    results: multiprocessing.Queue[list[float]] = multiprocessing.Queue()
    workers = [multiprocessing.Process(target=ask, args=(url, key, seconds, fresh, results)) for _ in range(clients)]
    for worker in workers:
        worker.start()
    took = [each for _ in workers for each in results.get(timeout=seconds + 60)]
    for worker in workers:
        worker.join()
    return f"{len(took) / seconds:9.0f}/s {_shown(took)}"


def floor(reader: SnapshotReader, query: Callable[[object], object], seconds: float) -> str:
    """The same rows without HTTP, one query after another."""
    took = []
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        start = time.perf_counter()
        with reader.cursor() as (con, _):
            query(con)
        took.append(time.perf_counter() - start)
    return f"{len(took) / seconds:9.0f}/s {_shown(took)}"


def _shown(took: list[float]) -> str:
    cuts = statistics.quantiles(took, n=100)
    return f"p50 {cuts[49] * 1000:7.1f} ms  p99 {cuts[98] * 1000:7.1f} ms"


def main() -> None:
    """Print the table."""
    options = argparse.ArgumentParser()
    options.add_argument("--clients", type=int, default=4)
    options.add_argument("--seconds", type=float, default=5)
    options.add_argument("--port", type=int, default=8399)
    given = options.parse_args()
    with tempfile.TemporaryDirectory() as home:
        settings, key = fill(Path(home))
        server = multiprocessing.Process(target=serve, args=(home, given.port), daemon=True)
        server.start()
        root = f"http://127.0.0.1:{given.port}"
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline:
            try:
                httpx2.get(f"{root}/health")
                break
            except httpx2.TransportError:
                time.sleep(0.1)
        workspace = settings.workspace_id
        reader = snapshot_reader(settings, "data", {"threads": settings.threads})
        cases: dict[str, tuple[str, Callable[[object], object]]] = {
            "latest of 50": ("metrics", lambda con: queries.latest(con, workspace)),  # type: ignore[arg-type]
            "trend of 365 days": (
                "metrics/metric_7/trend?days=365",
                lambda con: queries.trend(con, workspace, "metric_7", zone=settings.zone, days=365),  # type: ignore[arg-type]
            ),
            "100 values": (
                "metrics/metric_0/values",
                lambda con: single_values(con, workspace, keys=["metric_0"]),  # type: ignore[arg-type]
            ),
        }
        stop = multiprocessing.Event()
        for name, (path, query) in cases.items():
            url = f"{root}/v1/{workspace}/{path}"
            print(f"{name}\n  DuckDB alone           {floor(reader, query, given.seconds)}")  # noqa: T201
            print(f"  1 client               {measure(url, key, 1, given.seconds)}")  # noqa: T201
            print(f"  {given.clients} clients              {measure(url, key, given.clients, given.seconds)}")  # noqa: T201
            print(f"  … asked before         {measure(url, key, given.clients, given.seconds, fresh=False)}")  # noqa: T201
            writer = multiprocessing.Process(target=publish_on, args=(home, stop), daemon=True)
            writer.start()
            print(f"  … while one publishes  {measure(url, key, given.clients, given.seconds)}")  # noqa: T201
            stop.set()
            writer.join()
            stop.clear()
        reader.close()
        server.terminate()
        server.join()


if __name__ == "__main__":
    main()
