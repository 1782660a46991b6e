"""The metric store's own rows and events, made from the published OpenAPI types."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from pipeline.catalog.catalog import Catalog

AT = "2026-03-02T10:00:00Z"
ROW = {
    "workspace_id": "9d1f0b0e-0000-4000-8000-000000000000",
    "call_sid": "CA1",
    "service_id": "svc",
    "direction": "inbound",
    "duration_seconds": 93.5,
    "quality_score": 87,
    "completion_reason": "completed",
    "final_state": "done",
    "source": "real",
    "channel_kind": "voice",
    "created_at": AT,
    "emotion_summary": {"dominant_emotion": "calm", "average_valence": 0.2, "barge_in_count": 1},
    "tool_summary": {"total_calls": 4, "succeeded": 3, "failed": 1, "failure_rate": 0.25},
    "operator_summary": {"escalated": False, "operator_active": None},
}


@pytest.fixture
def sources(shipped_sources: Catalog, new_pipe: Callable[..., Any], tmp_path: Path) -> Any:
    return new_pipe(tmp_path, shipped_sources)


def _ingest(sources: Any, *records: dict[str, Any]) -> None:
    sources.write("landing/metric_store/a.ndjson", *records)
    assert sources.ingest().rejected_count == 0


def test_a_projection_row_is_the_summary(sources: Any) -> None:
    simulated = {**ROW, "call_sid": "CA2", "direction": "simulated", "source": "simulation"}
    text = {**ROW, "call_sid": "S3", "channel_kind": "sms", "source": "playground", "direction": "outbound"}
    _ingest(sources, ROW, simulated, text)
    assert sources.rows(
        "SELECT conversation_id, channel, direction, traffic, service_id, quality_score, duration_seconds,"
        " completion_reason, tool_call_count, tool_failure_count, escalated FROM conversations ORDER BY 1"
    ) == [
        ("CA1", "voice", "inbound", "production", "svc", 87, 93.5, "completed", 4, 1, False),
        ("CA2", "voice", "simulated", "simulation", "svc", 87, 93.5, "completed", 4, 1, False),
        ("S3", "text", "outbound", "simulation", "svc", 87, 93.5, "completed", 4, 1, False),
    ]


def test_the_detail_of_a_call_has_its_quality_from_0_to_1(sources: Any) -> None:
    _ingest(sources, {**ROW, "call_id": "c", "quality_score": 0.87, "key_moments": [{"type": "loop", "turn": 3}]})
    assert sources.rows("SELECT quality_score, intelligence ->> '$.key_moments[0].type' FROM conversations") == [
        (87, "loop")
    ]


def test_voice_judge_results(sources: Any) -> None:
    _ingest(
        sources,
        {
            "call_sid": "CA1",
            "service_id": "svc",
            "overall_score": 0.8,
            "clarity_score": 0.9,
            "critical_count": 0,
            "computed_at": AT,
        },
    )
    assert sources.rows("SELECT event_type, domain, conversation_id, data ->> '$.clarity_score' FROM events") == [
        ("voice_judge.result", "voice_judge", "CA1", "0.9")
    ]


def test_the_life_of_calls_and_sessions(sources: Any) -> None:
    _ingest(
        sources,
        {"event_type": "call.started", "call_sid": "CA1", "direction": "inbound", "service_id": "svc", "timestamp": AT},
        {
            "event_type": "call.escalated",
            "call_sid": "CA1",
            "escalation_id": "e",
            "trigger": "caller",
            "reason": "asked",
            "timestamp": "2026-03-02T10:00:30Z",
        },
        {
            "event_type": "operator.joined_call",
            "call_sid": "CA1",
            "operator_id": "o",
            "timestamp": "2026-03-02T10:00:40Z",
        },
        {
            "event_type": "call.ended",
            "call_sid": "CA1",
            "direction": "inbound",
            "duration_seconds": 60,
            "completion_reason": "escalated",
            "timestamp": "2026-03-02T10:01:00Z",
        },
        {
            "event_type": "text.completed",
            "session_id": "T1",
            "channel_kind": "sms",
            "duration_seconds": 9,
            "turn_count": 2,
            "final_state": "done",
            "timestamp": AT,
        },
    )
    assert sources.rows(
        "SELECT conversation_id, channel, started_at, ended_at, escalated, final_state FROM conversations ORDER BY 1"
    ) == [
        (
            "CA1",
            "voice",
            datetime(2026, 3, 2, 10, tzinfo=UTC),
            datetime(2026, 3, 2, 10, 1, tzinfo=UTC),
            True,
            None,
        ),
        ("T1", "text", datetime(2026, 3, 2, 10, tzinfo=UTC), datetime(2026, 3, 2, 10, tzinfo=UTC), False, "done"),
    ]


def test_surface_connector_emotion_and_world_events(sources: Any) -> None:
    world = {
        "id": "w1",
        "domain": "scheduling",
        "event_type": "appointment.booked",
        "source": "voice_agent",
        "confidence": 0.5,
        "effective_at": AT,
        "data": {"amount": 12, "confidence": 0.9},
    }
    _ingest(
        sources,
        {"event_type": "surface.created", "surface_id": "f1", "entity_id": "p", "channel": "sms", "timestamp": AT},
        {
            "event_type": "surface.field_saved",
            "surface_id": "f1",
            "entity_id": "p",
            "field_key": "dob",
            "timestamp": AT,
        },
        {"event_type": "surface.submitted", "surface_id": "f1", "entity_id": "p", "submitted_at": AT},
        {"event_type": "pipeline.error", "data_source_id": "ehr", "error": "401", "timestamp": AT},
        {"event_type": "pipeline.sync_completed", "data_source_id": "ehr", "event_count": 7, "timestamp": AT},
        {"event_id": "s1", "event_type": "patient.updated", "sync_status": "failed", "source": "x", "synced_at": AT},
        {
            "type": "emotion",
            "call_sid": "CA1",
            "dominant": "calm",
            "valence": 0.1,
            "arousal": 0.3,
            "segment_dominant": "anger",
            "segment_valence": -0.6,
            "timestamp": AT,
        },
        world,
    )
    assert sources.rows("SELECT event_type, domain, conversation_id, channel FROM events ORDER BY ALL") == [
        ("appointment.booked", "scheduling", None, None),
        ("emotion.segment", "emotion", "CA1", "voice"),
        ("pipeline.error", "connector", None, None),
        ("pipeline.sync_completed", "connector", None, None),
        ("surface.created", "surface", "f1", "surface"),
        ("surface.field_saved", "surface", "f1", "surface"),
        ("surface.submitted", "surface", "f1", "surface"),
        ("sync.failed", "connector", None, None),
    ]
    ((emotion,),) = sources.rows("SELECT data FROM events WHERE event_type = 'emotion.segment'")
    found = json.loads(emotion)
    assert (found["dominant"], found["valence"], found["arousal"]) == ("anger", -0.6, 0.3)
    # The row's own columns and its payload's fields are read by the same paths; a column wins.
    ((confidence, amount),) = sources.rows(
        "SELECT data ->> '$.confidence', data ->> '$.amount' FROM events WHERE event_type = 'appointment.booked'"
    )
    assert (confidence, amount) == ("0.5", "12")


def test_what_has_none_of_the_shapes_is_refused(sources: Any) -> None:
    sources.write("landing/metric_store/a.ndjson", {"call_sid": "CA1", "created_at": AT})
    assert sources.ingest().rejected_count == 1
    assert sources.rejected() == [("line 1", "no_rule")]
