"""Azure conversation analysis: the published chat, and results and timing as documented."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from pipeline.catalog.catalog import Catalog

CHAT = "2b601070-f418-4684-a3f8-e58b48f5d72e"


@pytest.fixture
def sources(shipped_sources: Catalog, new_pipe: Callable[..., Any], tmp_path: Path) -> Any:
    return new_pipe(tmp_path, shipped_sources)


def _result(kind: str, conversation: dict[str, Any]) -> dict[str, Any]:
    return {
        "kind": kind,
        "taskName": "a task",
        "lastUpdateDateTime": "2022-09-29T17:43:02.3584219Z",
        "status": "succeeded",
        "results": {"conversations": [{"id": CHAT, "warnings": [], **conversation}], "errors": []},
    }


# From documentation: the answer of GET analyze-conversations/jobs/{id} in the how-tos for summaries and for PII.
JOB = {
    "jobId": "02ec5134",
    "lastUpdatedDateTime": "2022-09-29T17:43:02Z",
    "status": "succeeded",
    "tasks": {
        "completed": 3,
        "items": [
            _result(
                "conversationalSummarizationResults",
                {
                    "summaries": [
                        {"aspect": "issue", "text": "Customer wants to connect their Smart Brew 300."},
                        {"aspect": "issue", "text": "It didn't work."},
                    ]
                },
            ),
            _result(
                "conversationalSummarizationResults",
                {"summaries": [{"aspect": "resolution", "text": "Use the 2.4GHz network."}]},
            ),
            _result(
                "conversationalPIIResults",
                {"conversationItems": [{"id": "1", "entities": [{"text": "Rene", "category": "Name"}]}]},
            ),
        ],
    },
}


def test_a_chat_has_seventeen_items_without_instants(sources: Any, shared_data: Path) -> None:
    report = sources.ingest(shared_data / "vendor-samples" / "azure-conversation-analysis")
    assert (report.event_count, report.rejected_count) == (17, 0)
    assert sources.rows(
        "SELECT conversation_id, agent_turn_count, user_turn_count, started_at, turns[1].role, turns[17].role"
        " FROM conversations"
    ) == [(CHAT, 10, 7, None, "agent", "agent")]


def test_all_tasks_of_a_job_are_one_summary_of_the_conversation(sources: Any, shared_data: Path) -> None:
    sources.ingest(shared_data / "vendor-samples" / "azure-conversation-analysis")
    sources.write("landing/azure/job.json", JOB)
    report = sources.ingest()
    assert (report.event_count, report.duplicate_count, report.rejected_count) == (1, 2, 0)
    ((turns, summary),) = sources.rows("SELECT turn_count, intelligence FROM conversations")
    assert turns == 17
    found = json.loads(summary)
    assert found["issue"] == "Customer wants to connect their Smart Brew 300. It didn't work."
    assert found["resolution"] == "Use the 2.4GHz network."
    assert found["pii_categories"] == ["Name"]


def test_a_transcript_keeps_the_recordings_clock(sources: Any) -> None:
    item = {"id": "2", "text": "OK.", "lexical": "", "itn": "", "maskedItn": ""}
    timing = {"offset": 20_000_000, "duration": 50_000_000}  # ticks of 100 ns
    items = [
        {**item, "participantId": "speaker 2", "conversationItemLevelTiming": timing},
        {**item, "id": "3", "participantId": "7", "role": "customer"},
    ]
    conversation = {"id": "meeting", "modality": "transcript", "language": "en", "conversationItems": items}
    sources.write("landing/azure/in.json", {"analysisInput": {"conversations": [conversation]}})
    assert sources.ingest().rejected_count == 0
    assert sources.rows(
        "SELECT event_type, channel, data ->> '$.offset_ms', data ->> '$.duration_ms' FROM events ORDER BY sequence"
    ) == [("participant.turn", "voice", "2000", "5000"), ("user.turn", "voice", None, None)]
