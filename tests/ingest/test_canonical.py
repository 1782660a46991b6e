"""Canonical records and CloudEvents: what is accepted, what is refused and why, and what happens on repetition."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

GOOD = {
    "event_id": "e1",
    "conversation_id": "c1",
    "event_type": "user.turn",
    "occurred_at": "2026-01-05T10:00:00Z",
    "data": {"text": "hello"},
}


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"occurred_at": "2026-01-05T10:00:00"}, "naive_time"),
        ({"occurred_at": "2026-01-05 10:00:00.5"}, "naive_time"),
        ({"occurred_at": "1970-01-01T00:00:00Z"}, "time_out_of_range"),
        ({"occurred_at": "2100-01-01T00:00:00Z"}, "time_out_of_range"),
        ({"occurred_at": "yesterday"}, "bad_time"),
        ({"occurred_at": "2026-02-30T10:00:00Z"}, "bad_time"),
        ({"occurred_at": "infinity"}, "bad_time"),
        ({"occurred_at": 1767607200}, "bad_time"),
        ({"occurred_at": ...}, "missing_time"),
        ({"event_type": ...}, "missing_event_type"),
        ({"event_type": None}, "missing_event_type"),
        ({"conversation_id": {"id": 1}}, "wrong_type"),
        ({"conversation_id": True}, "wrong_type"),
        ({"sequence": "third"}, "wrong_type"),
        ({"sequence": 1.5}, "wrong_type"),
        ({"data": "hello"}, "wrong_type"),
        ({"data": [1]}, "wrong_type"),
        ({"tags": {"a": 1}}, "wrong_type"),
        ({"traffic": "staging"}, "unknown_traffic"),
        ({"conversation_id": "x" * 129}, "too_long"),
        ({"event_id": "a\u0000b"}, "control_character"),
    ],
)
def test_a_bad_record_is_refused_and_its_neighbours_are_kept(pipe: Any, change: dict[str, Any], reason: str) -> None:
    bad = {name: value for name, value in {**GOOD, "event_id": "bad", **change}.items() if value is not ...}
    pipe.write("a.ndjson", GOOD, bad, {**GOOD, "event_id": "e3"})
    report = pipe.ingest()
    assert pipe.rejected() == [("line 2", reason)]
    assert (report.record_count, report.event_count, report.rejected_count) == (3, 2, 1)
    ((detail, record),) = pipe.rows("SELECT detail, record FROM rejected_records")
    assert detail
    assert json.loads(record) == bad


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        (b'{"event_type": "x", "occurred_at": null, "data": {"v": NaN}}', "not_json"),
        (b'{"event_type": "x", "occurred_at": null, "data": {"v": -Infinity}}', "not_json"),
        (b'{"event_type": "x", "occurred_at": null, "data": {"v": 1e999}}', "not_json"),
        (b'{"event_type": "x", "occurred_at": null,}', "not_json"),
        (b'{"event_type": "x", "event_id": "e", "occurred_at": "2026-01-05T10:00:00Z", "other": [1 , ]}', "not_json"),
        (b'{"event_type": "x", "event_id": "e", "occurred_at": "2026-01-05T10:00:00Z", "other": nan}', "not_json"),
        (b'{"event_type": "x", "event_id": "e", "occurred_at": "2026-01-05T10:00:00Z", "data": {}} {}', "not_json"),
        (b'{"event_type": "x", "event_id": "e", "occurred_at": "2026-01-05T10:00:00Z", "v": "\\ud800"}', "not_json"),
        (b'{"event_type": "x", "occ', "not_json"),
        (b'{"event_type": "caf\xe9", "occurred_at": null}', "wrong_encoding"),
        (b"[1, 2]", "missing_event_type"),
        (b"plain text", "not_json"),
        (b'{"event_type": "x", "data": ' + b"[" * 900 + b"]" * 900 + b"}", "not_storable"),
    ],
)
def test_a_line_that_is_not_strict_json_is_refused(pipe: Any, line: bytes, reason: str) -> None:
    pipe.write("a.ndjson", GOOD, line, {**GOOD, "event_id": "e3"})
    assert pipe.ingest().event_count == 2
    assert pipe.rejected() == [("line 2", reason)]


def test_a_large_finite_number_is_kept_as_it_is(pipe: Any) -> None:
    pipe.write("a.ndjson", {**GOOD, "data": {"value": 9e124}})
    pipe.ingest()
    assert pipe.rows("SELECT (data ->> '$.value')::DOUBLE FROM events") == [(9e124,)]


def test_an_explicit_null_says_that_the_instant_is_unknown(pipe: Any) -> None:
    pipe.write("a.ndjson", {**GOOD, "occurred_at": None})
    assert pipe.ingest().event_count == 1
    assert pipe.rows("SELECT started_at, ended_at, settled_at = last_arrival_at FROM conversations") == [
        (None, None, True)
    ]


def test_instants_are_utc(pipe: Any) -> None:
    pipe.write("a.ndjson", {**GOOD, "occurred_at": "2026-01-05T10:00:00.250+05:30"})
    pipe.ingest()
    assert pipe.rows("SELECT occurred_at FROM events") == [(datetime(2026, 1, 5, 4, 30, 0, 250000, UTC),)]


def test_a_clock_that_is_an_hour_ahead_is_accepted(pipe: Any) -> None:
    pipe.write("a.ndjson", {**GOOD, "occurred_at": (datetime.now(UTC) + timedelta(hours=1)).isoformat()})
    assert pipe.ingest().event_count == 1


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ("real", "production"),
        (None, "production"),
        ("Production", "production"),
        ("playground", "simulation"),
        ("simulated", "simulation"),
        ("test", "simulation"),
        ("simulation", "simulation"),
    ],
)
def test_traffic_has_two_words(pipe: Any, given: str | None, kept: str) -> None:
    pipe.write("a.ndjson", {**GOOD, "traffic": given})
    pipe.ingest()
    assert pipe.rows("SELECT traffic FROM events") == [(kept,)]


def test_a_simulated_direction_makes_traffic_simulation(pipe: Any) -> None:
    pipe.write("a.ndjson", {**GOOD, "direction": "playground"})
    pipe.ingest()
    assert pipe.rows("SELECT traffic FROM conversations") == [("simulation",)]


@pytest.mark.parametrize(
    ("given", "kept"),
    [("Phone", "voice"), ("voice", "voice"), ("chat", "text"), ("form", "surface"), ("Email", "email")],
)
def test_channels_have_one_word_each(pipe: Any, given: str, kept: str) -> None:
    pipe.write("a.ndjson", {**GOOD, "channel": given})
    pipe.ingest()
    assert pipe.rows("SELECT channel FROM conversations") == [(kept,)]


def test_the_same_event_twice_is_a_duplicate_and_another_content_is_a_conflict(pipe: Any) -> None:
    same = {"data": {"text": "hello"}, **{name: GOOD[name] for name in reversed(GOOD) if name != "data"}}
    pipe.write("a.ndjson", GOOD, same, {**GOOD, "data": {"text": "other"}})
    report = pipe.ingest()
    assert (report.event_count, report.duplicate_count, report.rejected_count) == (1, 1, 1)

    pipe.write("b.ndjson", {**GOOD, "data": {"text": "third"}}, same)
    report = pipe.ingest()
    assert (report.event_count, report.duplicate_count, report.rejected_count) == (0, 1, 1)
    assert pipe.rows("SELECT data ->> '$.text' FROM events") == [("hello",)]
    assert pipe.rejected() == [("line 3", "event_id_conflict"), ("line 1", "event_id_conflict")]


@pytest.mark.parametrize("name", ["b.ndjson", "b.json"])
def test_the_order_of_keys_and_the_way_of_writing_are_no_difference(pipe: Any, name: str) -> None:
    first = {**GOOD, "data": {"text": "caf\u00e9 / 1", "call": {"a": 1.0, "b": [{"x": None, "y": 2}]}}}
    second = {**GOOD, "data": {"call": {"b": [{"y": 2, "x": None}], "a": 1.0}, "text": "caf\u00e9 / 1"}}
    third = {**GOOD, "data": {**second["data"], "call": {"b": [{"y": 3, "x": None}], "a": 1.0}}}
    pipe.write("a.ndjson", first)
    pipe.ingest()
    written = json.dumps(second, ensure_ascii=False, separators=(" , ", " :  ")).replace("/", "\\/")
    changed = json.dumps(third)
    pipe.write(name, *([written, changed] if name == "b.ndjson" else [f"[{written},{changed}]"]))
    report = pipe.ingest()
    assert (report.event_count, report.duplicate_count, report.rejected_count) == (0, 1, 1)


@pytest.mark.parametrize("odd", ["", ', "tags": [1.5], "run_id": "\\u0031"'])
def test_of_a_repeated_key_the_first_counts(pipe: Any, odd: str) -> None:
    event = '{"event_type": "x.y", "occurred_at": "2026-01-05T10:00:00Z", "event_id": "%s", "data": {"v": 1, "v": 2}'
    pipe.write("a.ndjson", event % "e1" + odd + ', "event_id": "other"}')
    pipe.write("b.json", f"[{event % 'e2'}{odd}}}]")
    pipe.ingest()
    assert pipe.rows("SELECT event_id, data ->> '$.v' FROM events ORDER BY event_id") == [("e1", "1"), ("e2", "1")]


def test_a_cloudevent_among_canonical_records_is_one(pipe: Any) -> None:
    canonical = {**GOOD, "event_id": "e2", "specversion": None}
    pipe.write("a.ndjson", GOOD, {**CLOUD_EVENT, "event_type": "other"}, canonical)
    pipe.ingest()
    assert pipe.rows("SELECT event_id, event_type, source_key FROM events ORDER BY event_id") == [
        ("e1", "user.turn", "canonical"),
        ("e2", "user.turn", "canonical"),
        ("https://example.com/agent#17", "agent.turn", "cloudevents"),
    ]


def test_an_event_without_an_id_gets_the_same_one_every_time(pipe: Any) -> None:
    anonymous = {name: value for name, value in GOOD.items() if name != "event_id"}
    pipe.write("a.ndjson", anonymous, {**anonymous, "sequence": 2})
    pipe.ingest()
    first = pipe.rows("SELECT event_id FROM events ORDER BY event_id")
    pipe.write("b.ndjson", json.dumps(anonymous, indent=None, separators=(" ,", " : ")))
    assert pipe.ingest().duplicate_count == 1
    assert pipe.rows("SELECT event_id FROM events ORDER BY event_id") == first
    assert all(len(event_id) == 32 for (event_id,) in first)
    assert len(set(first)) == 2


def test_arrival_instants_never_repeat_between_transactions(pipe: Any, new_pipe: Any, tmp_path: Any) -> None:
    small = new_pipe(tmp_path / "small", chunk_records=2)
    small.write("a.ndjson", *({**GOOD, "event_id": f"e{number}"} for number in range(7)))
    small.ingest()
    assert small.rows("SELECT count(*) FROM events GROUP BY ingested_at ORDER BY ingested_at") == [
        (2,),
        (2,),
        (2,),
        (1,),
    ]


CLOUD_EVENT = {
    "specversion": "1.0",
    "id": "17",
    "source": "https://example.com/agent",
    "type": "agent.turn",
    "time": "2026-01-05T10:00:00Z",
    "subject": "call-9",
    "channel": "voice",
    "serviceid": "booking",
    "datacontenttype": "application/json",
    "data": {"text": "hi"},
}


@pytest.mark.parametrize("shape", ["single", "batch", "lines"])
def test_cloudevents_need_no_mapping(pipe: Any, shape: str) -> None:
    second = {**CLOUD_EVENT, "id": "18", "conversationid": "call-10"}
    if shape == "single":
        pipe.write("a.json", json.dumps(CLOUD_EVENT, indent=2))
        pipe.write("b.json", second)
    elif shape == "batch":
        pipe.write("a.json", json.dumps([CLOUD_EVENT, second]))
    else:
        pipe.write("a.jsonl", CLOUD_EVENT, second)
    assert pipe.ingest().event_count == 2
    assert pipe.rows(
        "SELECT event_id, conversation_id, event_type, origin, channel, service_id, data ->> '$.text', source_key"
        " FROM events ORDER BY event_id"
    ) == [
        (
            "https://example.com/agent#17",
            "call-9",
            "agent.turn",
            "https://example.com/agent",
            "voice",
            "booking",
            "hi",
            "cloudevents",
        ),
        (
            "https://example.com/agent#18",
            "call-10",
            "agent.turn",
            "https://example.com/agent",
            "voice",
            "booking",
            "hi",
            "cloudevents",
        ),
    ]


def test_a_cloudevent_without_a_time_is_refused(pipe: Any) -> None:
    pipe.write("a.json", {name: value for name, value in CLOUD_EVENT.items() if name != "time"})
    pipe.ingest()
    assert pipe.rejected() == [("$", "missing_time")]
