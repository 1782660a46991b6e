"""The files of the sample: the same bytes every time, consistent with their labels, with exactly the planted faults."""

from __future__ import annotations

import gzip
import hashlib
import zipfile
from collections import Counter, defaultdict
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from statistics import fmean
from typing import Any

import orjson
import pytest

from pipeline.sample import SampleTruth, fingerprint, load_truth, write_sample

END = datetime(2026, 3, 12, 15, tzinfo=UTC)


@pytest.fixture(scope="module")
def sample(tmp_path_factory: pytest.TempPathFactory) -> SampleTruth:
    return write_sample(tmp_path_factory.mktemp("sample"), end=END)


@pytest.fixture(scope="module")
def events(sample: SampleTruth) -> dict[str, dict[str, Any]]:
    """Every good event by its id, the late ones too."""
    return {event["event_id"]: event for event in _events(sample.landing) if not isinstance(event, bytes)} | {
        event["event_id"]: event for event in _events(sample.late)
    }


@pytest.fixture(scope="module")
def conversations(events: dict[str, dict[str, Any]]) -> dict[str, list[dict[str, Any]]]:
    found = defaultdict(list)
    for event in sorted(events.values(), key=lambda event: event["sequence"]):
        found[event["conversation_id"]].append(event)
    return found


def _lines(folder: Path) -> Iterator[tuple[str, bytes]]:
    for file in sorted(folder.iterdir()):
        if file.suffix == ".zip":
            with zipfile.ZipFile(file) as archive:
                for name in archive.namelist():
                    yield from ((name, line) for line in archive.read(name).splitlines())
        elif "cloudevents" not in file.name:
            content = file.read_bytes()
            content = gzip.decompress(content) if file.suffix == ".gz" else content
            yield from ((file.name, line) for line in content.splitlines())


def _events(folder: Path) -> Iterator[Any]:
    """Canonical events; a record with a planted fault comes as it stands."""
    for _, line in _lines(folder):
        try:
            event = orjson.loads(line)
        except orjson.JSONDecodeError:
            yield line
            continue
        yield event if event["occurred_at"].endswith("Z") else line


def _digests(folder: Path) -> dict[str, str]:
    files = (path for path in folder.rglob("*") if path.is_file())
    return {str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def test_same_arguments_same_bytes(sample: SampleTruth, tmp_path: Path) -> None:
    again = write_sample(tmp_path / "again", end=END)
    other = write_sample(tmp_path / "other", end=END, seed=8)
    assert _digests(again.folder) == _digests(sample.folder)
    assert _digests(other.folder).keys() & _digests(sample.folder).keys()
    assert _digests(other.folder)["sample_truth.json"] != _digests(sample.folder)["sample_truth.json"]


def test_writing_again_replaces_an_earlier_sample(sample: SampleTruth, tmp_path: Path) -> None:
    write_sample(tmp_path, end=END - timedelta(hours=5))
    write_sample(tmp_path, end=END)
    assert _digests(tmp_path) == _digests(sample.folder)


def test_labels_survive_the_file(sample: SampleTruth) -> None:
    assert load_truth(sample.folder) == sample
    assert load_truth(sample.folder / "sample_truth.json") == sample


def test_counts_are_those_of_the_files(sample: SampleTruth, events: dict[str, dict[str, Any]]) -> None:
    landed = [event for event in _events(sample.landing) if not isinstance(event, bytes)]
    connectors = (sample.landing / "connectors.cloudevents.ndjson").read_bytes().splitlines()
    distinct = {event["event_id"] for event in landed}
    assert len(distinct) + len(connectors) == sample.events
    assert len(landed) - len(distinct) == sample.duplicates > 50
    assert {event["event_id"] for event in _events(sample.late)}.isdisjoint(distinct)
    assert sum(event["event_type"] == "surface.created" for event in events.values()) == sample.forms


def test_planted_faults_are_where_they_are_said_to_be(sample: SampleTruth) -> None:
    by_file = defaultdict(list)
    for name, line in _lines(sample.landing):
        by_file[name].append(line)
    cut, naive = (by_file[planted.file][planted.line - 1] for planted in sample.rejected)
    with pytest.raises(orjson.JSONDecodeError):
        orjson.loads(cut)
    assert datetime.fromisoformat(orjson.loads(naive)["occurred_at"]).tzinfo is None
    assert sum(isinstance(event, bytes) for event in _events(sample.landing)) == len(sample.rejected) == 2


@pytest.mark.parametrize("hour", range(0, 24, 3))
def test_every_hour_of_the_day_ends_a_complete_sample(tmp_path: Path, hour: int) -> None:
    end = datetime(2026, 3, 12, hour, tzinfo=UTC)
    truth = write_sample(tmp_path, end=end, conversations=400)
    assert truth.late_conversations
    assert truth.out_of_range in truth.conversations
    assert len(truth.in_progress) >= 2
    instants = [event["occurred_at"] for event in _events(truth.landing) if not isinstance(event, bytes)]
    assert end - timedelta(hours=48) <= datetime.fromisoformat(min(instants))
    assert datetime.fromisoformat(max(instants)) < end


def test_late_events_belong_to_conversations_already_seen(sample: SampleTruth, conversations: Any) -> None:
    late = list(_events(sample.late))
    assert len(late) == sample.late_events
    assert {event["conversation_id"] for event in late} == set(sample.late_conversations)
    for key in sample.late_conversations:
        ended = datetime.fromisoformat(conversations[key][-1]["occurred_at"])
        assert timedelta(hours=20) <= END - ended < timedelta(hours=24)


def test_labels_agree_with_events(sample: SampleTruth, conversations: Any) -> None:
    for key, truth in sample.conversations.items():
        kinds = Counter(event["event_type"] for event in conversations[key])
        turns = [event for event in conversations[key] if event["event_type"].endswith(".turn")]
        said = [(event["event_type"].removesuffix(".turn"), event["data"]["text"]) for event in turns]
        assert truth.fingerprint == fingerprint(said)
        assert truth.escalated == bool(kinds["call.escalated"])
        assert kinds["session.end"] == (key not in sample.in_progress)
        assert kinds["call_intelligence.row"] == (key not in sample.unsummarised)
        if truth.completion_reason == "warm_transfer_completed":
            assert kinds["operator.turn"]
        if truth.disclosed is not None and key not in sample.in_progress:
            assert truth.disclosed == any("may be recorded" in text for role, text in said if role == "agent")
        if truth.verified:
            names = [e["data"]["name"] for e in conversations[key] if e["event_type"] == "tool.result"]
            assert "verify_identity" in names
        assert all(fact.lower() in " ".join(text for _, text in said).lower() for fact in truth.facts.values())


def test_summaries_agree_with_events(sample: SampleTruth, conversations: Any) -> None:
    for key in sample.conversations.keys() - set(sample.unsummarised):
        told = conversations[key]
        [row] = [event["data"] for event in told if event["event_type"] == "call_intelligence.row"]
        turns = [event["data"] for event in told if event["event_type"].endswith(".turn")]
        agent = [event["data"] for event in told if event["event_type"] == "agent.turn"]
        results = [event["data"] for event in told if event["event_type"] == "tool.result"]
        assert row["conversation_summary"]["turn_count"] == len(turns)
        assert row["conversation_summary"].get("barge_in_count", 0) == sum(
            bool(turn.get("interrupted")) for turn in turns
        )
        assert row["tool_summary"]["total_calls"] == len(results)
        assert row["tool_summary"]["failed"] == sum(not result["succeeded"] for result in results)
        assert row["operator_summary"]["escalated"] == sample.conversations[key].escalated
        assert (row["operator_summary"]["operator_active"] is None) == (not sample.conversations[key].escalated)
        if agent:
            average = fmean(turn["engine_ms"] for turn in agent)
            assert row["latency_summary"]["avg_engine_ms"] == pytest.approx(average, abs=0.05)
        started, ended = (datetime.fromisoformat(told[i]["occurred_at"]) for i in (0, -1))
        assert row["duration_seconds"] == pytest.approx((ended - started).total_seconds(), abs=0.002)
        if key == sample.out_of_range:
            assert row["quality_score"] == 9e124
        elif row.get("quality_score") is not None:
            assert 0 <= row["quality_score"] <= 100


def test_events_of_a_conversation_follow_one_another(conversations: Any) -> None:
    for key, told in conversations.items():
        instants = [event["occurred_at"] for event in told if event["domain"] != "emotion"]
        assert instants == sorted(instants), key
        assert [event["sequence"] for event in told] == list(range(1, len(told) + 1))
        assert len({(event["channel"], event["service_id"], event["traffic"]) for event in told}) == 1


def test_it_looks_like_two_days_of_a_clinic(sample: SampleTruth, conversations: Any) -> None:
    labels = list(sample.conversations.values())
    assert Counter(truth.channel for truth in labels).keys() == {"voice", "webchat", "sms"}
    assert {truth.topic for truth in labels} == {
        "scheduling", "billing", "clinical_question", "prescription", "referral", "complaint", "other"
    }  # fmt: skip
    assert 0.05 < fmean(truth.traffic == "simulation" for truth in labels) < 0.15
    assert 0.03 < fmean(truth.escalated for truth in labels) < 0.15
    hours = Counter(conversations[key][0]["occurred_at"][11:13] for key, truth in sample.conversations.items())
    assert sum(hours[f"{hour:02}"] for hour in range(6)) < 0.1 * len(labels)
    for truth in labels:
        assert truth.sentiment != "positive" or truth.resolved
        assert truth.empathy is None or 1 <= truth.empathy <= 10


def test_no_placeholder_or_double_space_reaches_a_transcript(conversations: Any) -> None:
    for told in conversations.values():
        for event in told:
            text = event["data"].get("text", "")
            assert "{" not in text
            assert "  " not in text
            assert text == text.strip()
