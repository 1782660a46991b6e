"""tau2 voice through the shipped mapping: ticks become runs of speech, recounted here by hand."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from itertools import groupby
from pathlib import Path
from typing import Any

import pytest

from pipeline.catalog.catalog import Catalog

TICK = timedelta(seconds=0.2)


@pytest.fixture(scope="module")
def voice(shared_data: Path, shipped_sources: Catalog, new_pipe: Callable[..., Any], tmp_path_factory: Any) -> Any:
    pipe = new_pipe(tmp_path_factory.mktemp("tau2_voice"), shipped_sources)
    pipe.report = pipe.ingest(shared_data / "tau2" / "voice")
    return pipe


@pytest.fixture(scope="module")
def simulations(shared_data: Path) -> dict[str, Any]:
    """The documents as they are, by id."""
    files = (shared_data / "tau2" / "voice" / "simulations").iterdir()
    documents = [json.loads(gzip.decompress(file.read_bytes())) for file in files]
    return {document["id"]: document for document in documents}


def test_the_counts_of_the_readme(voice: Any) -> None:
    assert voice.report.rejected_count == 0
    found = voice.rows(
        "SELECT left(conversation_id, 8), (intelligence ->> '$.tick_count')::INT,"
        " round((intelligence ->> '$.wall_clock_seconds')::DOUBLE, 1), channel, traffic FROM conversations ORDER BY ALL"
    )
    assert found == [("49b22f0c", 973, 352.9, "voice", "simulation"), ("cd9c5ed2", 1340, 493.8, "voice", "simulation")]


def test_a_stretch_of_speech_is_one_event(voice: Any, simulations: dict[str, Any]) -> None:
    expected = set()
    for identity, document in simulations.items():
        begin = datetime.fromisoformat(document["ticks"][0]["timestamp"]).replace(tzinfo=UTC)
        for role in ("agent", "user"):
            runs = groupby(
                enumerate(document["ticks"]), lambda tick, role=role: tick[1][f"{role}_chunk"]["contains_speech"]
            )
            for speaks, ticks in runs:
                numbers = [number for number, _ in ticks]
                if speaks:
                    expected.add((identity, f"{role}.speech", begin + numbers[0] * TICK, len(numbers) * 200.0))
    found = voice.rows(
        "SELECT conversation_id, event_type, occurred_at, (data ->> '$.duration_ms')::DOUBLE FROM events"
        " WHERE event_type LIKE '%.speech'"
    )
    assert set(found) == expected
    assert len(found) == len(expected) == 17 + 16 + 15 + 11


def test_the_call_lasts_as_long_as_its_ticks(voice: Any, simulations: dict[str, Any]) -> None:
    spans = dict(voice.rows("SELECT conversation_id, ended_at - started_at FROM conversations"))
    assert spans == {identity: len(document["ticks"]) * TICK for identity, document in simulations.items()}


def test_settings_of_the_run_are_kept_beside_the_conversations(voice: Any) -> None:
    assert voice.rows(
        "SELECT conversation_id, service_id, (data ->> '$.audio_native_config.tick_duration_seconds')::DOUBLE,"
        " data ->> '$.agent_info.llm' FROM events WHERE event_type = 'run.settings'"
    ) == [(None, "retail", 0.2, "openai:gpt-realtime-2")]
