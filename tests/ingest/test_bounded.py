"""Bounded memory whatever a file holds, and a full disk."""

from __future__ import annotations

import gzip
import json
import random
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import Any

PROLOGUE = """
    import resource, sys
    from pathlib import Path
    from pipeline.catalog.catalog import Catalog
    from pipeline.errors import StoreUnavailableError
    from pipeline.ingest import ingest
    from pipeline.settings import Settings
    from pipeline.store import Store
    home, url = Path(sys.argv[1]), sys.argv[2]
    settings = Settings(home=home, memory_limit="400MB", threads=1, chunk_records=20_000)
    store = Store(settings)
"""
PEAK = """
    def peak():
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
    Path(home / "small.ndjson").write_text('{"event_type": "x.y", "occurred_at": null}')
    ingest(store, Catalog(), settings, urls=[str(home / "small.ndjson")])
    before = peak()
    report = ingest(store, Catalog(), settings, urls=[url])
    print(report.event_count, report.rejected_count, len(report.failed), peak() - before)
"""


def _run(code: str, *arguments: object) -> str:
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(PROLOGUE) + textwrap.dedent(code), *map(str, arguments)],
        capture_output=True, text=True, timeout=300,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_a_record_of_200_mb_is_refused_in_bounded_memory(tmp_path: Path) -> None:
    path = tmp_path / "a.ndjson.gz"
    good = b'{"event_type": "x.y", "event_id": "%d", "occurred_at": null}\n'
    with gzip.open(path, "wb", compresslevel=1) as stream:
        stream.write(good % 1 + b'{"event_type": "')
        for _ in range(200):
            stream.write(b"x" * 2**20)
        stream.write(b'"}\n' + good % 2)
    home = tmp_path / "home"
    home.mkdir()
    events, rejected, failed, growth = map(int, _run(PEAK, home, path).split())
    assert (events, rejected, failed) == (2, 1, 0)
    assert growth < 120


def test_a_document_of_200_mb_is_refused_in_bounded_memory(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    with path.open("wb") as stream:
        stream.write(b'{"event_type": "x.y", "occurred_at": null, "data": {"text": "')
        stream.truncate(200 * 2**20)  # sparse: the rest reads as zeros
    home = tmp_path / "home"
    home.mkdir()
    events, rejected, failed, growth = map(int, _run(PEAK, home, path).split())
    assert (events, rejected, failed) == (0, 1, 0)
    assert growth < 120


def test_a_large_file_streams_through(tmp_path: Path) -> None:
    path = tmp_path / "a.ndjson.gz"
    line = b'{"event_id": "e%d", "event_type": "x.y", "occurred_at": null, "data": {"text": "' + b"x" * 6000 + b'"}}\n'
    with gzip.open(path, "wb", compresslevel=1) as stream:
        for number in range(50_000):
            stream.write(line % number)
    home = tmp_path / "home"
    home.mkdir()
    events, rejected, failed, growth = map(int, _run(PEAK, home, path).split())
    assert (events, rejected, failed) == (50_000, 0, 0)
    assert growth < 600  # for 300 MB of text: a chunk in Python beside the 400 MB that DuckDB may use


FULL_DISK = """
    settings = settings.model_copy(update={"chunk_records": 5_000})
    limit = int(sys.argv[3])
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, resource.RLIM_INFINITY))
    try:
        report = ingest(store, Catalog(), settings, urls=[url])
    except StoreUnavailableError as error:
        print("StoreUnavailableError", error)
    resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    with store.write() as con:
        print(*con.execute("SELECT count(*), count(DISTINCT event_id) FROM events").fetchall()[0])
    report = ingest(store, Catalog(), settings, urls=[url])
    with store.write() as con:
        print(*con.execute("SELECT count(*), count(DISTINCT event_id) FROM events").fetchall()[0])
        print(*con.execute("SELECT status, record_count, event_count FROM ingested_files").fetchall()[0])
"""


def test_a_full_disk_stops_the_run_and_the_next_one_finishes_it(tmp_path: Path) -> None:
    path = tmp_path / "a.ndjson"
    noise = random.Random(5)
    with path.open("w") as stream:
        for number in range(60_000):
            event: dict[str, Any] = {"event_id": f"e{number}", "event_type": "x.y", "occurred_at": None}
            stream.write(json.dumps({**event, "data": {"text": noise.randbytes(150).hex()}}) + "\n")
    home = tmp_path / "home"
    home.mkdir()
    error, kept, after, file = _run(FULL_DISK, home, path, 8 * 2**20).splitlines()
    assert error.startswith("StoreUnavailableError The database")
    assert "What was committed is kept" in error
    stored = int(kept.split()[0])
    assert 0 < stored < 60_000
    assert after == "60000 60000"
    assert file == "done 60000 60000"
