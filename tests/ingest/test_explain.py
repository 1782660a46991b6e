"""`ingest --explain` says of a record what ingestion does with it, with lines and reasons, and writes nothing."""

from __future__ import annotations

import json
import re
import tarfile
from pathlib import Path
from typing import Any

import pytest

from pipeline.catalog import load_catalog
from pipeline.catalog.catalog import Catalog
from pipeline.cli.app import run
from pipeline.ingest.explain import FIELDS, EventOutcome, Explanation, explain
from pipeline.settings import builtin_definitions

RECORDS = {
    "tau2": ("tau2/text/gpt-4.1_airline_default.json.gz", 1),
    "tau2_voice": ("tau2/voice/simulations/49b22f0c-4a56-41c5-922f-bc2a56e53a23.json.gz", 1),
    "tau_bench": ("tau-bench/gpt-4o-airline.json.gz", 200),
    "primock57": ("primock57/consultations.tar.gz", 37),
    "evi": ("evi/dialogues.en.tsv.gz", 12_663),
}


@pytest.fixture(params=["star", *RECORDS])
def record(request: pytest.FixtureRequest, shared_data: Path, tmp_path: Path) -> tuple[str, Path, int]:
    """Key of a mapping, a file that it reads, and the number of a record in it; of STAR one dialogue, to be quick."""
    if request.param in RECORDS:
        name, number = RECORDS[request.param]
        return request.param, shared_data / name, number
    with tarfile.open(shared_data / "star" / "dialogues.tar.gz") as packed:
        packed.extract("dialogues/6.json", tmp_path / "star", filter="data")
    return "star", tmp_path / "star" / "dialogues" / "6.json", 1


@pytest.fixture
def explained(pipe: Any) -> Any:
    """Explains a record of a file, with one rule or with the pipe's catalog."""

    def explain_one(path: Path, record: int = 1, **arguments: Any) -> Explanation:
        return explain(pipe.catalog, pipe.settings, urls=[str(path)], record=record, **arguments)

    return explain_one


def _fields(event: EventOutcome) -> dict[str, Any]:
    return {field.name: field.value for field in event.fields}


def _by_id(events: list[EventOutcome]) -> dict[str, dict[str, Any]]:
    return {_fields(event)["event_id"]: _fields(event) for event in events}


def test_what_is_explained_is_what_is_stored(
    record: tuple[str, Path, int], shipped_sources: Catalog, explained: Any, pipe: Any
) -> None:
    key, file, number = record
    pipe.catalog = shipped_sources
    found = explained(file, number)
    assert (found.source_key, found.refused) == (key, [])
    pipe.ingest(file)
    columns = ", ".join(FIELDS)
    expected = {}
    for row in pipe.rows(f"SELECT {columns} FROM events WHERE event_id IN (SELECT unnest(?))", [*_by_id(found.events)]):
        fields = dict(zip(FIELDS, row, strict=True))
        data = {f"data.{name}": value for name, value in json.loads(fields.pop("data")).items()}
        given = {name: value for name, value in fields.items() if value is not None or name == "occurred_at"}
        expected[fields["event_id"]] = given | data
    assert _by_id(found.events) == expected != {}


def test_every_field_names_the_line_on_which_it_is_written(
    record: tuple[str, Path, int], shipped_sources: Catalog, explained: Any, pipe: Any
) -> None:
    key, file, number = record
    pipe.catalog = shipped_sources
    found = explained(file, number)
    written = shipped_sources.sources[key].file
    assert written is not None
    lines = written.read_text().splitlines()
    for event in found.events:
        assert event.line is not None
        for field in event.fields:
            if field.expression is None:
                assert field.name in ("event_id", "sequence", "traffic")
            else:
                column, _, inner = field.name.partition(".")
                line = lines[field.line - 1]  # type: ignore[operator]
                assert f"{column}:" in line or f"{inner}:" in line


def test_it_says_why_a_rule_did_not_apply_and_what_nothing_read(pipe: Any, explained: Any) -> None:
    folder = pipe.settings.definitions / "sources"
    folder.mkdir(parents=True)
    (folder / "calls.yaml").write_text(MAPPING)
    pipe.catalog = load_catalog(pipe.settings)
    call = {
        "id": 7,
        "began": "2026-01-05T10:00:00Z",
        "agent": {"name": "Ada", "team": "blue"},
        "lines": [
            {"who": "bot", "said": "Hello", "ms": 100, "noise": 0.1},
            {"who": "caller", "said": "Hi", "ms": "soon", "noise": 0.2},
            {"who": "music", "said": "", "volume": [1, 2]},
            {"who": "ghost", "said": "boo"},
        ],
    }
    found = explained(pipe.write("calls.json", call))
    bot, caller, ignored = found.rules[2:]
    assert (bot.line, bot.makes, bot.applied, bot.events) == (10, "agent.turn", 1, 1)
    assert bot.skipped == {"$.who is caller, not bot": 1, "$.who is music, not bot": 1, "$.who is ghost, not bot": 1}
    assert (caller.applied, caller.events, ignored.makes, ignored.applied) == (1, 0, "ignore: on hold", 1)
    assert [(item.place, item.reason, item.detail.partition(":")[0]) for item in found.refused] == [
        ("$.lines[1]", "wrong_type", "data"),
        ("$.lines[3]", "no_rule", "no rule of the source mapping makes an event of this item, and none says `ignore`"),
    ]
    assert [(leaf.path, leaf.count, leaf.total, leaf.example) for leaf in found.unread] == [
        ("$.agent.team", 1, 1, "blue"),
        ("$.lines[*].said", 2, 4, ""),
        ("$.lines[*].noise", 2, 2, 0.1),
        ("$.lines[*].volume[*]", 2, 2, 1),
    ]
    (event,) = found.events
    assert (event.place, event.line, event.reason) == ("$.lines[0]", 10, None)
    assert {field.name: (field.value, field.expression, field.line) for field in event.fields}["data.ms"] == (
        100, "{path: $.ms, type: integer}", 11
    )  # fmt: skip


MAPPING = """\
key: calls
files: ["*.json"]
events:
  - conversation_id: $.id
    participant: $.agent.name
    occurred_at: $.began
    events:
      - each: $.lines[*]
        first_of:
          - {when: {$.who: bot}, event_type: agent.turn,
             data: {text: $.said, ms: {path: $.ms, type: integer}}}
          - {when: {$.who: caller}, event_type: user.turn, data: {text: $.said, ms: {path: $.ms, type: integer}}}
          - {when: {$.who: music}, ignore: on hold}
"""


@pytest.mark.parametrize(
    ("record", "reason"),
    [
        ({"event_type": "x", "occurred_at": "2026-01-05T10:00:00"}, "naive_time"),
        ({"event_type": "x", "occurred_at": "1826-01-05T10:00:00Z"}, "time_out_of_range"),
        ({"event_type": "x"}, "missing_time"),
        ({"event_type": "x", "occurred_at": None, "traffic": "rush hour"}, "unknown_traffic"),
        ({"event_type": "x", "occurred_at": None, "conversation_id": "c" * 200}, "too_long"),
        ({"event_type": "x", "occurred_at": None, "data": [1]}, "wrong_type"),
    ],
    ids=["naive", "range", "missing", "traffic", "long", "data"],
)
def test_a_canonical_record_that_would_be_refused(pipe: Any, explained: Any, record: Any, reason: str) -> None:
    path = pipe.write("a.ndjson", {"event_type": "fine", "occurred_at": None}, record)
    (event,) = explained(path, 2).events
    pipe.ingest()
    ((stored_reason, detail),) = pipe.rows("SELECT reason, detail FROM rejected_records")
    assert event.reason == stored_reason == reason
    assert str(event.detail).partition(" to ")[0] == detail.partition(" to ")[0]  # the latest instant is a day from now


def test_a_canonical_record_and_a_cloudevent(pipe: Any, explained: Any) -> None:
    canonical = {"event_type": "x", "occurred_at": None, "channel": "Phone", "data": {"a": {"b": 1}}, "colour": "red"}
    found = explained(pipe.write("a.ndjson", canonical))
    (event,) = found.events
    assert found.source_key == "canonical"
    assert [(leaf.path, leaf.example) for leaf in found.unread] == [("$.colour", "red")]
    assert [(field.name, field.value, field.expression) for field in event.fields if field.name != "event_id"] == [
        ("event_type", "x", "$.event_type"), ("occurred_at", None, "$.occurred_at"), ("channel", "voice", "$.channel"),
        ("traffic", "production", None), ("data.a", {"b": 1}, "$.data"),
    ]  # fmt: skip
    cloud = {"specversion": "1.0", "id": "1", "source": "s", "type": "x", "time": "2026-01-05T10:00:00Z", "odd": 1}
    found = explained(pipe.write("b.ndjson", cloud))
    assert found.source_key == "cloudevents"
    assert _fields(found.events[0])["event_id"] == "s#1"
    assert [leaf.path for leaf in found.unread] == ["$.specversion", "$.odd"]


def test_the_walk_of_the_readme_shows_what_is_shown(pipe: Any, explained: Any, shared_data: Path) -> None:
    text = (builtin_definitions() / "README.md").read_text(encoding="utf-8").partition("### Writing a mapping")[2]
    blocks = re.findall(r"```yaml\n(key: mine\n.*?)```\n(.*?)Nothing was written", text, flags=re.DOTALL)
    assert len(blocks) == 2
    file = pipe.settings.definitions / "sources" / "mine.yaml"
    file.parent.mkdir(parents=True)
    for written, shown in blocks:
        file.write_text(written)
        pipe.catalog = load_catalog(pipe.settings)
        found = explained(shared_data / "star" / "dialogues.tar.gz", 3, source="mine")
        stored = sum(event.reason is None for event in found.events)
        refused = len(found.refused) + len(found.events) - stored
        assert f"Would be stored: {stored}; refused: {refused}. " in shown
        for field in found.events[0].fields:
            line = next((line for line in shown.splitlines() if line.startswith(f"{field.name} ")), None)
            if line is not None:
                assert line.split()[-1] == (str(field.line) if field.line else "default")
        assert found.events[0].fields[0].value in shown  # the hash of all that the event says


def test_two_events_of_one_id(pipe: Any, explained: Any) -> None:
    folder = pipe.settings.definitions / "sources"
    folder.mkdir(parents=True)
    (folder / "twice.yaml").write_text(
        "key: twice\nevents:\n"
        "  - {each: '$.all[*]', event_type: x, occurred_at: null, sequence: 0, event_id: one, data: $}\n"
    )
    pipe.catalog = load_catalog(pipe.settings)
    path = pipe.write("a.json", {"all": [{"n": 1}, {"n": 1}, {"n": 2}]})
    found = explained(path, source="twice")
    assert [event.reason for event in found.events] == [None, None, "event_id_conflict"]
    report = pipe.ingest(path, source="twice")
    assert (report.event_count, report.duplicate_count, report.rejected_count) == (1, 1, 1)


def test_a_record_that_is_no_json(pipe: Any, explained: Any) -> None:
    found = explained(pipe.write("a.ndjson", '{"event_type": "x"'))
    assert [(item.place, item.reason) for item in found.refused] == [("line 1", "not_json")]
    assert found.events == []


def test_on_the_command_line_it_writes_nothing(
    tmp_path: Path, pipe: Any, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, caplog: Any
) -> None:
    monkeypatch.setenv("METRIC_STORE_HOME", str(tmp_path / "new"))
    secret = {
        "event_type": "user.turn",
        "occurred_at": None,
        "conversation_id": "c",
        "data": {"text": "my PIN is 4711"},
    }
    path = str(pipe.write("a.ndjson", secret, secret))
    assert run(["ingest", "--explain", path, "--record", "2"]) == 0
    shown = capsys.readouterr()
    assert "my PIN is 4711" in shown.out
    assert "Would be stored: 1; refused: 0. Nothing was written." in shown.out
    assert "4711" not in shown.err + caplog.text
    assert run(["ingest", "--explain", path, "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert document["events"][0]["fields"][-1]["value"] == "my PIN is 4711"
    assert run(["ingest", "--explain", path, "--record", "3"]) == 2
    assert "a.ndjson: it has no record 3" in capsys.readouterr().err
    assert not list((tmp_path / "new").rglob("*"))


def test_it_names_declared_fields_that_got_no_value(pipe: Any, explained: Any) -> None:
    folder = pipe.settings.definitions / "sources"
    folder.mkdir(parents=True)
    (folder / "calls.yaml").write_text(
        "key: calls\nname: Calls\nevents:\n"
        "  - conversation_id: $.id\n    service_id: $.team\n    occurred_at: null\n"
        "    events:\n"
        "      - event_type: agent.turn\n        data: {text: $.said, intent: $.intent, language: $.language}\n"
    )
    pipe.catalog = load_catalog(pipe.settings)
    found = explained(pipe.write("calls.json", {"id": 7, "said": "Hello", "language": None}), source="calls")
    (event,) = found.events
    assert [(field.name, field.line) for field in event.absent] == [
        ("service_id", 5), ("data.intent", 9), ("data.language", 9)
    ]  # fmt: skip
