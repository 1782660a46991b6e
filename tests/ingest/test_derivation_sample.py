"""What the sample's platform says of its calls is what the events say, where both define the same thing."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest

from pipeline.sample import write_sample

# The platform knows more than its events: what risk it saw, that nobody came, and how the caller felt (in its score).
UNSEEN = {"risk_summary", "quality_score", "operator_active"}
# Its numbers are rounded.
TOLERANCE = 0.06


def _differences(provided: Any, derived: Any, path: str = "$") -> list[str]:
    """Paths at which `provided` has something that `derived` has not."""
    if isinstance(provided, dict):
        return [
            difference
            for name, value in provided.items()
            if name not in UNSEEN
            for difference in _differences(
                value, derived.get(name) if isinstance(derived, dict) else None, f"{path}.{name}"
            )
        ]
    if isinstance(provided, list) and isinstance(derived, list) and len(provided) == len(derived):
        return [
            d
            for n, (p, q) in enumerate(zip(provided, derived, strict=True))
            for d in _differences(p, q, f"{path}[{n}]")
        ]
    if path.startswith("$.safety_summary") and not provided and derived is None:
        return []  # that nothing was found is no event
    if isinstance(provided, float):
        tolerance = TOLERANCE if provided > 1 else 0.0006
        return [] if derived == pytest.approx(provided, abs=tolerance) else [f"{path}: {provided} is {derived}"]
    return [] if provided is None or provided == derived else [f"{path}: {provided} is {derived}"]


def test_derived_summaries_agree_with_those_of_the_sample(new_pipe: Any, tmp_path: Any) -> None:
    whole = new_pipe(tmp_path / "whole")
    sample = write_sample(tmp_path / "sample", end=datetime(2026, 3, 12, 15, tzinfo=UTC), conversations=250)
    whole.ingest(sample.landing, sample.late)
    columns = "event_id, conversation_id, event_type, occurred_at, sequence, domain, channel, direction, data"
    bare = new_pipe(tmp_path / "bare")
    with whole.store.write() as con:
        con.execute(
            f"COPY (SELECT {columns} FROM events WHERE conversation_id IS NOT NULL"
            f" AND event_type <> 'call_intelligence.row') TO '{bare.folder}/events.json' (FORMAT json,"
            " TIMESTAMPFORMAT '%Y-%m-%dT%H:%M:%S.%fZ')"
        )
    bare.ingest()
    derived = {
        key: json.loads(text) for key, text in bare.rows("SELECT conversation_id, intelligence FROM conversations")
    }
    provided = {
        key: json.loads(text)
        for key, text in whole.rows(
            "SELECT conversation_id, arg_max(data, occurred_at) FROM events"
            " WHERE event_type = 'call_intelligence.row' GROUP BY conversation_id"
        )
    }
    known = {"duration_seconds", "completion_reason", "final_state"}
    compared = [
        ({name: value for name, value in row.items() if name in known or name.endswith("_summary")}, derived[key])
        for key, row in provided.items()
    ]
    assert len(compared) > 150
    assert not [difference for row, other in compared for difference in _differences(row, other)][:20]
    assert sum("quality_score" in row for _, row in compared) > 100
