"""What one file and a lake give when 1, 2, 4 and 8 processes write at once, and what an hourly run costs on each.

    python tests/benchmarks/writers.py [events per file] [rounds]

A benchmark, not a test: run it on an otherwise idle machine. It starts a PostgreSQL server of its own on the same
machine, with fsync; processes are started and migrated before the clock. The work is the same for any number of
writers: sixteen files, each conversation in one of them, shared out evenly.
"""

from __future__ import annotations

import multiprocessing
import shutil
import sys
import tempfile
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from statistics import median

import orjson

sys.path.insert(0, str(Path(__file__).parent.parent / "support"))

import postgres
import psycopg

from pipeline.catalog import Catalog, load_catalog
from pipeline.hourly import run_hour
from pipeline.ingest import ingest
from pipeline.sample import write_sample
from pipeline.settings import Settings
from pipeline.store import Store
from pipeline.window import Window

FILES = 16
TURNS = 20
START = datetime(2026, 3, 1, tzinfo=UTC)
END = datetime(2026, 3, 12, 15, tzinfo=UTC)
WRITERS = (1, 2, 4, 8)
PROCESSES = multiprocessing.get_context("forkserver")
PROCESSES.set_forkserver_preload(["pipeline.ingest", "pipeline.catalog", "pipeline.store.lake"])


def write_events(folder: Path, events: int) -> list[str]:
    """Conversations of twenty turns of about 300 bytes."""
    folder.mkdir()
    for file in range(FILES):
        lines = []
        for n in range(events):
            conversation, turn = divmod(n, TURNS)
            at = START + timedelta(seconds=30 * conversation + turn)
            lines.append(
                orjson.dumps(
                    {
                        "event_id": f"{file}-{n}",
                        "conversation_id": f"{file}-{conversation}",
                        "event_type": "agent.turn" if turn % 2 else "user.turn",
                        "occurred_at": at.isoformat(),
                        "channel": "voice",
                        "data": {"text": f"Sentence {n} of a call about something. " * 4, "duration_ms": 800 + turn},
                    }
                )
            )
        (folder / f"{file:02}.ndjson").write_bytes(b"\n".join(lines) + b"\n")
    return sorted(map(str, folder.iterdir()))


def work(settings: Settings, urls: list[str], ready: object, go: object) -> None:
    """One writer, which waits until all have opened the store."""
    store = Store(settings)
    with store.write():
        pass
    ready.release()  # type: ignore[attr-defined]
    go.wait()  # type: ignore[attr-defined]
    ingest(store, Catalog(), settings, urls=urls)


def seconds_for(settings: Settings, urls: list[str], writers: int) -> float:
    """From the first record to the end of the last process."""
    ready, go = PROCESSES.Semaphore(0), PROCESSES.Event()
    processes = [PROCESSES.Process(target=work, args=(settings, urls[n::writers], ready, go)) for n in range(writers)]
    for process in processes:
        process.start()
    for _ in processes:
        ready.acquire()
    started = time.perf_counter()
    go.set()
    for process in processes:
        process.join()
        assert process.exitcode == 0
    seconds = time.perf_counter() - started
    with Store(settings).write() as con:
        found = con.execute("SELECT count(*), count(DISTINCT event_id) FROM events").fetchall()[0]
        (stale,) = con.execute("SELECT count(*) FROM stale_conversations").fetchall()[0]
    assert found[0] == found[1] > 0
    assert stale == 0
    return seconds


def hourly_seconds(settings: Settings, landing: Path) -> tuple[float, float]:
    """The first run of a sample hour with every built-in metric, and the same run again."""
    settings = settings.model_copy(update={"landing": str(landing)})
    store, catalog = Store(settings), load_catalog(settings)
    with store.write():
        pass
    found = []
    for _ in range(2):
        started = time.perf_counter()
        run_hour(store, catalog, settings, Window.ending(END))
        found.append(time.perf_counter() - started)
    return found[0], found[1]


def main() -> None:
    """Print a table."""
    events, rounds = (int(given) for given in (*sys.argv[1:], *("10000", "3")[len(sys.argv) - 1 :]))
    binaries = postgres.programs()
    assert binaries is not None, "install Debian's package postgresql"
    folder = Path(tempfile.mkdtemp(prefix="metric-store-writers-"))
    try:
        with postgres.running(binaries, fsync=True) as url:
            made = 0

            def deployment(kind: str) -> Settings:
                nonlocal made
                made += 1
                where: dict[str, object] = {}
                if kind == "lake":
                    with psycopg.connect(f"{url}/postgres", autocommit=True) as session:
                        session.execute(f"CREATE DATABASE bench_{made}")
                    where = {"catalog": f"{url}/bench_{made}", "data_path": folder / f"data-{made}"}
                return Settings(home=folder / f"home-{made}", definitions=folder / "none", **where)  # type: ignore[arg-type]

            landing = write_sample(folder / "sample", end=END, conversations=500).landing
            for kind in ("file", "lake"):
                runs = [hourly_seconds(deployment(kind), landing) for _ in range(rounds)]
                first, again = (median(times) for times in zip(*runs, strict=True))
                print(f"{kind}: hourly run {first:.2f} s, again {again:.2f} s", flush=True)  # noqa: T201
            urls = write_events(folder / "events", events)
            for writers in WRITERS:
                for kind in ("file", "lake"):
                    seconds = median(seconds_for(deployment(kind), urls, writers) for _ in range(rounds))
                    rate = FILES * events / seconds
                    print(f"{kind}: {writers} writers, {rate:,.0f} events/s", flush=True)  # noqa: T201
    finally:
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    main()
