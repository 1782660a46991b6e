"""Documents that come late, twice, corrected, in any order: what counts in the end is the last version, once."""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from pipeline.catalog.source_models import SourceMapping

MAPPING: dict[str, Any] = {
    "events": [
        {
            "conversation_id": "$.call",
            "document": {"id": "$.call", "kind": "$.kind", "version": "$.version"},
            "events": [
                {
                    "each": "$.turns[*]",
                    "event_type": "$.type",
                    "event_id": {"template": "{$document.call}/{$document.kind}/{$index}"},
                    "occurred_at": "$.at",
                    "service_id": "$.service",
                    "data": "$",
                }
            ],
        }
    ]
}


def _document(call: str, version: float | None, *texts: str, kind: str = "report", **fields: Any) -> dict[str, Any]:
    turns = [
        {"type": ("user.turn", "agent.turn")[at % 2], "at": f"2026-03-02T09:00:{at:02d}Z", "text": text, **fields}
        for at, text in enumerate(texts)
    ]
    return {"call": call, "kind": kind, "version": version, "turns": turns}


def _texts(pipe: Any) -> list[str]:
    return [text for (text,) in pipe.rows("SELECT data ->> '$.text' FROM events ORDER BY conversation_id, occurred_at")]


def test_a_later_version_replaces_an_earlier_one_as_a_whole(pipe: Any) -> None:
    """With fewer events, too; what it said before stays readable as known at its time."""
    pipe.write("1.ndjson", _document("a", 1, "one", "two", "three"))
    pipe.ingest(mapping=MAPPING)
    pipe.write("2.ndjson", _document("a", 2, "ONE"))
    pipe.ingest(mapping=MAPPING)
    assert _texts(pipe) == ["ONE"]
    assert pipe.rows("SELECT turn_count FROM conversations") == [(1,)]
    assert pipe.rows(
        "SELECT data ->> '$.text', superseded_at = (SELECT max(ingested_at) FROM events)"
        " FROM superseded_events ORDER BY 1"
    ) == [("one", True), ("three", True), ("two", True)]
    assert pipe.rows("SELECT version, superseded_at IS NULL FROM documents ORDER BY 1") == [(1.0, False), (2.0, True)]


def test_an_earlier_version_that_comes_later_changes_nothing(pipe: Any) -> None:
    """It is kept as history."""
    pipe.write("2.ndjson", _document("a", "2026-03-02T10:00:00Z", "new"))
    pipe.ingest(mapping=MAPPING)
    before = pipe.contents()
    pipe.write("1.ndjson", _document("a", "2026-03-02T09:00:00Z", "old"))
    report = pipe.ingest(mapping=MAPPING)
    assert pipe.contents() == before
    assert report.conversation_count == 0, "nothing is assembled again"
    assert pipe.rows("SELECT data ->> '$.text' FROM superseded_events") == [("old",)]


def test_the_same_content_again_costs_nothing(pipe: Any) -> None:
    """Without a version, content that was ever delivered changes nothing; otherwise the last to arrive counts."""
    for name, text in (("1", "one"), ("2", "two"), ("3", "one"), ("4", "two")):
        pipe.write(f"{name}.ndjson", _document("a", None, text))
        report = pipe.ingest(mapping=MAPPING)
        assert report.conversation_count == (name in "12")
    assert _texts(pipe) == ["two"]
    assert pipe.rows("SELECT count(*) FROM documents") == [(2,)]


def test_with_a_version_a_correction_can_be_taken_back(pipe: Any) -> None:
    """The third version says what the first did."""
    for version, text in ((1, "one"), (2, "two"), (3, "one")):
        pipe.write(f"{version}.ndjson", _document("a", version, text))
        pipe.ingest(mapping=MAPPING)
    assert _texts(pipe) == ["one"]


def test_a_newer_version_of_the_same_content_is_remembered(pipe: Any) -> None:
    """It changes no row of an event, and what lies between the two versions is old."""
    pipe.write("1.ndjson", _document("a", 1, "one"))
    pipe.ingest(mapping=MAPPING)
    pipe.write("3.ndjson", _document("a", 3, "one"))
    assert pipe.ingest(mapping=MAPPING).conversation_count == 0
    pipe.write("2.ndjson", _document("a", 2, "two"))
    pipe.ingest(mapping=MAPPING)
    assert _texts(pipe) == ["one"]


def test_a_document_is_stored_as_a_whole_however_small_a_transaction_is(new_pipe: Any, tmp_path: Path) -> None:
    """Also where an item in its midst is refused."""
    pipe = new_pipe(tmp_path, chunk_records=2)
    document = _document("a", 1, "one", "two", "three", "four", "five")
    document["turns"][2]["at"] = "never"
    pipe.write("1.ndjson", document, _document("b", 1, "six"))
    assert pipe.ingest(mapping=MAPPING).rejected_count == 1
    assert _texts(pipe) == ["one", "two", "four", "five", "six"]
    assert pipe.rows("SELECT count(*), count(DISTINCT ingested_at) FROM events WHERE conversation_id = 'a'") == [(4, 1)]


def test_kinds_add_up(pipe: Any) -> None:
    """A survey beside the report of a call is another document about the same call."""
    pipe.write("1.ndjson", _document("a", 1, "one"), _document("a", 1, "score", kind="survey"))
    pipe.ingest(mapping=MAPPING)
    pipe.write("2.ndjson", _document("a", 2, "uno"))
    pipe.ingest(mapping=MAPPING)
    assert sorted(_texts(pipe)) == ["score", "uno"]


def test_versions_in_one_file_and_one_transaction(pipe: Any) -> None:
    """The greatest counts, wherever it stands."""
    pipe.write("1.ndjson", _document("a", 2, "two"), _document("a", 3, "three"), _document("a", 1, "one"))
    report = pipe.ingest(mapping=MAPPING)
    assert _texts(pipe) == ["three"]
    (file,) = report.files
    assert (file.record_count, file.event_count, file.duplicate_count, file.rejected_count) == (3, 3, 0, 0)


def test_a_call_that_moves_leaves_nothing_behind(pipe: Any) -> None:
    """A corrected conversation id: the old conversation is gone, not empty."""
    mapping = json.loads(json.dumps(MAPPING))
    mapping["events"][0]["conversation_id"] = "$.conversation"
    pipe.write("1.ndjson", _document("a", 1, "one") | {"conversation": "wrong"})
    pipe.ingest(mapping=mapping)
    pipe.write("2.ndjson", _document("a", 2, "one") | {"conversation": "right"})
    pipe.ingest(mapping=mapping)
    assert pipe.rows("SELECT conversation_id FROM conversations") == [("right",)]
    assert pipe.rows("SELECT count(*) FROM stale_conversations") == [(0,)]


def test_first_arrival_never_changes(pipe: Any) -> None:
    """Values are found by it, also when every event has been replaced."""
    pipe.write("1.ndjson", _document("a", 1, "one"))
    pipe.ingest(mapping=MAPPING)
    first = pipe.rows("SELECT first_arrival_at FROM conversations")
    pipe.write("2.ndjson", _document("a", 2, "two"))
    pipe.ingest(mapping=MAPPING)
    assert pipe.rows("SELECT first_arrival_at FROM conversations") == first
    assert pipe.rows("SELECT last_arrival_at > first_arrival_at FROM conversations") == [(True,)]


def test_what_was_stored_before_documents_were_declared_gives_way(pipe: Any) -> None:
    """The first delivery after that takes the place of the events with the same ids."""
    before = json.loads(json.dumps(MAPPING))
    del before["events"][0]["document"]
    pipe.write("1.ndjson", _document("a", 1, "one", "two"))
    pipe.ingest(mapping=before)
    pipe.write("2.ndjson", _document("a", 2, "ONE", "TWO"))
    assert pipe.ingest(mapping=MAPPING).rejected_count == 0
    assert _texts(pipe) == ["ONE", "TWO"]


@pytest.mark.parametrize("declared", [{"id": "$.nothing"}, {"id": "$.turns"}, {"id": "$.call", "version": "$.kind"}])
def test_a_document_that_cannot_be_told_is_refused(pipe: Any, declared: dict[str, Any]) -> None:
    """With its place and what to do."""
    mapping = json.loads(json.dumps(MAPPING))
    mapping["events"][0]["document"] = declared
    pipe.write("1.ndjson", _document("a", 1, "one"))
    assert pipe.ingest(mapping=mapping).rejected_count == 1


def _canonical(name: str, text: str, **fields: Any) -> dict[str, Any]:
    return {
        "event_id": name, "conversation_id": "c", "event_type": "agent.turn", "occurred_at": "2026-03-02T09:00:00Z",
        "data": {"text": text}, **fields,
    }  # fmt: skip


@pytest.mark.parametrize("order", [(0, 1, 2), (2, 1, 0), (1, 2, 0), (1, 0, 2)])
def test_revisions_of_a_canonical_event(pipe: Any, order: tuple[int, ...]) -> None:
    """In any order the greatest counts."""
    versions = [_canonical("e", f"v{number}", revision=number) for number in (1, 2, 3)]
    for at in order:
        pipe.write(f"{at}.ndjson", versions[at])
        pipe.ingest()
    assert _texts(pipe) == ["v3"]
    assert pipe.rows("SELECT revision FROM events") == [(3,)]


@pytest.mark.parametrize("order", [(0, 1, 2), (2, 1, 0), (1, 2, 0), (0, 2, 1)])
@pytest.mark.parametrize("together", [True, False])
def test_an_event_supersedes_another(pipe: Any, order: tuple[int, ...], together: bool) -> None:
    """In any order, in one file or several, and again."""
    events = [_canonical("a", "A"), _canonical("b", "B", supersedes="a"), _canonical("c", "C", supersedes="b")]
    for _ in range(2):
        if together:
            pipe.write("all.ndjson", *(events[at] for at in order))
            pipe.ingest()
        for at in () if together else order:
            pipe.write(f"{at}.ndjson", events[at])
            pipe.ingest()
    assert _texts(pipe) == ["C"]
    assert sorted(text for (text,) in pipe.rows("SELECT DISTINCT data ->> '$.text' FROM superseded_events")) == [
        "A",
        "B",
    ]
    assert pipe.rejected() == []


def _deliver(pipe: Any, documents: list[dict[str, Any]], rng: random.Random) -> None:
    """In random order, some twice, over several files and runs, with crashes in between."""
    documents = [*documents, *rng.sample(documents, len(documents) // 3)]
    rng.shuffle(documents)
    at = 0
    while at < len(documents):
        count = rng.randint(1, max(1, len(documents) // 3))
        pipe.write(f"{at}.ndjson", *documents[at : at + count])
        at += count
        if rng.random() < 0.4:
            _crash(pipe)
        elif rng.random() < 0.7:
            pipe.ingest(mapping=MAPPING)
    pipe.ingest(mapping=MAPPING)


class _CrashError(Exception):
    """The process ends here."""


def _crash(pipe: Any) -> None:
    """After the first transaction: nothing that was committed is assembled."""

    def stop(_: object) -> None:
        raise _CrashError

    with suppress(_CrashError):  # where there is nothing new to read, it ends well
        pipe.ingest(mapping=MAPPING, on_progress=stop)


def _day(rng: random.Random, calls: int) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """All versions of a day's documents, and the last ones."""
    every, last = [], []
    for call in range(calls):
        for kind in ("report", "survey")[: rng.randint(1, 2)]:
            versions = [
                _document(
                    f"c{call}", version, *rng.choices(["hi", "yes", "no", "bye"], k=rng.randint(1, 4)), kind=kind,
                    service=rng.choice(["s1", "s2", None]),
                )
                for version in range(rng.randint(1, 4))
            ]  # fmt: skip
            every += versions
            last.append(versions[-1])
    return every, last


def _property(new_pipe: Callable[..., Any], folder: Path, seed: int, calls: int) -> None:
    rng = random.Random(seed)
    every, last = _day(rng, calls)
    expected = new_pipe(folder / "once")
    expected.write("all.ndjson", *last)
    expected.ingest(mapping=MAPPING)
    found = new_pipe(folder / "mixed", chunk_records=rng.choice([3, 10, 1000]))
    _deliver(found, every, rng)
    assert found.contents() == expected.contents(), f"seed {seed}"


@pytest.mark.parametrize("seed", range(4))
def test_any_order_ends_with_the_last_versions(new_pipe: Any, tmp_path: Path, seed: int) -> None:
    """A small day: random order, repeated, split over runs, with crashes in between."""
    _property(new_pipe, tmp_path, seed, calls=6)


@pytest.mark.long
@pytest.mark.parametrize("seed", range(100, 130))
def test_any_order_ends_with_the_last_versions_of_a_whole_day(new_pipe: Any, tmp_path: Path, seed: int) -> None:
    """As above, at length."""
    _property(new_pipe, tmp_path, seed, calls=300)


def test_every_shipped_mapping_declares_its_documents(shipped_sources: Any) -> None:
    """Each event of each of them is part of one."""

    def undeclared(rules: Any, declared: bool, path: str) -> list[str]:
        found = []
        for index, rule in enumerate(rules):
            known, at = declared or rule.document is not None, f"{path}[{index}]"
            if rule.event_type is not None and not known:
                found.append(at)
            found += undeclared(rule.events, known, f"{at}.events")
            found += undeclared(rule.first_of, known, f"{at}.first_of")
        return found

    def of(mapping: SourceMapping) -> list[str]:
        return undeclared(mapping.events, False, f"{mapping.key}: events")

    assert [at for mapping in shipped_sources.sources.values() for at in of(mapping)] == []
