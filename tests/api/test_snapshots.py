"""A hundred clients read while fifty snapshots are published: no failed read, and no answer from two of them."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx2
from api_server import Server, serving, start


def test_no_failed_and_no_torn_read(tmp_path: Path) -> None:
    settings, store, keys = start(tmp_path)
    done = threading.Event()

    def publish(mark: float) -> None:
        with store.transaction() as con:
            con.execute("UPDATE metric_periods SET value = ? WHERE workspace_id = ?", [mark, store.workspace_id])
            con.execute("UPDATE metric_values SET value_number = ? WHERE workspace_id = ?", [mark, store.workspace_id])
        store.publish()

    def read(client: httpx2.Client) -> set[float]:
        seen: set[float] = set()
        while not done.is_set() or not seen:
            answer = client.get("/metrics?scope=all&source=all")
            assert answer.status_code == 200, answer.text
            values = {row["value"] for row in answer.json()["metrics"]}
            assert len(values) == 1, values
            seen |= values
            done.wait(1)  # a dashboard that asks every second
        return seen

    publish(0.0)
    limits = httpx2.Limits(max_connections=100, max_keepalive_connections=100)
    with serving(settings) as url, Server(url, settings, store, keys).client("viewer", limits=limits) as client:
        with ThreadPoolExecutor(100) as pool:
            readers = [pool.submit(read, client) for _ in range(100)]
            try:
                for mark in range(1, 51):
                    publish(float(mark))
            finally:
                done.set()
            seen = set().union(*(reader.result() for reader in readers))
        assert len(seen) > 5  # readers saw publications come
        (row, *_) = client.get("/metrics").json()["metrics"]
        assert row["value"] == 50.0
