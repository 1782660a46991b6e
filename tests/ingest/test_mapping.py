"""The mapping language, on the shapes that real sources have."""

from __future__ import annotations

import json
import shutil
from datetime import UTC, datetime
from typing import Any

import pytest
from pydantic import ValidationError

from pipeline.catalog.source_models import SourceMapping

CONTACT_LENS = {
    "events": [
        {
            "conversation_id": "$.CustomerMetadata.ContactId",
            "channel": {"path": "$.Channel", "map": {"VOICE": "voice", "CHAT": "text"}},
            "events": [
                {
                    "each": "$.Transcript[*]",
                    "event_type": {"path": "$.ParticipantId", "map": {"AGENT": "agent.turn", "CUSTOMER": "user.turn"}},
                    "occurred_at": {
                        "value": "$document.StartTime",
                        "plus": "$.BeginOffsetMillis",
                        "plus_unit": "ms",
                        "if_absent": "unknown",
                    },
                    "participant": "$.ParticipantId",
                    "data": {"text": "$.Content", "sentiment": "$.Sentiment", "offset_ms": "$.BeginOffsetMillis"},
                },
                {
                    "event_type": "call_intelligence.row",
                    "occurred_at": {"value": "$.StartTime", "if_absent": "unknown"},
                    "data": {
                        "duration_seconds": {
                            "path": "$.ConversationCharacteristics.TotalConversationDurationMillis",
                            "scale": 0.001,
                        }
                    },
                },
            ],
        }
    ]
}


def test_contact_lens_offsets(pipe: Any) -> None:
    call = {
        "CustomerMetadata": {"ContactId": "k1"},
        "Channel": "VOICE",
        "StartTime": "2026-01-05T10:00:00Z",
        "Transcript": [
            {"ParticipantId": "AGENT", "Content": "Hello", "BeginOffsetMillis": 0, "Sentiment": "NEUTRAL"},
            {"ParticipantId": "CUSTOMER", "Content": "Hi", "BeginOffsetMillis": 1500, "Sentiment": "POSITIVE"},
        ],
        "ConversationCharacteristics": {"TotalConversationDurationMillis": 32110},
    }
    pipe.write("a.json", call)
    assert pipe.ingest(mapping=CONTACT_LENS).rejected_count == 0
    assert pipe.rows(
        "SELECT channel, duration_seconds, turns[2].role, turns[2].text, turns[2].started_at FROM conversations"
    ) == [("voice", 32.11, "user", "Hi", datetime(2026, 1, 5, 10, 0, 1, 500000, UTC))]


def test_contact_lens_as_the_vendor_publishes_it(pipe: Any, shared_data: Any) -> None:
    folder = shared_data / "vendor-samples" / "amazon-connect-contact-lens"
    report = pipe.ingest(folder / "call-redacted.json", mapping=CONTACT_LENS)
    assert (report.event_count, report.rejected_count) == (0, 11), "the sample does not say whose call it was"
    assert {reason for _, reason in pipe.rejected()} == {"missing_conversation"}
    (rule,) = CONTACT_LENS["events"]
    nobodys = {"events": [rule | {"conversation_id": {"path": "$.CustomerMetadata.ContactId", "default": None}}]}
    shutil.copy(folder / "call-redacted.json", pipe.folder / "nobodys.json")
    report = pipe.ingest(pipe.folder / "nobodys.json", mapping=nobodys)
    assert (report.event_count, report.rejected_count) == (11, 0)
    broken = (folder / "call-original.not-valid-json.txt").read_bytes()
    (pipe.folder / "original.json").write_bytes(broken)
    assert pipe.ingest(pipe.folder / "original.json", mapping=nobodys).rejected_count == 1
    assert ("document 2", "not_json") in pipe.rejected()


def test_openai_messages_without_times(pipe: Any, shared_data: Any) -> None:
    identity = {"template": "tau-bench/{$run.task_id}/{$run.trial}"}
    mapping = {
        "events": [
            {
                "name": "run",
                "conversation_id": identity,
                "traffic": "simulation",
                "occurred_at": None,
                "events": [
                    {
                        "each": "$.traj[*]",
                        "name": "message",
                        "events": [
                            {"when": {"$.role": "user"}, "event_type": "user.turn", "data": {"text": "$.content"}},
                            {
                                "when": {"$.role": "assistant", "$.content": {"exists": True}},
                                "event_type": "agent.turn",
                                "data": {"text": "$.content"},
                            },
                            {
                                "each": "$.tool_calls[*]",
                                "event_type": "tool.call",
                                "data": {
                                    "name": "$.function.name",
                                    "call_id": "$.id",
                                    "arguments": {"path": "$.function.arguments", "type": "json"},
                                },
                            },
                            {
                                "when": {"$.role": "tool"},
                                "event_type": "tool.result",
                                "data": {"call_id": "$.tool_call_id", "result": "$.content"},
                            },
                            {"when": {"$.role": "system"}, "ignore": "the prompt is no part of the conversation"},
                        ],
                    },
                    {"event_type": "call_intelligence.row", "data": {"reward": "$.reward"}},
                ],
            }
        ]
    }
    report = pipe.ingest(shared_data / "tau-bench" / "gpt-4o-airline.json.gz", mapping=mapping)
    assert report.rejected_count == 0
    assert pipe.rows(
        "SELECT count(*), sum((intelligence ->> '$.reward')::DOUBLE), count(started_at) FROM conversations"
    ) == [(200, 84.0, 0)]
    (first,) = pipe.rows("SELECT data -> '$.arguments' FROM events WHERE event_type = 'tool.call' LIMIT 1")
    assert isinstance(json.loads(first[0]), dict)
    again = pipe.rows("SELECT event_id FROM events ORDER BY ALL")
    assert len({event_id for (event_id,) in again}) == report.event_count


def test_voice_ticks_become_the_start_and_end_of_speech(pipe: Any, shared_data: Any) -> None:
    speaks = "$.agent_chunk.contains_speech"
    spoke = "$previous.agent_chunk.contains_speech"
    mapping = {
        "zone": "UTC",
        "events": [
            {
                "conversation_id": "$.id",
                "channel": "voice",
                "events": [
                    {
                        "each": "$.ticks[*]",
                        "occurred_at": "$.timestamp",
                        "participant": "agent",
                        "first_of": [
                            {"when": {speaks: True, spoke: {"none_of": [True]}}, "event_type": "speech.start"},
                            {"when": {speaks: {"none_of": [True]}, spoke: True}, "event_type": "speech.end"},
                            {"ignore": "nothing changes in this tick"},
                        ],
                    }
                ],
            }
        ],
    }
    report = pipe.ingest(shared_data / "tau2" / "voice" / "simulations", mapping=mapping)
    assert report.rejected_count == 0
    found = dict(pipe.rows("SELECT event_type, count(*) FROM events GROUP BY ALL"))
    assert found["speech.start"] - found["speech.end"] in (0, 1, 2)
    assert found["speech.start"] > 20


def test_telemetry_spans(pipe: Any) -> None:
    def attribute(key: str) -> dict[str, Any]:
        return {"find": {"each": "$.attributes[*]", "when": {"$.key": key}, "value": "$.value.stringValue"}}

    mapping = {
        "events": [
            {
                "each": "$.resourceSpans[*].scopeSpans[*].spans[*]",
                "event_type": {"template": "span.{$.name}"},
                "event_id": {"hash": ["$.traceId", "$.spanId"]},
                "conversation_id": attribute("gen_ai.conversation.id"),
                "occurred_at": {"value": "$.startTimeUnixNano", "format": "unix_ns"},
                "data": {"model": attribute("gen_ai.request.model"), "absent": attribute("nothing")},
            }
        ]
    }
    span = {
        "traceId": "t1",
        "spanId": "s1",
        "name": "chat",
        "startTimeUnixNano": "1767607200000000000",
        "attributes": [
            {"key": "gen_ai.conversation.id", "value": {"stringValue": "c1"}},
            {"key": "gen_ai.request.model", "value": {"stringValue": "m"}},
        ],
    }
    pipe.write("a.json", {"resourceSpans": [{"scopeSpans": [{"spans": [span]}]}]})
    pipe.ingest(mapping=mapping)
    assert pipe.rows("SELECT event_type, conversation_id, occurred_at, data FROM events") == [
        ("span.chat", "c1", datetime(2026, 1, 5, 10, tzinfo=UTC), '{"model":"m"}')
    ]


def test_rows_of_a_table(pipe: Any, shared_data: Any) -> None:
    mapping = {
        "events": [
            {
                "event_type": "user.turn",
                "conversation_id": "$.dialogue_id",
                "sequence": {"path": "$.turn_num", "type": "integer"},
                "occurred_at": None,
                "participant": "$.speaker_id",
                "data": {"text": "$.transcription", "item": "$.item", "nbest": {"path": "$.nbest", "type": "json"}},
            }
        ]
    }
    report = pipe.ingest(shared_data / "evi" / "dialogues.en.tsv.gz", mapping=mapping)
    assert (report.event_count, report.rejected_count) == (12_663, 0)
    assert pipe.rows("SELECT count(*), min(turn_count), max(turn_count), max(len(turns)) FROM conversations") == [
        (1407, 9, 9, 9)
    ]
    assert pipe.rows("SELECT list_transform(turns, lambda t: t.data ->> '$.item')[1:4] FROM conversations LIMIT 1") == [
        (["postcode", "postcode", "postcode", "name"],)
    ]


def _one(pipe: Any, document: object, **rule: Any) -> list[tuple[Any, ...]]:
    rule = {"event_type": "x.y", "occurred_at": None, **rule}
    pipe.write("a.json", document)
    pipe.ingest(mapping={"zone": rule.pop("zone", None), "events": [rule]})
    return pipe.rows("SELECT occurred_at, data FROM events")  # type: ignore[no-any-return]


@pytest.mark.parametrize(
    ("value", "read"),
    [
        ({"path": "$.a"}, 1),
        ({"path": "$.absent", "default": "d"}, "d"),
        ({"path": "$.null", "default": "d"}, "d"),
        ({"first": ["$.absent", "$.null", "$.a"]}, 1),
        ({"all": "$.list[*].n"}, [1, 2, 3]),
        ({"all": "$.list[?(@.n > 1)].n"}, [2, 3]),
        ({"path": "$..deep"}, "found"),
        ({"path": "$['odd key']"}, "odd"),
        ({"literal": "$.a"}, "$.a"),
        ({"template": "{$.a}-{$.text}"}, "1-12.5"),
        ({"path": "$.text", "type": "number", "scale": 2}, 25.0),
        ({"path": "$.yes", "type": "boolean"}, True),
        ({"path": "$.flag", "map": {True: "on", False: "off"}}, "off"),
        ({"path": "$.a", "map": {2: "two"}, "other": "many"}, "many"),
        ({"list": ["$.a", "$.absent", "x"]}, [1, "x"]),
        ({"object": {"a": "$.a", "absent": "$.absent", "null": "$.null"}}, {"a": 1, "null": None}),
    ],
)
def test_values(pipe: Any, value: object, read: object) -> None:
    document = {
        "a": 1,
        "null": None,
        "text": "12.5",
        "yes": "Yes",
        "flag": False,
        "odd key": "odd",
        "list": [{"n": 1}, {"n": 2}, {"n": 3}],
        "x": {"y": {"deep": "found"}},
    }
    ((_, data),) = _one(pipe, document, data={"read": value})
    assert json.loads(data)["read"] == read


@pytest.mark.parametrize(
    ("time", "zone", "reason"),
    [
        ({"value": 1767607200, "format": "unix_s"}, None, None),
        ({"value": 1767607200000, "format": "unix_ms"}, None, None),
        ({"value": "1767607200.0", "format": "unix_s"}, None, None),
        ({"value": "05.01.2026 11:00", "format": "%d.%m.%Y %H:%M"}, "Europe/Berlin", None),
        ({"value": "2026-01-05T10:00:00", "zone": "UTC"}, "Europe/Berlin", None),
        ({"value": "2026-01-05T11:00:00+01:00"}, None, None),
        ({"value": "2026-01-05T10:00Z", "format": ["unix_s", "iso"]}, None, None),
        ({"value": "2026-01-05T10:00:00"}, None, "naive_time"),
        ({"value": "05.01.2026"}, "UTC", "bad_time"),
        ({"value": 1e30, "format": "unix_s"}, None, "bad_time"),
        ({"value": "2026-01-05T10:00:00Z", "plus": "soon"}, None, "bad_time"),
        ({"value": "$.absent"}, None, "missing_time"),
        ({"value": 0, "format": "unix_s"}, None, "time_out_of_range"),
    ],
)
def test_times(pipe: Any, time: dict[str, Any], zone: str | None, reason: str | None) -> None:
    found = _one(pipe, {"a": 1}, occurred_at=time, zone=zone)
    if reason is None:
        assert found == [(datetime(2026, 1, 5, 10, tzinfo=UTC), "{}")]
    else:
        assert found == []
        assert pipe.rejected() == [("$", reason)]


def test_an_item_that_no_rule_is_for_is_refused_with_its_place(pipe: Any) -> None:
    pipe.write("a.ndjson", {"items": [{"kind": "a"}, {"kind": "b"}, {"kind": "c"}]}, {"items": []})
    rules = [{"when": {"$.kind": ["a", "z"]}, "event_type": "x.a"}, {"when": {"$.kind": "b"}, "ignore": "of no use"}]
    report = pipe.ingest(mapping={"events": [{"occurred_at": None, "each": "$.items[*]", "first_of": rules}]})
    assert (report.event_count, report.record_count) == (1, 3)
    assert pipe.rejected() == [("line 1: $.items[2]", "no_rule"), ("line 2", "no_rule")]


def test_a_value_that_cannot_be_converted_costs_only_its_event(pipe: Any) -> None:
    pipe.write("a.json", {"items": [{"n": "1"}, {"n": "one"}, {"n": "9" * 40}]})
    rule = {
        "each": "$.items[*]",
        "event_type": "x.y",
        "occurred_at": None,
        "data": {"n": {"path": "$.n", "type": "integer"}},
    }
    assert pipe.ingest(mapping={"events": [rule]}).event_count == 1
    assert pipe.rejected() == [("$.items[1]", "wrong_type"), ("$.items[2]", "wrong_type")]


@pytest.mark.parametrize(
    ("rule", "message"),
    [
        ({"event_type": "$.a["}, "not a JSONPath"),
        ({"event_type": "$other.a"}, "no enclosing rule is named"),
        ({"event_type": {"path": "$.a", "literal": 1}}, "exactly one of"),
        ({"event_type": {"template": "no path"}}, "no path"),
        ({"event_type": "x", "occurred_at": {"value": "$.t", "zone": "Mars/Olympus"}}, "not an IANA time zone"),
        ({"event_type": "x", "evnet_id": "$.id"}, "Extra inputs"),
        ({"channel": "voice"}, "needs event_type"),
        ({"event_type": "x", "name": "document"}, "reserved"),
        ({"first_of": [{"each": "$.a[*]", "event_type": "x"}]}, "chooses by the item itself"),
    ],
)
def test_a_wrong_mapping_says_what_is_wrong(rule: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        SourceMapping.model_validate({"key": "test", "events": [rule]})


def test_every_field_is_described_in_the_json_schema() -> None:
    schema = SourceMapping.model_json_schema()
    assert schema["$defs"]["Rule"]["properties"].keys() >= {"each", "when", "event_type", "data", "first_of"}
    json.dumps(schema)


WORDS = {
    "id": "c1",
    "words": [
        {"speaker": 0, "word": "Good", "start": 0.5, "end": 0.9},
        {"speaker": 0, "word": "morning", "start": 1.0, "end": 1.6},
        {"speaker": 1, "word": "Hi", "start": 1.5, "end": 1.9},
        {"word": "hm", "start": 2.0, "end": 2.1},
        {"speaker": None, "word": "hm", "start": 2.1, "end": 2.2},
        {"speaker": 0, "word": "Yes", "start": 3.0, "end": 3.4},
    ],
}


def test_words_of_one_speaker_in_a_row_are_one_turn(pipe: Any) -> None:
    mapping = {
        "events": [
            {
                "conversation_id": "$document.id",
                "occurred_at": None,
                "each": "$.words[*]",
                "runs": "$.speaker",
                "first_of": [
                    {"when": {"$.speaker": {"exists": False}}, "ignore": "nobody knows who spoke"},
                    {
                        "event_type": {"path": "$.speaker", "map": {0: "agent.turn", 1: "user.turn"}},
                        "data": {
                            "text": {"all": "$items[*].word", "join": " "},
                            "word_count": {"count": "$items[*]"},
                            "duration_ms": {"path": "$last.end", "minus": "$.start", "scale": 1000},
                            "after": "$previous.word",
                            "before": "$next.word",
                            "run": "$index",
                        },
                    },
                ],
            }
        ]
    }
    pipe.write("a.json", WORDS)
    assert pipe.ingest(mapping=mapping).rejected_count == 0
    found = pipe.rows("SELECT event_type, data FROM events ORDER BY sequence")
    assert [(kind, json.loads(data)) for kind, data in found] == [
        ("agent.turn", {"text": "Good morning", "word_count": 2, "duration_ms": 1100, "before": "Hi", "run": 0}),
        (
            "user.turn",
            {"text": "Hi", "word_count": 1, "duration_ms": 400, "after": "morning", "before": "hm", "run": 1},
        ),
        ("agent.turn", {"text": "Yes", "word_count": 1, "duration_ms": 400, "after": "hm", "run": 3}),
    ]


def test_a_part_of_a_text_is_captured(pipe: Any) -> None:
    mapping = {
        "events": [
            {
                "event_type": "note",
                "occurred_at": None,
                "conversation_id": {"path": "$file.name", "capture": r"/(call-\d+)_(?:agent|user)[^/]*$"},
                "data": {
                    "side": {"path": "$file.name", "capture": "_(agent|user)", "map": {"agent": "A"}},
                    "code": {"path": "$.text", "capture": r"[[(](\d{4})", "type": "integer"},
                    "digit": {"path": "$.number", "capture": "(7)"},
                    "absent": {"path": "$.text", "capture": "(7)"},
                },
            }
        ]
    }
    pipe.write("call-12_agent.ndjson", {"text": "see (1234)", "number": 7}, {"text": "see nothing"})
    assert pipe.ingest(mapping=mapping).rejected_count == 0
    found = pipe.rows("SELECT conversation_id, data FROM events ORDER BY event_id")
    assert sorted(json.loads(data).get("code", 0) for _, data in found) == [0, 1234]
    assert {conversation for conversation, _ in found} == {"call-12"}
    assert all(json.loads(data)["side"] == "A" and "absent" not in json.loads(data) for _, data in found)


def test_a_hostile_text_does_not_make_a_capture_slow(pipe: Any) -> None:
    rule = {"event_type": "x", "occurred_at": None, "data": {"found": {"path": "$.text", "capture": "^((?:a+)+)$"}}}
    pipe.write("a.ndjson", {"text": "a" * 50_000 + "b"})
    assert pipe.ingest(mapping={"events": [rule]}).rejected_count == 0
    assert pipe.rows("SELECT data FROM events") == [("{}",)]


@pytest.mark.parametrize(
    ("rule", "message"),
    [
        ({"event_type": "x", "data": {"path": "$.a", "capture": "no group"}}, "0 groups"),
        ({"event_type": "x", "data": {"path": "$.a", "capture": "(a)(b)"}}, "2 groups"),
        ({"event_type": "x", "data": {"path": "$.a", "capture": "(?=a)(b)"}}, "RE2 syntax"),
        ({"event_type": "x", "runs": "$.a"}, "say over which"),
        ({"event_type": "x", "let": {"n": "$.a"}, "when": {"$n": 1}}, r"reads \$n"),
    ],
    ids=["no group", "two groups", "look-around", "runs of nothing", "when before let"],
)
def test_mistakes_in_a_mapping_are_named(rule: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        SourceMapping.model_validate({"key": "test", "events": [rule]})
