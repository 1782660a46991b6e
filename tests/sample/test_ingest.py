"""The sample through the front door: what ingestion finds is what the labels say was written."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from pipeline.catalog.catalog import Catalog
from pipeline.ingest import IngestReport, ingest
from pipeline.sample import SampleTruth, write_sample
from pipeline.settings import Settings
from pipeline.store import Store

END = datetime(2026, 3, 12, 15, tzinfo=UTC)


@dataclass(frozen=True)
class Ingested:
    """A store that has taken in `landing/` of a sample."""

    settings: Settings
    truth: SampleTruth
    report: IngestReport

    @property
    def store(self) -> Store:
        return Store(self.settings)

    def rows(self, query: str, *parameters: object) -> list[tuple[Any, ...]]:
        with self.store.write() as con:
            return con.execute(query, parameters).fetchall()


def _ingest(home: Path) -> Ingested:
    settings = Settings(home=home)
    truth = write_sample(home, end=END)
    return Ingested(settings, truth, ingest(Store(settings), Catalog(), settings))


@pytest.fixture(scope="module")
def ingested(tmp_path_factory: pytest.TempPathFactory) -> Ingested:
    """For tests that change nothing."""
    return _ingest(tmp_path_factory.mktemp("home"))


def test_every_event_is_taken_in_once(ingested: Ingested) -> None:
    report, truth = ingested.report, ingested.truth
    assert not report.failed
    assert report.event_count == truth.events
    assert report.duplicate_count == truth.duplicates
    assert report.conversation_count == len(truth.conversations) + truth.forms
    assert ingested.rows("SELECT count(*), count(DISTINCT event_id) FROM events") == [(truth.events, truth.events)]


def test_only_the_planted_faults_are_refused(ingested: Ingested) -> None:
    reasons = {"half a JSON record": "not_json", "a time without a zone": "naive_time"}
    planted = {(fault.file, f"line {fault.line}", reasons[fault.fault]) for fault in ingested.truth.rejected}
    refused = ingested.rows("SELECT url, place, reason FROM rejected_records")
    assert {(url.rsplit("/", 1)[1], place, reason) for url, place, reason in refused} == planted
    assert ingested.report.rejected_count == len(refused) == len(planted)


def test_conversations_are_those_of_the_labels(ingested: Ingested) -> None:
    truth = ingested.truth
    stored = ingested.rows(
        "SELECT conversation_id, traffic, if(channel = 'voice', 'voice', 'text'), escalated, completion_reason "
        "FROM conversations WHERE channel <> 'surface'",
    )
    assert {row[0] for row in stored} == truth.conversations.keys()
    without_row = {*truth.unsummarised, *truth.late_conversations}
    for key, traffic, medium, escalated, reason in stored:
        label = truth.conversations[key]
        assert (traffic, medium) == (label.traffic, "voice" if label.channel == "voice" else "text")
        if key not in without_row:
            assert (escalated, reason) == (label.escalated, label.completion_reason)


def test_conversations_in_progress_are_not_settled(ingested: Ingested) -> None:
    unsettled = ingested.rows("SELECT conversation_id FROM conversations WHERE settled_at > ? AND turn_count > 0", END)
    assert {key for (key,) in unsettled} == set(ingested.truth.in_progress)


def test_late_files_change_only_their_conversations(tmp_path: Path) -> None:
    ingested = _ingest(tmp_path)
    truth = ingested.truth
    query = "SELECT conversation_id, content_hash FROM conversations"
    before = dict(ingested.rows(query))
    late = ingest(ingested.store, Catalog(), ingested.settings, urls=[str(truth.late)])
    after = dict(ingested.rows(query))
    assert (late.event_count, late.conversation_count) == (truth.late_events, len(truth.late_conversations))
    assert before.keys() == after.keys()
    assert {key for key in after if after[key] != before[key]} == set(truth.late_conversations)


def test_a_second_ingestion_finds_nothing_new(ingested: Ingested) -> None:
    write_sample(ingested.settings.home, end=END)  # the same bytes under a later time: the files are read again
    again = ingest(ingested.store, Catalog(), ingested.settings)
    assert (again.event_count, again.conversation_count) == (0, 0)
    assert ingested.rows("SELECT count(DISTINCT (url, place)) FROM rejected_records") == [
        (len(ingested.truth.rejected),)
    ]


def test_a_sample_an_hour_later_is_another_one(ingested: Ingested, tmp_path: Path) -> None:
    later = write_sample(tmp_path, end=END + timedelta(hours=1))
    assert later.conversations.keys().isdisjoint(ingested.truth.conversations)
