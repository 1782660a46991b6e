"""Contact Lens, contact events and Transcribe Call Analytics, on the payloads that AWS publishes."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from pipeline.catalog.catalog import Catalog

CONTACT = "11111111-1111-1111-1111-111111111111"


@pytest.fixture
def sources(shipped_sources: Catalog, new_pipe: Callable[..., Any], tmp_path: Path) -> Any:
    return new_pipe(tmp_path, shipped_sources)


@pytest.fixture
def lens(shared_data: Path) -> Path:
    return shared_data / "vendor-samples" / "amazon-connect-contact-lens"


def _summary(sources: Any, *paths: str) -> list[Any]:
    ((intelligence,),) = sources.rows("SELECT intelligence FROM conversations")
    found: list[Any] = []
    for path in paths:
        value = json.loads(intelligence)
        for key in path.split("."):
            value = value[key]
        found.append(value)
    return found


def test_a_call_has_ten_turns_on_its_own_clock(sources: Any, lens: Path) -> None:
    report = sources.ingest(lens / "call-redacted.json")
    assert (report.event_count, report.rejected_count, report.files[0].source_key) == (13, 0, "contact_lens")
    turns = sources.rows(
        "SELECT event_type, occurred_at, (data ->> '$.offset_ms')::INT, (data ->> '$.duration_ms')::INT,"
        " data ->> '$.sentiment_label', json_array_length(data, '$.loudness')"
        " FROM events WHERE event_type LIKE '%.turn' ORDER BY sequence"
    )
    assert len(turns) == 10
    assert turns[0] == ("agent.turn", None, 0, 90, "neutral", 1)
    assert turns[3] == ("user.turn", None, 7370, 3820, "negative", 5)
    assert sum(turn[3] for turn in turns if turn[0] == "agent.turn") == 15_150
    assert sources.rows("SELECT started_at, channel, duration_seconds, turn_count FROM conversations") == [
        (None, "voice", 32.11, 10)
    ]


def test_what_contact_lens_says_of_a_call_is_in_the_summary(sources: Any, lens: Path) -> None:
    sources.ingest(lens / "call-redacted.json")
    assert _summary(
        sources,
        "emotion_summary.average_user_sentiment",
        "conversation_summary.agent_talk_seconds",
        "conversation_summary.user_words_per_minute",
        "conversation_summary.barge_in_count",
        "issues_detected",
        "ConversationCharacteristics.NonTalkTime.TotalTimeMillis",
        "output",
    ) == [0.62, 15.079, 163, 0, ["I need to cancel. I want to cancel my plan subscription"], 0, "Redacted"]


def test_the_name_of_the_file_gives_a_call_its_instants(sources: Any, lens: Path) -> None:
    folder = sources.folder / "Analysis" / "Voice" / "2020" / "02" / "04"
    folder.mkdir(parents=True)
    (folder / f"{CONTACT}_analysis_redacted_2020-02-04T21:14:16Z.json").write_bytes(
        (lens / "call-redacted.json").read_bytes()
    )
    assert sources.ingest().rejected_count == 0
    assert sources.rows("SELECT started_at, ended_at, turns[4].started_at FROM conversations") == [
        (
            datetime(2020, 2, 4, 21, 14, 16, tzinfo=UTC),
            datetime(2020, 2, 4, 21, 14, 48, 110_000, UTC),
            datetime(2020, 2, 4, 21, 14, 23, 370_000, UTC),
        )
    ]


def test_what_follows_a_payload_and_is_no_json_is_refused_with_its_place(sources: Any, lens: Path) -> None:
    report = sources.ingest(lens / "call-original.not-valid-json.txt")
    assert (report.event_count, report.rejected_count, report.files[0].status) == (13, 1, "done")
    ((place, reason, detail),) = sources.rows("SELECT place, reason, detail FROM rejected_records")
    assert (place, reason, detail) == ("document 2", "not_json", "neither an object nor a list")


def test_a_chat_has_thirty_five_items_with_sentiment_from_its_groups(sources: Any, lens: Path) -> None:
    report = sources.ingest(lens / "chat-original.json")
    assert (report.event_count, report.rejected_count) == (36, 0)
    assert dict(sources.rows("SELECT event_type, count(*) FROM events GROUP BY ALL")) == {
        "agent.turn": 15,
        "user.turn": 13,
        "system.turn": 3,
        "participant.joined": 2,
        "participant.left": 1,
        "session.end": 1,
        "call_intelligence.row": 1,
    }
    # Sentiment is given for groups of one to three messages, and for one message that is not in the example.
    chat = json.loads((lens / "chat-original.json").read_text())
    given = {
        item["Id"]: group["Sentiment"].lower()
        for group in chat["ConversationCharacteristics"]["Sentiment"]["DetailsByTranscriptItemGroup"]
        for item in group["TranscriptItems"]
    }
    assert dict(
        sources.rows(
            "SELECT split_part(event_id, '/', 2), data ->> '$.sentiment_label' FROM events"
            " WHERE event_type IN ('agent.turn', 'user.turn')"
        )
    ) == {
        item["Id"]: given[item["Id"]]
        for item in chat["Transcript"]
        if item.get("ParticipantRole") in ("AGENT", "CUSTOMER") and item["Type"] == "MESSAGE"
    }
    assert sources.rows("SELECT started_at, channel FROM conversations") == [
        (datetime(2022, 10, 27, 3, 31, 50, 735_000, UTC), "text")
    ]
    assert sources.rows("SELECT data ->> '$.completion_reason' FROM events WHERE event_type = 'session.end'") == [
        ("caller_hangup",)
    ]
    assert _summary(sources, "latency_summary.avg_response_ms", "categories") == [5575, ["agent-intro"]]


def test_the_redacted_twin_of_a_chat_is_no_second_conversation(sources: Any, lens: Path) -> None:
    """It takes the place of the original, as a later version of the same analysis."""
    first = sources.ingest(lens / "chat-original.json").event_count
    assert sources.ingest(lens / "chat-redacted.json").event_count == first
    assert sources.rejected() == []
    assert sources.rows("SELECT count(*), count(DISTINCT file_id) FROM events") == [(first, 1)]
    assert sources.rows("SELECT count(*) FROM superseded_events") == [(first,)]
    assert sources.rows("SELECT conversation_id, agent_turn_count, user_turn_count FROM conversations") == [
        ("b49644f6-672f-445c-b209-f76b36482830", 14, 14)
    ]


def test_real_time_segments_keep_whole_turns_only(sources: Any, lens: Path) -> None:
    report = sources.ingest(*sorted(lens.glob("realtime-*.json")))
    assert report.rejected_count == 0
    assert dict(sources.rows("SELECT event_type, count(*) FROM events GROUP BY ALL")) == {
        "session.start": 1,
        "agent.turn": 1,
        "user.turn": 1,
        "contact_lens.categories": 1,
        "contact_lens.failed": 1,
        "session.end": 1,
    }
    ((text, categories),) = sources.rows(
        "SELECT any_value(data ->> '$.text') FILTER (event_type = 'agent.turn'),"
        " any_value(data -> '$.categories') FILTER (event_type = 'contact_lens.categories') FROM events"
    )
    assert text == "Hello, thank you for calling Example Corp. My name is Adam. How can I help you?"
    assert json.loads(categories) == ["CreditCardRelated", "CardBrokenIssue"]


def test_contact_events_with_and_without_their_envelope(sources: Any, lens: Path) -> None:
    sources.ingest(lens / "contact-event.json")
    connected = json.loads((lens / "contact-event.json").read_text())
    ended = {
        **connected,
        "eventType": "DISCONNECTED",
        "disconnectTimestamp": "2021-08-04T17:40:00Z",
        "disconnectReason": "TELECOM_PROBLEM",
    }
    sources.write("landing/contact_events/a.json", {"detail-type": "Amazon Connect Contact Event", "detail": ended})
    report = sources.ingest()
    assert (report.event_count, report.duplicate_count, report.rejected_count) == (1, 1, 0)
    assert sources.rows(
        "SELECT event_type, strftime(occurred_at, '%H:%M:%S'), data ->> '$.completion_reason'"
        " FROM events ORDER BY occurred_at"
    ) == [
        ("session.start", "17:17:53", None),
        ("contact.connected_to_agent", "17:29:09", None),
        ("session.end", "17:40:00", "error"),
    ]
    assert sources.rows("SELECT conversation_id, direction, channel FROM conversations") == [
        (CONTACT, "inbound", "voice")
    ]


def test_an_analysed_call_has_twelve_segments(sources: Any, shared_data: Path) -> None:
    report = sources.ingest(shared_data / "vendor-samples" / "amazon-transcribe-post-call-analytics")
    assert (report.event_count, report.rejected_count) == (15, 0)
    turns = sources.rows(
        "SELECT event_type, (data ->> '$.offset_ms')::DOUBLE, (data ->> '$.duration_ms')::DOUBLE,"
        " (data ->> '$.sentiment')::DOUBLE, (data ->> '$.interrupted')::BOOLEAN"
        " FROM events WHERE event_type LIKE '%.turn' ORDER BY sequence"
    )
    assert len(turns) == 12
    assert turns[1] == ("user.turn", 640, 3060, 1, True)  # the agent's segment after it is an interruption
    assert turns[10][2] == 510
    assert [turn[4] for turn in turns].count(True) == 1
    # ConversationTime is the time of processing here, so it is in UTC and not in New York.
    assert sources.rows("SELECT started_at, duration_seconds FROM conversations") == [
        (datetime(2021, 11, 25, 13, 35, 14, 215_558, UTC), 28.67)
    ]
    assert _summary(
        sources,
        "conversation_summary.user_talk_seconds",
        "emotion_summary.average_agent_sentiment",
        "time_is_of_processing",
    ) == [19.56, 0.34, True]


def test_a_call_time_from_the_recordings_name_is_in_the_calls_zone(sources: Any, shared_data: Path) -> None:
    file = shared_data / "vendor-samples" / "amazon-transcribe-post-call-analytics" / "testfile.json"
    call = json.loads(file.read_text())
    call["ConversationAnalytics"] |= {"ConversationTime": "2021-11-25 08:00:00", "GUID": "2a602c1a"}
    sources.write("landing/transcribe/a.json", call)
    assert sources.ingest().rejected_count == 0
    assert sources.rows("SELECT conversation_id, started_at FROM conversations") == [
        ("2a602c1a", datetime(2021, 11, 25, 13, tzinfo=UTC))
    ]


# From documentation: "Compiled post-call analytics output" of the developer guide, its ellipses left out.
CALL_ANALYTICS = {
    "JobStatus": "COMPLETED",
    "JobName": "my-call",
    "LanguageCode": "en-US",
    "Transcript": [
        {
            "LoudnessScores": [80.22, 79.48, 82.81],
            "Content": "That is a very generous offer. And I accept.",
            "Id": "f9266cba-34df-4ca8-9cea-4f62a52a7981",
            "BeginOffsetMillis": 17140,
            "EndOffsetMillis": 19860,
            "Sentiment": "POSITIVE",
            "ParticipantRole": "CUSTOMER",
        },
        {
            "Content": "Wonderful. I made all changes to your account and now this discount is applied, please check.",
            "OutcomesDetected": [{"CharacterOffsets": {"Begin": 12, "End": 78}}],
            "BeginOffsetMillis": 20000,
            "EndOffsetMillis": 26000,
            "Sentiment": "NEUTRAL",
            "ParticipantRole": "AGENT",
        },
    ],
    "Categories": {"MatchedCategories": ["positive-resolution"], "MatchedDetails": {}},
    "ConversationCharacteristics": {
        "NonTalkTime": {"Instances": [], "TotalTimeMillis": 0},
        "Interruptions": {
            "TotalCount": 2,
            "TotalTimeMillis": 10700,
            "InterruptionsByInterrupter": {
                "AGENT": [{"BeginOffsetMillis": 26040, "DurationMillis": 5510, "EndOffsetMillis": 31550}]
            },
        },
        "TotalConversationDurationMillis": 42460,
        "Sentiment": {"OverallSentiment": {"AGENT": 2.5, "CUSTOMER": 2.1}},
        "TalkSpeed": {"DetailsByParticipant": {"AGENT": {"AverageWordsPerMinute": 150}}},
        "TalkTime": {"DetailsByParticipant": {"AGENT": {"TotalTimeMillis": 32750}}, "TotalTimeMillis": 50760},
    },
}


def test_the_services_own_output(sources: Any) -> None:
    sources.write("landing/transcribe/my-call.json", CALL_ANALYTICS)
    assert sources.ingest().rejected_count == 0
    assert sources.rows("SELECT conversation_id, turn_count, duration_seconds FROM conversations") == [
        ("my-call", 2, 42.46)
    ]
    assert _summary(
        sources,
        "conversation_summary.agent_interruption_count",
        "conversation_summary.barge_in_count",
        "emotion_summary.average_user_sentiment",
        "categories",
    ) == [1, 0, 0.42, ["positive-resolution"]]
