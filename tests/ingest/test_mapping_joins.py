"""What the mapping language makes of documents that say in one part what another part is about."""

from __future__ import annotations

import json
from typing import Any

import pytest
from pydantic import ValidationError

from pipeline.catalog.source_models import SourceMapping

SCORES = {"calm": 0.2, "angry": 0.7, "sad": None}
DOCUMENT = {
    "labels": [{"id": "s0", "is": "Agent"}, {"id": "s1", "is": "Customer"}, {"is": "nobody"}, {"id": "s2"}],
    "moods": [{"of": ["a", "b"], "mood": "good"}, {"of": ["c"], "mood": "bad"}],
    "written": {"OUTCOME": "done", "STEP": ["one", "two"]},
    "packed": '[{"say": "hello"}, {"say": "bye"}]',
    "text": "30",
    "scores": SCORES,
    "begin": 24.84,
    "end": 25.35,
}


LABELS = {"pairs": {"each": "$.labels[*]", "key": "$.id", "value": "$.is"}}
MOODS = {"pairs": {"each": "$.moods[*]", "key": {"all": "$.of[*]"}, "value": "$.mood"}}
STARS = {"error-*": "an error", "error": "exactly", "*.error-*": "in the middle", "a*b": "ends"}
ABSENT = object()


def _starred(text: str) -> dict[str, object]:
    return {"literal": text, "map": STARS, "other": "other"}


VALUES: list[tuple[object, object]] = [
    (LABELS, {"s0": "Agent", "s1": "Customer"}),
    (MOODS, {"a": "good", "b": "good", "c": "bad"}),
    ({"entries": "$.written"}, [{"key": "OUTCOME", "value": "done"}, {"key": "STEP", "value": ["one", "two"]}]),
    ({"entries": "$.text"}, ABSENT),
    ({"lookup": {"within": "$labels", "key": "s1"}}, "Customer"),
    ({"lookup": {"within": "$labels", "key": "s9"}}, ABSENT),
    ({"lookup": {"within": "$labels", "key": "$.labels"}}, ABSENT),
    ({"lookup": {"within": "$.text", "key": "s1"}}, ABSENT),
    ({"largest": {"a": "$.scores.calm", "b": "$.scores.angry", "c": "$.scores.sad"}}, "b"),
    ({"largest": {"c": "$.scores.sad", "d": "$.scores.glad"}}, ABSENT),
    ({"merge": ["$.scores", {"object": {"calm": 1, "glad": 2}}, "$.nothing"]}, {**SCORES, "calm": 1, "glad": 2}),
    ({"all": "$.moods[*].mood", "join": " / "}, "good / bad"),
    ({"path": "$.text", "join": " / "}, "30"),
    ({"all": "$.nothing[*]", "join": " / "}, ABSENT),
    ({"path": "$.packed", "type": "json_or_text"}, [{"say": "hello"}, {"say": "bye"}]),
    ({"literal": '{"half": ', "type": "json_or_text"}, '{"half": '),
    ({"path": "$.scores", "type": "json_or_text"}, SCORES),
    # Numbers are calculated with as they were written.
    ({"path": "$.end", "minus": "$.begin", "scale": 1000}, 510),
    ({"path": "$.end", "minus": "$.nothing"}, ABSENT),
    ({"literal": 3.1, "scale": 0.2}, 0.62),
    # A text has no first element.
    ("$.text[0]", ABSENT),
    # What is equal comes first, then the first that fits.
    (_starred("error"), "exactly"),
    (_starred("error-llm"), "an error"),
    (_starred("call.error-llm"), "in the middle"),
    (_starred("call.llm"), "other"),
    (_starred("call.error"), "other"),
    (_starred("ab"), "ends"),
    (_starred("a"), "other"),
]


def test_values(pipe: Any) -> None:
    cases = {f"{number}: {value}": (value, read) for number, (value, read) in enumerate(VALUES)}
    data = {"object": {name: value for name, (value, _) in cases.items()}}
    pipe.write("a.json", DOCUMENT)
    pipe.ingest(
        mapping={"events": [{"event_type": "x.y", "occurred_at": None, "let": {"labels": LABELS}, "data": data}]}
    )
    ((found,),) = pipe.rows("SELECT data FROM events")
    assert json.loads(found) == {name: read for name, (_, read) in cases.items() if read is not ABSENT}


def test_let_is_worked_out_once_and_read_below_also_by_each(pipe: Any) -> None:
    pipe.write("a.json", DOCUMENT)
    rule = {
        "occurred_at": None,
        "let": {
            "messages": {"path": "$.packed", "type": "json"},
            "greeting": "$messages[0].say",
            "metrics": {"entries": "$.written"},
        },
        "events": [
            {"each": "$messages[*]", "event_type": "agent.turn", "data": {"text": "$.say", "first": "$greeting"}},
            {
                "each": "$metrics[*]",
                "name": "metric",
                "events": [
                    {
                        "each": "$.value[*]",
                        "event_type": "metric.written",
                        "data": {"name": "$metric.key", "value": "$"},
                    },
                    {
                        "when": {"$.value[0]": {"exists": False}},
                        "event_type": "metric.written",
                        "data": {"name": "$.key", "value": "$.value"},
                    },
                ],
            },
        ],
    }
    assert pipe.ingest(mapping={"events": [rule]}).rejected_count == 0
    assert [json.loads(data) for (data,) in pipe.rows("SELECT data FROM events ORDER BY sequence")] == [
        {"text": "hello", "first": "hello"},
        {"text": "bye", "first": "hello"},
        {"name": "OUTCOME", "value": "done"},
        {"name": "STEP", "value": "one"},
        {"name": "STEP", "value": "two"},
    ]


def test_a_let_that_fails_refuses_the_item(pipe: Any) -> None:
    pipe.write("a.json", {"packed": "[half"})
    rule = {
        "let": {"m": {"path": "$.packed", "type": "json"}},
        "events": [{"each": "$m[*]", "event_type": "agent.turn"}],
    }
    assert pipe.ingest(mapping={"events": [rule]}).event_count == 0
    assert pipe.rejected() == [("$", "wrong_type")]


@pytest.mark.parametrize(
    ("rule", "message"),
    [
        ({"event_type": "x", "let": {"index": 1}}, "reserved"),
        ({"event_type": "x", "data": {"a": {"lookup": {"within": "$labels", "key": "$.a"}}}}, "no enclosing rule"),
        (
            {"event_type": "x", "data": {"a": {"pairs": {"each": "$b[*]", "key": "$.k", "value": "$.v"}}}},
            "no enclosing",
        ),
        (
            {"event_type": "x", "data": {"a": {"find": {"each": "$b[*]", "when": {"$.k": 1}, "value": 1}}}},
            "no enclosing",
        ),
    ],
)
def test_a_name_must_be_one_that_can_be_read(rule: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        SourceMapping.model_validate({"key": "test", "events": [rule]})


def test_a_condition_may_compare_two_paths(pipe: Any) -> None:
    conditions = {
        "same": {"$.text": {"same_as": "$.copy"}},
        "other": {"$.text": {"same_as": "$.other"}},
        "nothing is null": {"$.absent": {"same_as": "$.null"}},
        "same but absent": {"$.text": {"same_as": "$.copy", "exists": False}},
        "two": {"$.text": {"same_as": "$.copy"}, "$.other": "31"},
    }
    pipe.write("a.json", {"text": "30", "copy": "30", "other": "31", "null": None})
    rules = [{"when": when, "event_type": name, "occurred_at": None} for name, when in conditions.items()]
    pipe.ingest(mapping={"events": rules})
    assert [name for (name,) in pipe.rows("SELECT event_type FROM events ORDER BY sequence")] == [
        "same",
        "nothing is null",
        "two",
    ]


def test_a_zone_may_be_read_from_the_document(pipe: Any) -> None:
    pipe.write(
        "a.ndjson",
        {"at": "2026-07-01T10:00:00", "zone": "America/New_York"},
        {"at": "2026-07-01T10:00:00Z", "zone": "Mars/Olympus"},
        {"at": "2026-07-01T10:00:00"},
        {"at": "2026-07-01T10:00:00", "zone": "Mars/Olympus"},
        {"at": "2026-07-01T10:00:00", "zone": "../../etc/passwd"},
    )
    pipe.ingest(mapping={"events": [{"event_type": "x.y", "occurred_at": {"value": "$.at", "zone": "$.zone"}}]})
    assert pipe.rows("SELECT strftime(occurred_at, '%H:%M') FROM events ORDER BY occurred_at DESC") == [
        ("14:00",),
        ("10:00",),
    ]
    assert pipe.rejected() == [("line 3", "naive_time"), ("line 4", "naive_time"), ("line 5", "naive_time")]
