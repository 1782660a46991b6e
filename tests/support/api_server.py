"""A live server on a free port over a store with two workspaces, and clients with keys of each role."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx2
import uvicorn

from pipeline.api import create_app
from pipeline.api.server import server_config
from pipeline.settings import Settings
from pipeline.settings_serve import Serve
from pipeline.store import STATES, Store
from pipeline.workspace.catalogs import load_workspace_catalog
from pipeline.workspace.keys import create_key

OURS = "00000000-0000-4000-8000-000000000001"
THEIRS = "00000000-0000-4000-8000-000000000002"
NOW = datetime.now(UTC).replace(minute=0, second=0, microsecond=0)
TODAY = NOW.replace(hour=0)
FILE = """
definitions:
  - key: from_file
    name: From a file
    metric_type: numerical
    source: call_intelligence
    event_types: [call_intelligence.row]
    extract_path: $.duration_seconds
    aggregation: avg
"""


@dataclass
class Server:
    """A running server.

    Attributes:
        url: of the root.
        keys: a key by role, `theirs` being the owner of the other workspace.
    """

    url: str
    settings: Settings
    store: Store
    keys: dict[str, str]

    def client(self, who: str | None = "owner", **options: Any) -> httpx2.Client:
        headers = {"X-Request-Id": "from-a-test"}  # so that answers which say the same are the same
        if who is not None:
            headers["Authorization"] = f"Bearer {self.keys.get(who, who)}"
        return httpx2.Client(base_url=f"{self.url}/v1/{OURS}", headers=headers, timeout=60, **options)


@contextmanager
def serving(settings: Settings, *, single_user: bool = False) -> Iterator[str]:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        server = uvicorn.Server(server_config(create_app(settings, single_user=single_user), lifespan="on"))
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, daemon=True)
        thread.start()
        deadline = time.monotonic() + 60
        while not server.started:
            assert thread.is_alive(), "the server did not start"
            assert time.monotonic() < deadline
            time.sleep(0.01)
        try:
            yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        finally:
            server.should_exit = True
            thread.join(30)


def insert(con: Any, table: str, rows: list[dict[str, Any]]) -> None:
    import polars as pl

    frame = pl.DataFrame(rows, infer_schema_length=None)
    con.register("fresh_rows", frame.to_arrow())
    con.execute(f"INSERT INTO {table} BY NAME FROM fresh_rows")
    con.unregister("fresh_rows")


def period(key: str, version: str, start: datetime, value: float | None, **changes: Any) -> dict[str, Any]:
    row: dict[str, Any] = {
        "workspace_id": OURS,
        "metric_key": key,
        "definition_version": version,
        "metric_type": "numerical",
        "aggregation": "avg",
        "traffic": "production",
        "granularity": "day",
        "period_start": start,
        "period_end": start + timedelta(days=1),
        "value": value,
        "unit": "score",
        "event_count": 8,
        "eligible_count": 10,
        **{f"{state}_count": 0 for state in STATES if state != "ok"},
        "missing_count": 2,
        "coverage": 0.8,
        "interval_low": 1.0,
        "interval_high": 9.0,
        "interval_method": "hall",
        "selection": "all",
        "estimated": False,
        "avg_confidence": 1.0,
        "computed_at": start + timedelta(days=1),
        "revision": 1,
    }
    return row | changes


def hour(key: str, version: str, back: int, **changes: Any) -> dict[str, Any]:
    """An hour that ended `back` hours ago, with mergeable parts: eight values of `back`."""
    start = NOW - timedelta(hours=back + 1)
    parts = {"value_sum": 8.0 * back, "value_sum_squares": 0.0, "value_min": 1.0 * back, "value_max": 1.0 * back}
    row = {"granularity": "hour", "period_end": start + timedelta(hours=1), **parts, "value": float(back)}
    return period(key, version, start, None) | row | changes


def value(key: str, version: str, conversation: str, number: float | None, **changes: Any) -> dict[str, Any]:
    return {
        "workspace_id": OURS,
        "metric_key": key,
        "definition_version": version,
        "entity_type": "conversation",
        "entity_id": conversation,
        "sample_index": 0,
        "observed_at": NOW - timedelta(hours=3),
        "traffic": "production",
        "service_id": "front_desk",
        "value_number": number,
        "status": "ok" if number is not None else "missing",
        "confidence": 1.0,
        "reasoning": "said so clearly",
        "evidence": '[{"quote": "so sorry", "turn": 1}]',
        "attempts": 1,
        "content_hash": "hash",
        "computed_at": NOW,
        "run_id": "run-1",
    } | changes


def conversation(identifier: str, **changes: Any) -> dict[str, Any]:
    start = NOW - timedelta(hours=3)
    turn = {"index": 0, "role": "agent", "participant": None, "text": "secret words", "started_at": start}
    return {
        "workspace_id": OURS,
        "conversation_id": identifier,
        "started_at": start,
        "ended_at": start + timedelta(minutes=4),
        "settled_at": start + timedelta(minutes=4),
        "last_arrival_at": NOW,
        "channel": "voice",
        "direction": "inbound",
        "service_id": "front_desk",
        "traffic": "production",
        "session_id": f"CA-{identifier}",
        "completion_reason": "completed",
        "duration_seconds": 240.0,
        "quality_score": 87.0,
        "event_count": 3,
        "turn_count": 2,
        "agent_turn_count": 1,
        "user_turn_count": 1,
        "tool_call_count": 0,
        "tool_failure_count": 0,
        "turns": [{**turn, "ended_at": start, "event_id": "e1", "data": "{}"}],
        "intelligence": '{"quality_score": 87.0}',
        "content_hash": "hash",
    } | changes


def fill(settings: Settings, store: Store) -> None:
    """Rows of both workspaces; those of the other all hold the word `theirs` or the number 666."""
    metric = load_workspace_catalog(settings, OURS).get("voice_quality_score")
    version = metric.version
    definition = {
        "key": metric.key,
        "version": version,
        "metric_type": "numerical",
        "managed_by": "builtin",
        "body": metric.definition.model_dump_json(),
        "valid_from": NOW - timedelta(days=60),
    }
    run = {
        "run_id": "run-1",
        "metric_key": metric.key,
        "definition_version": version,
        "window_start": NOW - timedelta(hours=24),
        "window_end": NOW,
        "eligible_count": 10,
        **{f"{state}_count": 0 for state in STATES},
        "ok_count": 8,
        "missing_count": 2,
        "reused_count": 0,
        "calls": 0,
        "tokens_in": 0,
        "tokens_cached": 0,
        "tokens_out": 0,
        "cost_usd": 0.0,
        "started_at": NOW,
        "seconds": 1.5,
    }
    with store.transaction() as con:
        insert(con, "metric_definitions", [{"workspace_id": w, **definition} for w in (OURS, THEIRS)])
        insert(
            con,
            "extraction_runs",
            [{"workspace_id": OURS, **run}, {"workspace_id": THEIRS, **run, "run_id": "run-theirs"}],
        )
        days = [period(metric.key, version, TODAY - timedelta(days=n), 80.0 + n) for n in (0, 1, 3, 10)]
        insert(
            con,
            "metric_periods",
            [
                *days,
                period(metric.key, version, TODAY, 50.0, service_id="front_desk"),
                period(metric.key, version, TODAY, 33.0, traffic="simulation"),
                period(metric.key, version, TODAY, 666.0, workspace_id=THEIRS),
                *(hour(metric.key, version, number) for number in range(48)),
                hour(metric.key, version, 1, value=666.0, workspace_id=THEIRS),
            ],
        )
        insert(
            con,
            "metric_values",
            [
                *(value(metric.key, version, f"call-{n}", 60.0 + n) for n in range(8)),
                value(metric.key, version, "call-8", None),
                value(metric.key, version, "call-1", 666.0, workspace_id=THEIRS, reasoning="theirs"),
                value(metric.key, version, "theirs-1", 666.0, workspace_id=THEIRS, reasoning="theirs"),
            ],
        )
        insert(
            con,
            "conversations",
            [
                *(conversation(f"call-{n}") for n in range(9)),
                conversation("theirs-1", workspace_id=THEIRS, final_state="theirs"),
                conversation("call-1", workspace_id=THEIRS, final_state="theirs"),
            ],
        )
    store.publish()


def start(folder: Path, **serve: Any) -> tuple[Settings, Store, dict[str, str]]:
    custom = folder / "definitions" / "metrics" / "custom"
    custom.mkdir(parents=True)
    (custom / "file.yaml").write_text(FILE)
    serve = {"requests_per_minute": 1_000_000, **serve}
    settings = Settings(home=folder / "home", definitions=folder / "definitions", serve=Serve(**serve))
    store = Store(settings)
    fill(settings, store)
    now = datetime.now(UTC)
    keys = {role: create_key(store, role, role, actor="cli", now=now)[1] for role in ("viewer", "admin", "owner")}
    keys["theirs"] = create_key(store, "theirs", "owner", actor="cli", now=now, workspace_id=THEIRS)[1]
    return settings, store, keys
