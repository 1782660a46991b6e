"""A hundred clients read while fifty snapshots are published: no failed read, and no answer from two of them."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx2
import pytest
from api_server import Server, conversation, insert, serving, start


@pytest.mark.parametrize(("readers", "publications"), [pytest.param(100, 50, marks=pytest.mark.long), (12, 10)])
def test_no_failed_and_no_torn_read(readers: int, publications: int, tmp_path: Path) -> None:
    settings, store, keys = start(tmp_path)
    done = threading.Event()
    seen: set[float] = set()

    def publish(mark: float) -> None:
        with store.transaction() as con:
            con.execute("UPDATE metric_periods SET value = ? WHERE workspace_id = ?", [mark, store.workspace_id])
            con.execute("UPDATE metric_values SET value_number = ? WHERE workspace_id = ?", [mark, store.workspace_id])
        store.publish()

    def read(client: httpx2.Client) -> None:
        while not done.is_set():
            answer = client.get("/metrics?scope=all&source=all")
            assert answer.status_code == 200, answer.text
            values = {row["value"] for row in answer.json()["metrics"]}
            assert len(values) == 1, values
            seen.update(values)
            done.wait(0.2)  # a dashboard that asks often

    publish(0.0)
    serve = settings.serve.model_copy(update={"requests_at_once": readers})  # all readers have one key
    settings = settings.model_copy(update={"serve": serve})
    limits = httpx2.Limits(max_connections=readers, max_keepalive_connections=readers)
    with serving(settings) as url, Server(url, settings, store, keys).client("viewer", limits=limits) as client:
        with ThreadPoolExecutor(readers) as pool:
            reading = [pool.submit(read, client) for _ in range(readers)]
            try:
                for mark in range(1, publications + 1):
                    publish(float(mark))
                    while mark % 2 and mark not in seen and not any(reader.done() for reader in reading):
                        done.wait(0.01)  # however slow the machine is, readers see publications come
            finally:
                done.set()
            for reader in reading:
                reader.result()
        assert len(seen) >= publications // 2
        (row, *_) = client.get("/metrics").json()["metrics"]
        assert row["value"] == float(publications)


def test_an_evaluation_reads_the_newest_publication_while_others_read_an_older_one(server: Server) -> None:
    judged = {
        "key": "empathy",
        "name": "Empathy",
        "metric_type": "numerical",
        "source": "call_intelligence",
        "event_types": ["call_intelligence.row"],
        "extraction_mode": "ai_query",
        "model_tier": "fast",
        "ai_query_prompt": "How kind?",
        "aggregation": "avg",
    }
    with server.client("owner") as owner, server.store.read():  # a reader of the same process that stays
        assert owner.put("/settings/metrics", json={"definitions": [judged]}).status_code == 200
        with server.store.transaction() as con:
            insert(con, "conversations", [conversation("just-now")])
        server.store.publish()
        answer = owner.post("/metrics/empathy/evaluate", json={"subject_id": "just-now"})
    assert answer.status_code == 503, answer.text  # it was found; there is only no model to ask


@pytest.mark.parametrize("share", [0.0, 0.3, 0.7])
def test_a_half_written_snapshot_is_503_and_names_no_path(tmp_path: Path, share: float) -> None:
    settings, store, keys = start(tmp_path)
    whole = settings.snapshot_path.read_bytes()
    with serving(settings) as url, Server(url, settings, store, keys).client("viewer") as client:
        assert client.get("/metrics").status_code == 200
        half = settings.snapshot_path.with_suffix(".half")
        half.write_bytes(whole[: int(len(whole) * share)])
        half.replace(settings.snapshot_path)
        seen = []
        for path in ("/metrics?limit=7", "/conversations", "/metrics/voice_quality_score/values", "/runs"):
            answer = client.get(path)
            seen.append(answer.status_code)
            assert answer.status_code in (200, 503), answer.text
            assert str(tmp_path) not in answer.text
            if answer.status_code == 503:
                assert answer.headers["retry-after"]
        assert 503 in seen
        store.publish()
        assert client.get("/metrics").status_code == 200
