"""Harper Valley Bank: two real calls, counted against the files by plain Python."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from pipeline.catalog.catalog import Catalog

SEGMENTS = {"0002f70f7386445b": 18, "ff0296d00e5e4184": 12}


@pytest.fixture(scope="module")
def calls(shipped_sources: Catalog, new_pipe: Callable[..., Any], tmp_path_factory: Any, shared_data: Path) -> Any:
    pipe = new_pipe(tmp_path_factory.mktemp("harper"), shipped_sources)
    pipe.report = pipe.ingest(shared_data / "harper-valley-sample")
    return pipe


def test_each_segment_is_a_turn_with_an_emotion(calls: Any) -> None:
    assert calls.report.rejected_count == 0
    for kind in ("%.turn", "emotion.segment"):
        assert (
            dict(calls.rows("SELECT conversation_id, count(*) FROM events WHERE event_type LIKE ? GROUP BY ALL", kind))
            == SEGMENTS
        )


@pytest.mark.parametrize("sid", sorted(SEGMENTS))
def test_times_and_emotions_are_those_of_the_file(calls: Any, shared_data: Path, sid: str) -> None:
    segments = json.loads((shared_data / "harper-valley-sample" / "transcript" / f"{sid}.json").read_text())
    expected = []
    for segment in segments:
        emotion = segment["emotion"]
        if isinstance(emotion, list):
            emotion = dict(zip(("negative", "neutral", "positive"), emotion, strict=True))
        expected.append(
            (
                {"agent": "agent.turn", "caller": "user.turn"}[segment["speaker_role"]],
                segment["start_timestamp_ms"],
                segment["duration_ms"],
                max(emotion, key=emotion.__getitem__),
                pytest.approx(emotion["positive"] - emotion["negative"]),
            )
        )
    assert sorted(expected, key=lambda turn: turn[1]) == calls.rows(
        "SELECT event_type, epoch_ms(occurred_at), (data -> '$.duration_ms')::INT, data ->> '$.emotion_label',"
        " (data ->> '$.emotion_valence')::DOUBLE FROM events WHERE event_type LIKE '%.turn' AND conversation_id = ?"
        " ORDER BY occurred_at",
        sid,
    )


def test_responses_and_surveys_are_metrics_that_were_written(calls: Any) -> None:
    assert calls.rows(
        "SELECT conversation_id, data ->> '$.name', data ->> '$.value' FROM events"
        " WHERE event_type = 'metric.written' ORDER BY ALL"
    ) == [
        ("0002f70f7386445b", "agent_ease_of_connection", "10"),
        ("0002f70f7386445b", "agent_partner_rating", "10"),
        ("0002f70f7386445b", "caller_ease_of_connection", "10"),
        ("0002f70f7386445b", "caller_partner_rating", "10"),
        ("0002f70f7386445b", "response_replacement card type", "debit"),
        ("0002f70f7386445b", "response_task_type", "replace card"),
        ("ff0296d00e5e4184", "caller_ease_of_connection", "10"),
        ("ff0296d00e5e4184", "caller_partner_rating", "10"),
        ("ff0296d00e5e4184", "response_task_type", "get branch hours"),
    ]


def test_the_call_lasts_from_its_start_to_its_end_without_the_survey(calls: Any) -> None:
    assert calls.rows(
        "SELECT conversation_id, traffic, service_id, duration_seconds, epoch_ms(ended_at) - epoch_ms(started_at),"
        " intelligence ->> '$.caller_mos' FROM conversations ORDER BY ALL"
    ) == [
        ("0002f70f7386445b", "simulation", "replace card", 51.203, 51_203, "3.0"),
        ("ff0296d00e5e4184", "simulation", "get branch hours", 54.063, 54_063, "5.0"),
    ]
