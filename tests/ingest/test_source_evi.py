"""EVI through the shipped mapping: caller turns and profiles, and who was authenticated, by a plain join in SQL."""

from __future__ import annotations

import csv
import gzip
import io
import json
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from pipeline.catalog import load_catalog
from pipeline.catalog.catalog import Catalog
from pipeline.hourly import run_hour
from pipeline.window import HOUR, Window, floor_hour

DEFINITION = """
definitions:
  - key: caller_authenticated
    name: Caller Authenticated
    metric_type: boolean
    source: world_events
    event_types: [metric.written]
    extraction_mode: written
    written_name: authenticated
    aggregation: rate
"""
AUTHENTICATED = """
WITH spoken AS (
    SELECT
        conversation_id, data ->> '$.scenario_id' AS scenario_id, data ->> '$.item' AS item,
        unnest((data -> '$.hypotheses')::VARCHAR[]) AS hypothesis
    FROM events WHERE event_type = 'user.turn'
)
SELECT
    spoken.conversation_id,
    coalesce(bool_or(item = 'name' AND lower(hypothesis) = lower(profile.data ->> '$.name')), false) AS authenticated
FROM spoken
JOIN events AS profile ON profile.event_id = 'evi/profile/' || scenario_id
GROUP BY spoken.conversation_id
"""
"""A caller is who they say they are when any hypothesis of any attempt at the name is that of the profile."""


@pytest.fixture(scope="module")
def evi(shared_data: Path, shipped_sources: Catalog, new_pipe: Callable[..., Any], tmp_path_factory: Any) -> Any:
    pipe = new_pipe(tmp_path_factory.mktemp("evi"), shipped_sources)
    pipe.report = pipe.ingest(*sorted((shared_data / "evi").glob("*.gz")))
    return pipe


def _rows(path: Path, delimiter: str) -> list[dict[str, str]]:
    with io.TextIOWrapper(gzip.open(path), encoding="utf-8", newline="") as stream:  # type: ignore[arg-type]
        return list(csv.DictReader(stream, delimiter=delimiter))


@pytest.fixture(scope="module")
def turns(shared_data: Path) -> list[dict[str, str]]:
    return _rows(shared_data / "evi" / "dialogues.en.tsv.gz", "\t")


def test_the_counts_of_the_readme(evi: Any) -> None:
    assert evi.report.rejected_count == 0
    assert evi.rows(
        "SELECT count(*), sum(user_turn_count)::INT, min(user_turn_count), max(user_turn_count) FROM conversations"
    ) == [(1407, 12_663, 9, 9)]
    assert evi.rows("SELECT count(DISTINCT participant) FROM events WHERE event_type = 'user.turn'") == [(1081,)]
    assert evi.rows(
        "SELECT count(*), count(conversation_id) FROM events WHERE event_type = 'profile.record'"
    ) == [(10_000, 0)]  # fmt: skip


def test_nothing_of_a_row_is_lost(evi: Any, turns: list[dict[str, str]]) -> None:
    found = {
        (conversation, number): json.loads(data)
        for conversation, number, data in evi.rows(
            "SELECT conversation_id, sequence, data FROM events WHERE event_type = 'user.turn'"
        )
    }
    for row in turns:
        data = found[row["dialogue_id"], int(row["turn_num"])]
        assert data == {
            "text": row["transcription"],
            "hypotheses": json.loads(row["nbest"]),
            "item": row["item"],
            "attempt": int(row["attempt_num"]),
            "scenario_id": row["scenario_id"],
            "letter_prompt": row["prime_letter"],
            "month_prompt": row["prime_month"],
        }


def test_who_was_authenticated_becomes_a_metric(evi: Any, turns: list[dict[str, str]], shared_data: Path) -> None:
    names = {row["scenario_id"]: row["name"].lower() for row in _rows(shared_data / "evi" / "records.en.csv.gz", ",")}
    known = {row["dialogue_id"] for row in turns if row["scenario_id"] in names}
    verified = {
        row["dialogue_id"]
        for row in turns
        if row["item"] == "name"
        and names.get(row["scenario_id"]) in [hypothesis.lower() for hypothesis in json.loads(row["nbest"])]
    }
    found = dict(evi.rows(AUTHENTICATED))
    assert found == {dialogue: dialogue in verified for dialogue in known}

    # What was found out is written back as an agent would have written it.
    written = [
        {
            "event_id": f"evi/{dialogue}/authenticated",
            "conversation_id": dialogue,
            "event_type": "metric.written",
            "occurred_at": None,
            "data": {"name": "authenticated", "value": authenticated},
        }
        for dialogue, authenticated in found.items()
    ]
    assert evi.ingest(evi.write("authenticated.ndjson", *written)).event_count == len(known)
    custom = evi.settings.definitions / "metrics" / "custom"
    custom.mkdir(parents=True)
    (custom / "evi.yaml").write_text(DEFINITION)
    window = Window.ending(floor_hour(datetime.now(UTC)) + HOUR)
    run_hour(
        evi.store, load_catalog(evi.settings), evi.settings, window, keys=["caller_authenticated"], ingest_first=False
    )
    states = evi.rows("SELECT status, value_boolean, count(*) FROM metric_values GROUP BY ALL ORDER BY ALL")
    unknown = 1407 - len(known)
    assert states == [("missing", None, unknown), ("ok", False, len(known - verified)), ("ok", True, len(verified))]
