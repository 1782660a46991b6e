"""tau-bench through the shipped mapping: conversations without times, with the counts of the file itself."""

from __future__ import annotations

import gzip
import json
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from pipeline.catalog.catalog import Catalog


@pytest.fixture(scope="module")
def file(shared_data: Path) -> Path:
    return shared_data / "tau-bench" / "gpt-4o-airline.json.gz"


@pytest.fixture(scope="module")
def records(file: Path) -> list[dict[str, Any]]:
    return json.loads(gzip.decompress(file.read_bytes()))  # type: ignore[no-any-return]


@pytest.fixture(scope="module")
def tau_bench(file: Path, shipped_sources: Catalog, new_pipe: Callable[..., Any], tmp_path_factory: Any) -> Any:
    pipe = new_pipe(tmp_path_factory.mktemp("tau_bench"), shipped_sources)
    pipe.report = pipe.ingest(file)
    return pipe


def test_the_counts_of_the_readme(tau_bench: Any) -> None:
    assert tau_bench.report.rejected_count == 0
    assert tau_bench.rows(
        "SELECT count(*), count(DISTINCT intelligence ->> '$.task_id'), count(DISTINCT intelligence ->> '$.trial'),"
        " count(*) FILTER ((intelligence ->> '$.reward')::DOUBLE = 1),"
        " count(*) FILTER ((intelligence ->> '$.reward')::DOUBLE = 0), any_value(service_id) FROM conversations"
    ) == [(200, 50, 4, 84, 116, "airline")]


def test_every_message_and_call_is_an_event(tau_bench: Any, records: list[dict[str, Any]]) -> None:
    messages = [message for record in records for message in record["traj"]]
    roles = Counter(message["role"] for message in messages if message["content"] is not None)
    results = [message["content"] for message in messages if message["role"] == "tool"]
    found = dict(tau_bench.rows("SELECT event_type, count(*) FROM events GROUP BY ALL"))
    assert found == {
        "system.turn": roles["system"],
        "user.turn": roles["user"],
        "agent.turn": roles["assistant"],
        "tool.result": roles["tool"],
        "tool.call": sum(len(message.get("tool_calls") or ()) for message in messages),
        "transfer.completed": results.count("Transfer successful"),
        "session.end": len(records),
        "call_intelligence.row": len(records),
    }
    failed = tau_bench.rows("SELECT count(*) FROM events WHERE NOT (data ->> '$.succeeded')::BOOLEAN")
    assert failed == [(sum(result.startswith("Error") for result in results),)]


def test_turns_without_times_keep_their_order(tau_bench: Any, records: list[dict[str, Any]]) -> None:
    spoken = [message["content"] for message in records[17]["traj"] if message["role"] != "tool" and message["content"]]
    conversation = f"gpt-4o-airline/{records[17]['task_id']}/{records[17]['trial']}"
    assert tau_bench.rows(
        "SELECT [turn.text FOR turn IN turns], started_at FROM conversations WHERE conversation_id = ?", conversation
    ) == [(spoken, None)]


def test_a_call_without_an_instant_is_counted_and_settled(tau_bench: Any) -> None:
    assert tau_bench.rows(
        "SELECT count(*) FROM conversations WHERE started_at IS NULL AND settled_at = last_arrival_at"
    ) == [(200,)]
