"""What a run reads and writes depends on its own conversations, not on how much is stored beside them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from types import SimpleNamespace
from typing import Any

import duckdb
import pytest

from pipeline.aggregate import aggregate
from pipeline.store import Store
from pipeline.window import Window

HISTORY = 122_880  # a row group of DuckDB, so that a new one begins with what the test adds
DAYS = 300
BIG = ("events", "conversations", "metric_values", "metric_periods", "extraction_runs")

OLD = "TIMESTAMPTZ '2026-03-02 09:00:00+00' - INTERVAL 1 DAY - to_seconds(($rows - i) * $days * 86400 // $rows)"
FILL = """
INSERT INTO events BY NAME
SELECT $workspace AS workspace_id, 'old' || i AS event_id, 'old' || i // 40 AS conversation_id,
    ['agent.turn', 'metric.written', 'world.ping', 'session.end'][i % 4 + 1] AS event_type, OLD AS occurred_at,
    occurred_at AS ingested_at, 'production' AS traffic, '{"name": "csat", "value": 3}' AS data, 's' AS source_key,
    'f' AS file_id
FROM range($rows) AS r (i);
INSERT INTO conversations BY NAME
SELECT $workspace AS workspace_id, 'old' || i AS conversation_id, OLD AS started_at, started_at AS ended_at,
    started_at AS settled_at, started_at AS first_arrival_at, started_at AS last_arrival_at, 'production' AS traffic,
    0 AS event_count, 0 AS turn_count, 0 AS agent_turn_count, 0 AS user_turn_count, 0 AS tool_call_count,
    0 AS tool_failure_count, [] AS turns, '{}' AS intelligence, 'h' AS content_hash
FROM range($rows) AS r (i);
INSERT INTO metric_values BY NAME
SELECT $workspace AS workspace_id, 'score' AS metric_key, $version AS definition_version,
    'conversation' AS entity_type, 'old' || i AS entity_id, 0 AS sample_index, OLD AS observed_at,
    observed_at AS first_arrival_at, 'production' AS traffic, 1.0 AS value_number, 'ok' AS status, 0 AS attempts,
    'h' AS content_hash, observed_at AS computed_at, 'r' AS run_id
FROM range($rows) AS r (i);
INSERT INTO extraction_runs BY NAME
SELECT $workspace AS workspace_id, 'r' || i AS run_id, 'pings' AS metric_key, $version AS definition_version,
    OLD AS window_start, window_start + INTERVAL 1 DAY AS window_end, window_start AS started_at, 0 AS seconds,
    COLUMNS_OF_COUNTS
FROM range($rows) AS r (i)
"""
COUNTS = """
SELECT string_agg('0 AS ' || column_name, ', ') FROM duckdb_columns()
WHERE table_name = 'extraction_runs' AND NOT is_nullable
    AND (column_name LIKE '%count' OR column_name LIKE 'tokens%' OR column_name IN ('calls', 'cost_usd'))
"""


class Watched:
    """A connection that notes how many rows each statement took from each of the big tables."""

    def __init__(self, con: duckdb.DuckDBPyConnection, scanned: list[tuple[str, int, str]]) -> None:
        self._con, self._scanned = con, scanned
        con.execute("SET enable_profiling = 'no_output'")

    def __getattr__(self, name: str) -> Any:
        return getattr(self._con, name)

    def execute(self, query: Any, parameters: Any = None) -> Any:
        result = self._con.execute(query) if parameters is None else self._con.execute(query, parameters)
        rows, description = result.fetchall(), result.description
        text = query if isinstance(query, str) else query.query
        self._note(json.loads(self._con.get_profiling_information("json") or "{}"), " ".join(text.split()))
        return SimpleNamespace(fetchall=lambda: rows, description=description)

    def _note(self, node: dict[str, Any], text: str) -> None:
        if node.get("operator_type") == "TABLE_SCAN":
            table = node["extra_info"].get("Table", "").split(".")[-1]
            if table in BIG:
                self._scanned.append((table, node["operator_rows_scanned"], text))
        for child in node.get("children", []):
            self._note(child, text)


@pytest.fixture
def scanned(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, int, str]]:
    """(table, rows read, statement) of everything that is run on the store from now on."""
    found: list[tuple[str, int, str]] = []
    write = Store.write

    @contextmanager
    def watched(store: Store, *subject: Any, **options: Any) -> Iterator[Any]:
        with write(store, *subject, **options) as con:
            yield Watched(con, found)

    monkeypatch.setattr(Store, "write", watched)
    return found


def fill(bench: Any) -> None:
    """Most of a year of conversations that are done, in the order in which they came."""
    bench.define(
        bench.definition("score", extract_path="$.score"),
        bench.definition("greeted", metric_type="boolean", extraction_mode="pattern", pattern={"keywords": ["hello"]}),
        bench.definition("csat", extraction_mode="written", written_name="csat"),
        bench.definition("good", metric_type="boolean", extraction_mode="formula", formula="score > 3"),
        bench.definition("pings", source="world_events", event_types=["world.ping"]),
    )
    version = bench.catalog.by_key["score"].version
    parameters = {"workspace": bench.store.workspace_id, "rows": HISTORY, "days": DAYS, "version": version}
    with bench.store.transaction() as con:
        (counts,) = con.execute(COUNTS).fetchall()[0]
        for statement in con.extract_statements(FILL.replace("OLD", OLD).replace("COLUMNS_OF_COUNTS", counts)):
            wanted = statement.named_parameters
            con.execute(statement, {name: value for name, value in parameters.items() if name in wanted})
        con.execute(
            "INSERT INTO stale_periods VALUES ($w, 'score', $v, TIMESTAMPTZ '2025-06-01 10:00:00+00', NULL)",
            {"w": bench.store.workspace_id, "v": version},
        )
    bench.run()  # enters the definitions, which restates what is there
    aggregate(bench.store, bench.catalog, bench.settings)


def test_a_run_reads_its_own_conversations_and_no_history(bench: Any, scanned: list[tuple[str, int, str]]) -> None:
    fill(bench)
    scanned.clear()
    for number in range(3):
        bench.add(
            bench.said(f"new{number}", ("agent", "hello"), ("user", "well")),
            bench.event(f"new{number}", "call_intelligence.row", 5, score=number + 2),
            bench.event(f"new{number}", "metric.written", 2, name="csat", value=number),
            bench.event(f"new{number}", "world.ping", 3),
        )
        bench.run()
        aggregate(bench.store, bench.catalog, bench.settings)
    assert bench.values("csat") == {"new0": 0, "new1": 1, "new2": 2}
    assert bench.values("greeted") == dict.fromkeys(("new0", "new1", "new2"), True)
    ours = [entry for entry in scanned if "'old" not in entry[2] and "content_of" not in entry[2]]
    assert {table for table, _, _ in ours} == set(BIG)
    # Looking up whether a conversation is known reads ids; nothing else reads a row group of another time.
    assert [entry for entry in ours if entry[1] > 20_000 and "stale_since" not in entry[2]] == []


def test_the_same_window_again_reads_no_content_and_writes_no_value(
    bench: Any, scanned: list[tuple[str, int, str]]
) -> None:
    fill(bench)
    bench.add(bench.said("new", ("agent", "hello")), bench.event("new", "call_intelligence.row", 5, score=2))
    first = bench.run()
    aggregate(bench.store, bench.catalog, bench.settings)
    scanned.clear()
    again = bench.run()
    report = aggregate(bench.store, bench.catalog, bench.settings)
    assert report.periods == 0
    assert not [text for _, _, text in scanned if text.startswith("INSERT INTO reading")]
    assert bench.sql("SELECT count(*) FROM metric_values WHERE run_id = ?", again.run_id) == [(0,)]
    assert bench.sql("SELECT count(*) > 0 FROM metric_values WHERE run_id = ?", first.run_id) == [(True,)]


def test_a_late_event_rewrites_its_own_hour_and_day(bench: Any, scanned: list[tuple[str, int, str]]) -> None:
    fill(bench)
    late = -20 * 24 * 60
    bench.add(bench.event("old", "call_intelligence.row", late, score=5), bench.event("old", "session.end", late))
    bench.add(bench.ended("other", 10, score=1))
    bench.run()
    aggregate(bench.store, bench.catalog, bench.settings)
    before = bench.sql("SELECT max(computed_at) FROM metric_periods")[0][0]
    arrived = bench.sql("SELECT max(ingested_at) FROM events")[0][0]
    scanned.clear()
    bench.run(Window.ending(arrived.replace(minute=0, second=0, microsecond=0) + timedelta(hours=1)))
    report = aggregate(bench.store, bench.catalog, bench.settings)
    assert {metric.key for metric in report.metrics} == {"score", "good", "greeted", "csat"}
    written = bench.sql("SELECT DISTINCT granularity, period_start FROM metric_periods WHERE computed_at > ?", before)
    start = bench.START + timedelta(minutes=late)
    assert set(written) == {("hour", start), ("day", start.replace(hour=0))}
    assert sum(rows for table, rows, _ in scanned if table == "metric_periods") < 1000
