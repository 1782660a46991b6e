"""The mapping language says no to what has no effect; absent ids, blank words, files that nobody understood."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from pipeline.catalog.catalog import Catalog
from pipeline.catalog.source_models import SourceMapping

EVENT = {"event_type": "x", "occurred_at": None}


@pytest.mark.parametrize(
    ("rule", "message"),
    [
        ({"event_id": "$.id", "events": [EVENT]}, "`event_id` has no effect"),
        ({"sequence": "$.n", "events": [EVENT]}, "`sequence` has no effect"),
        ({"data": {"text": "$.t"}, "first_of": [EVENT]}, "`data` has no effect"),
        ({"ignore": "noise", "channel": "voice"}, "`channel` has no effect"),
        ({"ignore": "noise", "event_type": "x"}, "`event_type` has no effect"),
        ({"first_of": [{"ignore": "all"}, EVENT]}, "never reached"),
        ({**EVENT, "data": {"a": {"all": "$.a[*]", "map": {"b": 1}}}}, "`map` has no effect on `all`"),
        ({**EVENT, "data": {"a": {"list": ["$.a"], "default": 1}}}, "`default` has no effect on `list`"),
        ({**EVENT, "data": {"a": {"object": {"b": "$.b"}, "scale": 2}}}, "`scale` has no effect on `object`"),
        ({**EVENT, "data": {"a": {"count": "$.a[*]", "capture": "(x)"}}}, "`capture` has no effect on `count`"),
        ({**EVENT, "data": {"a": {"literal": "b", "default": 1}}}, "`default` has no effect on `literal`"),
        ({**EVENT, "occurred_at": {"value": "$.t", "plus_unit": "ms"}}, "`plus_unit` has no effect"),
        ({**EVENT, "occurred_at": {"value": "$.t", "format": "unix_s", "zone": "UTC"}}, "`zone` has no effect"),
    ],
)
def test_what_has_no_effect_is_an_error(rule: dict[str, Any], message: str) -> None:
    """It says which field, and what to do."""
    with pytest.raises(ValidationError, match=message):
        SourceMapping.model_validate({"key": "test", "events": [rule]})


def test_a_delimiter_is_for_csv() -> None:
    """Of JSON it would be passed over."""
    with pytest.raises(ValidationError, match="`delimiter` has no effect on json"):
        SourceMapping.model_validate({"key": "test", "format": "json", "delimiter": ";", "events": [EVENT]})


def test_a_list_that_is_joined_can_be_refined(pipe: Any) -> None:
    """`join` makes a text of it, which may be absent."""
    pipe.write("a.ndjson", {"a": ["x", "y"]}, {"a": []})
    value = {"all": "$.a[*]", "join": "-", "map": {"x-y": "both"}, "default": "none"}
    pipe.ingest(mapping={"events": [{**EVENT, "data": {"v": value}}]})
    assert pipe.rows("SELECT data->>'v' FROM events ORDER BY 1") == [("both",), ("none",)]


def test_words_are_trimmed_and_blank_turns_are_none(pipe: Any) -> None:
    """A turn of nothing but blanks makes no event, and nothing is refused for it."""
    pipe.write("a.ndjson", {"t": " hello "}, {"t": "  "}, {"t": ""}, {"t": None})
    rule = {"conversation_id": "c", "occurred_at": None, "event_type": "agent.turn"}
    report = pipe.ingest(mapping={"events": [{**rule, "data": {"text": {"path": "$.t", "trim": True}}}]})
    assert report.rejected_count == 0
    assert pipe.rows("SELECT data->>'text' FROM events ORDER BY 1 NULLS LAST") == [("hello",), (None,)]
    pipe.write("b.ndjson", {"t": "\t"}, {"t": "hi"})
    assert (
        pipe.ingest(pipe.folder / "b.ndjson", mapping={"events": [{**rule, "data": {"text": "$.t"}}]}).event_count == 1
    )


def test_conditions_on_blank_text(pipe: Any) -> None:
    """`blank` is absent, null or nothing but blanks; a number is something."""
    pipe.write("a.ndjson", {"t": " "}, {"t": None}, {}, {"t": "x"}, {"t": 0})
    rule = {
        "event_type": {"literal": "filled"},
        "occurred_at": None,
        "when": {"$.t": {"blank": False}},
        "event_id": {"hash": ["$"]},
    }
    empty = {"event_type": "empty", "occurred_at": None, "when": {"$.t": {"blank": True}}, "event_id": {"hash": ["$"]}}
    pipe.ingest(mapping={"events": [{"first_of": [rule, empty]}]})
    assert pipe.rows("SELECT event_type, count(*) FROM events GROUP BY 1 ORDER BY 1") == [("empty", 3), ("filled", 2)]


@pytest.mark.parametrize("id_", [None, "", "  ", True, 1.5])
def test_a_conversation_id_that_is_absent_is_refused_with_its_place(pipe: Any, id_: object) -> None:
    """What the mapping says is a conversation has an id, or it is refused."""
    pipe.write("a.ndjson", {"id": "c"}, {"id": id_})
    rule = {"conversation_id": "$.id", "events": [{**EVENT, "event_type": "agent.turn"}]}
    pipe.ingest(mapping={"events": [rule]})
    assert pipe.rows("SELECT conversation_id FROM events") == [("c",)]
    (refused,) = pipe.rejected()
    assert refused[0] == "line 2"
    assert refused[1] in ("missing_conversation", "wrong_type")


def test_events_of_no_conversation_say_so(pipe: Any) -> None:
    """`default: null` says that there may be none."""
    pipe.write("a.ndjson", {"id": None})
    report = pipe.ingest(mapping={"events": [{**EVENT, "conversation_id": {"path": "$.id", "default": None}}]})
    assert (report.event_count, report.rejected_count) == (1, 0)


def test_ids_that_are_unique_only_within_a_service_are_one_line(pipe: Any) -> None:
    """Two services that number calls from 1 are kept apart."""
    pipe.write("a.ndjson", {"service": "voice", "id": 1}, {"service": "chat", "id": 1})
    pipe.ingest(mapping={"events": [{**EVENT, "conversation_id": {"template": "{$.service}/{$.id}"}}]})
    assert pipe.rows("SELECT conversation_id FROM events ORDER BY 1") == [("chat/1",), ("voice/1",)]


def test_too_many_refused_records_fail_the_file_and_nothing_else(pipe: Any) -> None:
    """Ids of events that are unique only within a call lose four calls of five, and somebody is told."""
    good = {"occurred_at": "2026-03-02T09:00Z", "event_type": "agent.turn"}
    pipe.write("bad.ndjson", *({**good, "event_id": "1", "conversation_id": f"c{at}"} for at in range(5)))
    pipe.write("good.ndjson", {**good, "event_id": "a", "conversation_id": "d"})
    report = pipe.ingest()
    assert [file.url.rpartition("/")[2] for file in report.refusing] == ["bad.ndjson"]
    assert "4 of its 5 records were refused" in (report.refusing[0].failure or "")
    assert report.failed == ()
    assert pipe.rows("SELECT count(*) FROM events") == [(2,)]
    assert pipe.rows("SELECT status, failure IS NOT NULL FROM ingested_files ORDER BY url") == [
        ("done", True),
        ("done", False),
    ]
    assert pipe.ingest().unchanged_count == 2


def test_a_file_of_which_nothing_was_read_fails(pipe: Any) -> None:
    """Items that are all ignored are not the same as a document that is left out on purpose."""
    pipe.write("a.ndjson", {"items": [{"kind": "x"}]})
    items = {"each": "$.items[*]", "ignore": "of another kind"}
    report = pipe.ingest(mapping={"events": [items]})
    assert "nothing in it was understood" in (report.failed[0].failure or "")
    pipe.write("b.ndjson", {"type": "other webhook"})
    report = pipe.ingest(pipe.folder / "b.ndjson", mapping={"events": [{"ignore": "another webhook"}]})
    assert report.failed == ()


def _sources(*mappings: dict[str, Any]) -> Catalog:
    return Catalog(sources={mapping["key"]: SourceMapping.model_validate(mapping) for mapping in mappings})


def test_a_format_is_recognised_or_it_says_why_not(pipe: Any) -> None:
    """By what the first document is; two mappings that both recognise it are no choice."""
    rule = [{**EVENT, "event_id": "$.a"}]
    pipe.catalog = _sources({"key": "one", "recognise": {"$.a": {"exists": True}}, "events": rule})
    file = pipe.write("a.ndjson", {"a": "1"}, {"a": "2"})
    report = pipe.ingest(file)
    assert [(found.source_key, found.event_count) for found in report.files] == [("one", 2)]
    unknown = pipe.write("b.ndjson", {"b": "1", "c": 2})
    assert "recognises it (its first record has b, c)" in (pipe.ingest(unknown).failed[0].failure or "")
    pipe.catalog = _sources(*({"key": key, "recognise": {"$.b": "1"}, "events": rule} for key in ("two", "three")))
    assert "three and two both recognise it" in (pipe.ingest(unknown).failed[0].failure or "")
