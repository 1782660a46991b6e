"""Values of participants and turns say what they are about: context, role, words and offsets, over real HTTP."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import ExitStack
from datetime import timedelta
from typing import Any

import httpx2
import pytest
from api_server import NOW, OURS, serving

from pipeline.catalog import load_catalog
from pipeline.extract import extract
from pipeline.ingest import ingest
from pipeline.settings import Settings
from pipeline.store import Store
from pipeline.window import Window
from pipeline.workspace.keys import create_key

START = NOW - timedelta(hours=1)
DEFINITIONS = """
definitions:
  - {key: talk, name: Talk, metric_type: numerical, source: call_intelligence, event_types: [call_intelligence.row],
     extract_path: $.duration_ms, scope: participant, fold: sum, aggregation: avg, unit: ms}
  - {key: length, name: Length, metric_type: numerical, source: call_intelligence, event_types: [call_intelligence.row],
     extract_path: $.duration_ms, scope: turn, fold: max, aggregation: avg, unit: ms}
  - {key: span, name: Span, metric_type: numerical, source: call_intelligence, event_types: [call_intelligence.row],
     extract_path: $.duration_ms, scope: turn, aggregation: avg, unit: ms}
"""
TURNS = (("agent", None, "Good morning.", 0.5, 1_000), ("user", "Ann", "Hello, I have a bill.", 2.0, 1_500),
         ("agent", None, "I see it.", 4.25, None))  # fmt: skip


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, httpx2.Client]]:
    """Clients by what their key may read, of a server over one extracted call."""
    folder = tmp_path_factory.mktemp("contexts")
    custom = folder / "definitions" / "metrics" / "custom"
    custom.mkdir(parents=True)
    (custom / "own.yaml").write_text(DEFINITIONS)
    settings = Settings(home=folder / "home", definitions=folder / "definitions")
    landing = settings.home / "landing"
    landing.mkdir(parents=True)
    (landing / "call.ndjson").write_text("".join(json.dumps(event) + "\n" for event in events()))
    store, catalog = Store(settings), load_catalog(settings)
    ingest(store, catalog, settings)
    report = extract(store, catalog, settings, Window.ending(NOW), keys=["talk", "length", "span"])
    assert not report.failed
    with store.transaction() as con:  # no mode writes a range of turns yet
        con.execute("UPDATE metric_values SET segment_to = 2 WHERE metric_key = 'span' AND segment_from = 1")
    store.publish()
    keys = {
        reader: create_key(store, reader, "viewer", actor="cli", now=NOW, transcripts=reader == "reader")[1]
        for reader in ("reader", "stranger")
    }
    with serving(settings) as url, ExitStack() as stack:
        yield {
            reader: stack.enter_context(
                httpx2.Client(base_url=f"{url}/v1/{OURS}", headers={"Authorization": f"Bearer {key}"}, timeout=60)
            )
            for reader, key in keys.items()
        }


def events() -> Iterator[dict[str, Any]]:
    base = {"conversation_id": "call", "channel": "voice"}
    yield {**base, "event_type": "session.start", "occurred_at": START.isoformat()}
    for number, (role, participant, text, second, length) in enumerate(TURNS):
        data = {"text": text} | ({} if length is None else {"duration_ms": length})
        at = (START + timedelta(seconds=second)).isoformat()
        turn = {"event_id": f"turn-{number}", "event_type": f"{role}.turn", "occurred_at": at, "data": data}
        yield {**base, **turn, "participant": participant}
    yield {**base, "event_type": "session.end", "occurred_at": (START + timedelta(seconds=9)).isoformat()}


def values(client: httpx2.Client, key: str, **parameters: Any) -> list[dict[str, Any]]:
    answer = client.get(f"/metrics/{key}/values", params={"status": "all", "parts": True, **parameters})
    assert answer.status_code == 200, answer.text
    return list(answer.json()["values"])


def test_a_turn_is_a_segment_with_words_and_offsets(client: dict[str, httpx2.Client]) -> None:
    whole, *turns = values(client["reader"], "length")
    assert (whole["context"], whole["value"], whole["from_segment"], whole["participant_role"]) == (
        "CALL", 1500, None, None
    )  # fmt: skip
    by_index = {turn["segment_from"]: turn for turn in turns}
    shown = ("context", "participant_role", "participant", "status")
    assert {index: tuple(turn[name] for name in shown) for index, turn in by_index.items()} == {
        0: ("SEGMENT", "agent", "agent", "ok"),
        1: ("SEGMENT", "user", "Ann", "ok"),
        2: ("SEGMENT", "agent", "agent", "missing"),
    }
    assert by_index[1]["from_segment"] == by_index[1]["to_segment"]
    assert by_index[1]["from_segment"] == {
        "id": "turn-1",
        "index": 1,
        "text": "Hello, I have a bill.",
        "start_offset_ms": 2_000,
        "end_offset_ms": 3_500,
    }
    assert by_index[2]["from_segment"]["end_offset_ms"] is None


def test_a_participant_has_the_call_s_context_and_a_role(client: dict[str, httpx2.Client]) -> None:
    _, *people = values(client["reader"], "talk")
    found = {person["participant"]: person for person in people}
    assert {name: (row["context"], row["participant_role"], row["value"]) for name, row in found.items()} == {
        "Ann": ("CALL", "user", 1500),
        "agent": ("CALL", "agent", 1000),
    }
    assert all(row["from_segment"] is None for row in people)


def test_the_conversation_itself_shows_the_same(client: dict[str, httpx2.Client]) -> None:
    shown = client["reader"].get("/conversations/call").json()
    listed = [value for key in ("length", "span", "talk") for value in values(client["reader"], key)]
    assert sorted(shown["values"], key=json.dumps) == sorted(listed, key=json.dumps)


def test_several_turns_are_a_range_with_two_ends(client: dict[str, httpx2.Client]) -> None:
    (span,) = (value for value in values(client["reader"], "span") if value["context"] == "SEGMENT_RANGE")
    assert (span["from_segment"]["id"], span["to_segment"]["id"]) == ("turn-1", "turn-2")
    assert (span["from_segment"]["start_offset_ms"], span["to_segment"]["start_offset_ms"]) == (2_000, 4_250)


def test_whole_values_alone_are_calls(client: dict[str, httpx2.Client]) -> None:
    (only,) = values(client["reader"], "length", parts=False)
    assert only["context"] == "CALL"


def test_a_key_without_transcripts_sees_no_words(client: dict[str, httpx2.Client]) -> None:
    _, *turns = values(client["stranger"], "length")
    assert {turn["from_segment"]["text"] for turn in turns} == {None}
    assert {turn["from_segment"]["start_offset_ms"] for turn in turns} == {500, 2_000, 4_250}
