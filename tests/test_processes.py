"""Two processes writing and four reading at once: no error reaches anyone, and no row is lost."""

from __future__ import annotations

import json
import multiprocessing
import os
import time
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

from pipeline.settings import Settings
from pipeline.store import Store

SECONDS = float(os.environ.get("METRIC_STORE_TEST_SECONDS", "12"))
PROCESSES = multiprocessing.get_context("forkserver")
PROCESSES.set_forkserver_preload(["pipeline.cli.app", "pipeline.cli.read", "pipeline.cli.work"])
ENDED = datetime(2026, 3, 12, 14, tzinfo=UTC)
DEFINITIONS = """\
definitions:
  - {key: p_turns, name: Turns, metric_type: numerical, source: call_intelligence,
     event_types: [call_intelligence.row], extract_path: $.conversation_summary.turn_count, aggregation: count}
"""
PREAMBLE = """
import contextlib, io, json, os, sys, time
os.chdir({folder!r})
os.environ["METRIC_STORE_HOME"] = "home"
from pipeline.cli.app import run

def call(*arguments):
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        code = run(arguments)
    if code:
        sys.exit(f"{{' '.join(arguments)}} ended with {{code}}: {{err.getvalue()}}")
    return json.loads(out.getvalue())
"""
WRITER = """
written = 0
while time.time() < {until} or written == 0:
    written += 1
    name = f"w{writer}-{{written:05}}"
    event = dict(event_id=name, conversation_id=name, event_type="call_intelligence.row", occurred_at={ended!r},
                 channel="voice", traffic="production", data=dict(conversation_summary=dict(turn_count=written)))
    with open(f"{{name}}.ndjson", "w") as file:
        file.write(json.dumps(event) + "\\n")
    report = call("ingest", f"{{name}}.ndjson", "--json")
    assert report["event_count"] == 1, report
    call("run", "--at", "2026-03-12T14:00Z", "--metric", "p_turns", "--json")
    open("counts.{writer}", "w").write(str(written))
"""
READER = """
seen = reads = 0
while time.time() < {until} or reads == 0:
    rows = call("get", "p_turns", "--grain", "hour", "--json")
    reads += 1
    (row,) = rows
    assert row["event_count"] + row["pending_count"] == row["eligible_count"], row
    assert row["event_count"] >= seen, (row, seen)
    seen = row["event_count"]
    call("list", "--json")
open("reads.{reader}", "w").write(str(reads))
"""


def test_nobody_sees_an_error_and_no_row_is_lost(tmp_path: Path) -> None:
    custom = tmp_path / "definitions" / "metrics" / "custom"
    custom.mkdir(parents=True)
    (custom / "p.yaml").write_text(DEFINITIONS)
    ended = ENDED + timedelta(minutes=1)
    where = {"folder": str(tmp_path), "ended": ended.isoformat()}
    finish([start(WRITER, **where, writer="first", until=0.0)])  # so that readers have something to read
    until = time.time() + SECONDS
    finish(
        [start(WRITER, **where, writer=name, until=until) for name in ("a", "b")]
        + [start(READER, **where, reader=index, until=until) for index in range(4)]
    )
    counts = {file.suffix[1:]: int(file.read_text()) for file in tmp_path.glob("counts.*")}
    assert min(counts.values()) >= 1
    assert len(list(tmp_path.glob("reads.*"))) == 4
    with Store(Settings(home=tmp_path / "home", definitions=tmp_path / "definitions")).write() as con:
        found = {
            name: con.execute(f"SELECT count(*), count(DISTINCT {column}) FROM {name}").fetchall()[0]
            for name, column in {
                "events": "event_id",
                "conversations": "conversation_id",
                "metric_values": "entity_id",
                "ingested_files": "url",
            }.items()
        }
        (value,) = con.execute(
            "SELECT event_count FROM metric_periods WHERE granularity = 'hour' AND superseded_at IS NULL "
            "AND service_id IS NULL"
        ).fetchall()[0]
    total = sum(counts.values())
    assert found == dict.fromkeys(found, (total, total)), json.dumps(counts)
    assert value == total


def start(script: str, **values: object) -> multiprocessing.process.BaseProcess:
    process = PROCESSES.Process(target=exec, args=((PREAMBLE + script).format(**values), {}))
    process.start()
    return process


def finish(processes: Sequence[multiprocessing.process.BaseProcess]) -> None:
    for process in processes:
        process.join(SECONDS + 120)
    assert [process.exitcode for process in processes] == [0] * len(processes)
