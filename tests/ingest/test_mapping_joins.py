"""What the mapping language makes of documents that say in one part what another part is about."""

from __future__ import annotations

import json
from datetime import datetime
from typing import Any

import pytest
from pydantic import ValidationError

from pipeline.catalog.source_models import SourceMapping

DOCUMENT = {
    "labels": [{"id": "s0", "is": "Agent"}, {"id": "s1", "is": "Customer"}, {"is": "nobody"}, {"id": "s2"}],
    "moods": [{"of": ["a", "b"], "mood": "good"}, {"of": ["c"], "mood": "bad"}],
    "written": {"OUTCOME": "done", "STEP": ["one", "two"]},
    "packed": '[{"say": "hello"}, {"say": "bye"}]',
    "text": "30",
    "scores": {"calm": 0.2, "angry": 0.7, "sad": None},
}


def _read(pipe: Any, value: object, let: dict[str, object] | None = None) -> Any:
    rule = {"event_type": "x.y", "occurred_at": None, "let": let or {}, "data": {"read": value}}
    pipe.write("a.json", DOCUMENT)
    pipe.ingest(mapping={"events": [rule]})
    ((data,),) = pipe.rows("SELECT data FROM events")
    return json.loads(data).get("read")


LABELS = {"pairs": {"each": "$.labels[*]", "key": "$.id", "value": "$.is"}}
MOODS = {"pairs": {"each": "$.moods[*]", "key": {"all": "$.of[*]"}, "value": "$.mood"}}


@pytest.mark.parametrize(
    ("value", "read"),
    [
        (LABELS, {"s0": "Agent", "s1": "Customer"}),
        (MOODS, {"a": "good", "b": "good", "c": "bad"}),
        ({"entries": "$.written"}, [{"key": "OUTCOME", "value": "done"}, {"key": "STEP", "value": ["one", "two"]}]),
        ({"entries": "$.text"}, None),
        ({"largest": {"a": "$.scores.calm", "b": "$.scores.angry", "c": "$.scores.sad"}}, "b"),
        ({"largest": {"c": "$.scores.sad", "d": "$.scores.glad"}}, None),
        ({"all": "$.moods[*].mood", "join": " / "}, "good / bad"),
        ({"path": "$.text", "join": " / "}, "30"),
        ({"all": "$.nothing[*]", "join": " / "}, None),
        ("$.text[0]", None),
        (
            {"merge": ["$.scores", {"object": {"calm": 1, "glad": 2}}, "$.nothing"]},
            {"calm": 1, "angry": 0.7, "sad": None, "glad": 2},
        ),
        ({"path": "$.packed", "type": "json_or_text"}, [{"say": "hello"}, {"say": "bye"}]),
        ({"literal": '{"half": ', "type": "json_or_text"}, '{"half": '),
        ({"path": "$.scores", "type": "json_or_text"}, {"calm": 0.2, "angry": 0.7, "sad": None}),
    ],
)
def test_values(pipe: Any, value: object, read: object) -> None:
    assert _read(pipe, value) == read


@pytest.mark.parametrize(("key", "read"), [("s1", "Customer"), ("s9", None), ({"path": "$.text"}, None)])
def test_a_lookup_joins_two_parts_of_a_document(pipe: Any, key: object, read: object) -> None:
    assert _read(pipe, {"lookup": {"within": "$labels", "key": key}}, {"labels": LABELS}) == read


@pytest.mark.parametrize(
    ("text", "becomes"),
    [
        ("error", "exactly"),
        ("error-llm", "an error"),
        ("call.error-llm", "in the middle"),
        ("call.llm", "other"),
        ("call.error", "other"),
        ("ab", "ends"),
        ("a", "other"),
    ],
)
def test_a_star_in_a_map_stands_for_any_text(pipe: Any, text: str, becomes: str) -> None:
    table = {"error-*": "an error", "error": "exactly", "*.error-*": "in the middle", "a*b": "ends"}
    assert _read(pipe, {"literal": text, "map": table, "other": "other"}) == becomes


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


@pytest.mark.parametrize(
    ("condition", "holds"),
    [
        ({"$.text": {"same_as": "$.copy"}}, True),
        ({"$.text": {"same_as": "$.other"}}, False),
        ({"$.absent": {"same_as": "$.null"}}, True),
        ({"$.text": {"same_as": "$.copy", "exists": False}}, False),
        ({"$.text": {"same_as": "$.copy"}, "$.other": "31"}, True),
    ],
)
def test_a_condition_may_compare_two_paths(pipe: Any, condition: dict[str, object], holds: bool) -> None:
    pipe.write("a.json", {"text": "30", "copy": "30", "other": "31", "null": None})
    rules = [{"when": condition, "event_type": "x.y"}, {"ignore": "otherwise"}]
    assert pipe.ingest(mapping={"events": [{"occurred_at": None, "first_of": rules}]}).event_count == holds


@pytest.mark.parametrize(
    ("document", "utc"),
    [
        ({"at": "2026-07-01T10:00:00", "zone": "America/New_York"}, "2026-07-01T14:00:00Z"),
        ({"at": "2026-07-01T10:00:00"}, None),
        ({"at": "2026-07-01T10:00:00", "zone": "Mars/Olympus"}, None),
        ({"at": "2026-07-01T10:00:00", "zone": "../../etc/passwd"}, None),
        ({"at": "2026-07-01T10:00:00Z", "zone": "Mars/Olympus"}, "2026-07-01T10:00:00Z"),
    ],
)
def test_a_zone_may_be_read_from_the_document(pipe: Any, document: dict[str, str], utc: str | None) -> None:
    pipe.write("a.json", document)
    pipe.ingest(mapping={"events": [{"event_type": "x.y", "occurred_at": {"value": "$.at", "zone": "$.zone"}}]})
    assert pipe.rows("SELECT occurred_at FROM events") == ([] if utc is None else [(datetime.fromisoformat(utc),)])
    assert pipe.rejected() == ([("$", "naive_time")] if utc is None else [])


def test_arithmetic_leaves_no_dust(pipe: Any) -> None:
    pipe.write("a.json", {"end": 4.64, "begin": 0.16, "score": 3.1, "late": 25.35, "later": 24.84})
    data = {
        "ms": {"path": "$.end", "minus": "$.begin", "scale": 1000},
        "score": {"path": "$.score", "scale": 0.2},
        "left": {"path": "$.late", "minus": "$.later"},
    }
    pipe.ingest(mapping={"events": [{"event_type": "x.y", "occurred_at": None, "data": data}]})
    assert pipe.rows("SELECT data FROM events") == [('{"left":0.51,"ms":4480,"score":0.62}',)]
