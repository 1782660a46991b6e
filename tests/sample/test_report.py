"""What is shown after a first run, against the labels and the files."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import orjson
import pytest

from pipeline.aggregate import aggregate
from pipeline.catalog import load_catalog
from pipeline.extract import extract
from pipeline.ingest import ingest
from pipeline.sample import DemoSummary, Headline, SampleTruth, demo_summary, write_sample
from pipeline.settings import Settings
from pipeline.store import Store
from pipeline.window import Window, floor_hour

END = datetime(2026, 3, 12, 15, tzinfo=UTC)
DAY = datetime(2026, 3, 11, tzinfo=UTC)
DEFINITIONS = """
definitions:
  - key: sample_calls
    name: Calls
    metric_type: numerical
    source: call_intelligence
    event_types: [call_intelligence.row]
    extract_path: $.conversation_summary.turn_count
    aggregation: count
    channel_scope: voice
    goal: higher
    unit: calls
  - key: sample_quality
    name: Quality
    metric_type: numerical
    source: call_intelligence
    event_types: [call_intelligence.row]
    extract_path: $.quality_score
    aggregation: avg
    valid_range_min: 0
    valid_range_max: 100
    goal: higher
    unit: score
  - key: sample_escalations
    name: Escalations
    metric_type: boolean
    source: call_intelligence
    event_types: [call_intelligence.row]
    extract_path: $.operator_summary.escalated
    aggregation: rate
    goal: lower
    unit: share
  - key: sample_resolved
    name: Resolved, as the agent wrote
    metric_type: boolean
    source: call_intelligence
    event_types: [call_intelligence.row]
    extraction_mode: written
    written_name: issue_resolved
    aggregation: rate
    goal: higher
    unit: share
"""


@dataclass(frozen=True)
class Ran:
    truth: SampleTruth
    summary: DemoSummary
    store: Store

    def headline(self, key: str) -> Headline:
        return next(headline for headline in self.summary.headlines if headline.key == key)


@pytest.fixture(scope="module")
def ran(tmp_path_factory: pytest.TempPathFactory) -> Ran:
    """Landing files, two windows that cover both days; then the late files and the last window again."""
    home = tmp_path_factory.mktemp("home")
    settings = Settings(home=home, definitions=home / "definitions")
    custom = home / "definitions" / "metrics" / "custom"
    custom.mkdir(parents=True)
    (custom / "sample.yaml").write_text(DEFINITIONS, encoding="utf-8")
    truth, store, catalog = write_sample(home, end=END), Store(settings), load_catalog(settings)
    keys = ["sample_calls", "sample_quality", "sample_escalations", "sample_resolved"]
    ingest(store, catalog, settings)
    for end in (END - timedelta(hours=24), END):
        extract(store, catalog, settings, Window.ending(end), keys=keys)
    aggregate(store, catalog, settings)
    since = datetime.now(UTC)
    ingest(store, catalog, settings, urls=[str(truth.late)])
    extract(store, catalog, settings, Window.ending(END), keys=keys)
    aggregate(store, catalog, settings)
    store.publish()
    with store.read() as con:
        return Ran(truth, demo_summary(con, settings.workspace_id, since=since), store)


def _started(ran: Ran) -> Iterator[tuple[str, datetime]]:
    with ran.store.read() as con:
        yield from con.execute("SELECT conversation_id, started_at FROM conversations").fetchall()


def test_it_speaks_of_the_last_whole_day(ran: Ran) -> None:
    assert (ran.summary.until, ran.summary.day) == (END, DAY)


def test_refused_are_the_planted_ones(ran: Ran) -> None:
    assert {(refused.url.rsplit("/", 1)[1], refused.place) for refused in ran.summary.refused} == {
        (planted.file, f"line {planted.line}") for planted in ran.truth.rejected
    }


def test_traffic_is_that_of_the_labels(ran: Ran) -> None:
    traffic = ran.summary.traffic
    assert sum(row.conversations for row in traffic) == len(ran.truth.conversations) + ran.truth.forms
    assert sum(row.unsettled for row in traffic if row.channel != "surface") == len(ran.truth.in_progress)
    voice = [label for label in ran.truth.conversations.values() if label.channel == "voice"]
    for name in ("production", "simulation"):
        [row] = [row for row in traffic if (row.channel, row.traffic) == ("voice", name)]
        assert row.conversations == sum(label.traffic == name for label in voice)


def test_headline_is_the_rate_of_the_labels(ran: Ran) -> None:
    labels = [
        ran.truth.conversations[key]
        for key, started in _started(ran)
        if DAY <= started < DAY + timedelta(days=1) and key in ran.truth.conversations
    ]
    production = [label.resolved for label in labels if label.traffic == "production" and label.resolved is not None]
    headline = ran.headline("sample_resolved")
    assert headline.event_count == len(production)
    assert headline.value == pytest.approx(sum(production) / len(production))
    assert headline.interval_low is not None
    assert headline.interval_low < headline.value < (headline.interval_high or 0)


def test_a_total_is_not_compared_with_half_a_day(ran: Ran) -> None:
    calls = ran.headline("sample_calls")
    assert calls.value == calls.event_count > 0
    assert (calls.change, calls.verdict, calls.clear) == (None, None, None)


def test_the_verdict_follows_the_goal(ran: Ran) -> None:
    for key, higher_is_better in (("sample_quality", True), ("sample_escalations", False)):
        headline = ran.headline(key)
        assert headline.change
        assert headline.verdict == ("better" if (headline.change > 0) == higher_is_better else "worse")


def test_late_files_restate_exactly_the_periods_that_they_touch(ran: Ran) -> None:
    rows = _late_rows(ran.truth)
    scored = [row for row in rows if row.get("quality_score") is not None]
    hours = {floor_hour(datetime.fromisoformat(row["created_at"])) for row in scored}
    quality = [restated for restated in ran.summary.restated if restated.key == "sample_quality"]
    found = {restated.period_start for restated in quality if restated.granularity == "hour"}
    assert found
    assert found <= hours  # a score that is the one derived until then restates nothing
    [day] = [restated for restated in quality if restated.granularity == "day"]
    assert day.period_start == DAY
    assert day.count_after == day.count_before  # there was a derived score
    assert all(restated.revision == 2 for restated in quality)
    assert not [restated for restated in ran.summary.restated if restated.key == "sample_calls"]  # turns were known


def test_the_ledger_is_reconciled(ran: Ran) -> None:
    states = ran.summary.states
    assert states.reconciled
    assert states.counts["ok"] > 0
    assert states.counts["out_of_range"] == 1
    assert states.counts["pending"] >= len(ran.truth.in_progress)
    assert sum(states.counts.values()) == states.eligible
    assert states.row_count > 100


def test_an_empty_store_has_an_empty_summary(store: Store, settings: Settings) -> None:
    with store.write():
        pass
    store.publish()
    with store.read() as con:
        summary = demo_summary(con, settings.workspace_id, since=END)
    assert (summary.until, summary.day, summary.headlines, summary.restated) == (None, None, (), ())
    assert summary.states.reconciled
    assert summary.next_steps


def _late_rows(truth: SampleTruth) -> list[dict[str, Any]]:
    events = [orjson.loads(line) for file in truth.late.iterdir() for line in file.read_bytes().splitlines()]
    return [event["data"] for event in events if event["event_type"] == "call_intelligence.row"]
