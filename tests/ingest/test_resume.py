"""A run that ends anywhere is finished by the next one, and its books agree."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import Any

import pytest

from pipeline.ingest import IngestProgress


class _StoppedError(Exception):
    """Stands for whatever ends a run between two transactions."""


@pytest.mark.parametrize("stop_after", [1, 2, 5])
def test_a_stopped_run_is_taken_up_after_its_last_transaction(
    new_pipe: Any, turns: Any, tmp_path: Path, stop_after: int
) -> None:
    records: list[object] = [event for number in range(9) for event in turns(f"c{number}", ["a", "b", "c"])]
    records[4:4] = ["half a line {", {"event_type": "x.y"}, records[0]]
    undisturbed = new_pipe(tmp_path / "a", chunk_records=4)
    stopped = new_pipe(tmp_path / "b", chunk_records=4)
    for pipe in (undisturbed, stopped):
        pipe.write("a.ndjson", *records[:17])
        pipe.write("b.ndjson", *records[17:])
    undisturbed.ingest()

    commits: list[IngestProgress] = []

    def stop(progress: IngestProgress) -> None:
        commits.append(progress)
        if len(commits) == stop_after:
            raise _StoppedError

    with pytest.raises(_StoppedError):
        stopped.ingest(on_progress=stop)
    assert stopped.rows("SELECT count(*) FROM stale_conversations")[0][0] > 0
    stopped.ingest()
    assert stopped.contents() == undisturbed.contents()
    assert stopped.rejected() == undisturbed.rejected()
    books = "SELECT status, record_count, event_count, duplicate_count, rejected_count FROM ingested_files ORDER BY url"
    assert stopped.rows(books) == undisturbed.rows(books)
    assert stopped.rows(
        "SELECT count(*) FROM ingested_files WHERE record_count <> event_count + duplicate_count + rejected_count"
    ) == [(0,)]


KILLED = """
    import sys
    from pathlib import Path
    from pipeline.catalog.catalog import Catalog
    from pipeline.ingest import ingest
    from pipeline.settings import Settings
    from pipeline.store import Store
    settings = Settings(home=Path(sys.argv[1]), chunk_records=500)
    show = lambda progress: print(progress.record_count, flush=True)
    ingest(Store(settings), Catalog(), settings, urls=[sys.argv[2]], on_progress=show)
"""


def test_a_killed_run_loses_nothing_and_doubles_nothing(pipe: Any) -> None:
    common = {"event_type": "user.turn", "occurred_at": None}
    events = ({"event_id": f"e{n}", "conversation_id": f"c{n // 10}", "sequence": n, **common} for n in range(10_000))
    path = pipe.write("a.ndjson", *events)
    with subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(KILLED), str(pipe.settings.home), str(path)],
        stdout=subprocess.PIPE, text=True,
    ) as process:  # fmt: skip
        assert process.stdout is not None
        for _ in range(3):
            process.stdout.readline()
        os.kill(process.pid, signal.SIGKILL)
    ((before,),) = pipe.rows("SELECT count(*) FROM events")
    assert 1500 <= before < 10_000
    report = pipe.ingest()
    assert report.event_count == 10_000 - before
    assert report.duplicate_count == 0
    assert pipe.rows("SELECT count(*), count(DISTINCT event_id) FROM events") == [(10_000, 10_000)]
    assert pipe.rows("SELECT count(*), sum(event_count) FROM conversations") == [(1000, 10_000)]
    assert pipe.rows("SELECT status, record_count, event_count FROM ingested_files") == [("done", 10_000, 10_000)]


def test_progress_counts_up_to_the_report(new_pipe: Any, turns: Any, tmp_path: Path) -> None:
    pipe = new_pipe(tmp_path / "a", chunk_records=5)
    for name in "abc":
        pipe.write(f"{name}.ndjson", *turns(name, list("abcdefg")))
    seen: list[IngestProgress] = []
    report = pipe.ingest(on_progress=seen.append)
    counts = [progress.record_count for progress in seen]
    assert counts == sorted(counts)
    assert counts[-1] == report.record_count == 21
    assert (seen[-1].files_done, seen[-1].files_total) == (3, 3)
