"""A small project: four metrics that read one another, and two days of sample conversations."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from pipeline.sample import SampleTruth, write_sample
from pipeline.settings import Settings

END = datetime(2026, 3, 12, 15, tzinfo=UTC)

METRICS = """\
definitions:
  - key: probe_turns
    name: Turns
    metric_type: numerical
    source: call_intelligence
    event_types: [call_intelligence.row]
    extract_path: $.conversation_summary.turn_count
    aggregation: avg
    period_granularity: hourly
    unit: turns
    tags: [probe, not a tag]
    group: Probe metrics
  - key: probe_long
    name: Long
    metric_type: boolean
    source: call_intelligence
    event_types: [call_intelligence.row]
    extraction_mode: threshold
    threshold: {metric: probe_turns, operator: ">", value: 8}
    aggregation: rate
    period_granularity: hourly
  - key: probe_refund
    name: Refund
    metric_type: boolean
    source: call_intelligence
    event_types: [call_intelligence.row]
    extraction_mode: pattern
    pattern: {keywords: [refund, bill]}
    aggregation: rate
    period_granularity: hourly
  - key: probe_sync
    name: Syncs
    metric_type: numerical
    source: connector_events
    event_types: [connector.sync_completed]
    extract_path: $.event_count
    aggregation: sum
    period_granularity: hourly
"""


class Definitions:
    """The user's own definition files."""

    text = METRICS

    def __init__(self, settings: Settings) -> None:
        self._folder = settings.definitions / "metrics" / "custom"
        self._folder.mkdir(parents=True)

    def write(self, text: str = METRICS, name: str = "probe") -> Path:
        file = self._folder / f"{name}.yaml"
        file.write_text(text)
        return file


@pytest.fixture
def definitions(settings: Settings) -> Definitions:
    written = Definitions(settings)
    written.write()
    return written


@pytest.fixture(scope="session")
def sample(tmp_path_factory: pytest.TempPathFactory) -> SampleTruth:
    return write_sample(tmp_path_factory.mktemp("sample"), end=END, conversations=60)


@pytest.fixture
def project(settings: Settings, sample: SampleTruth, definitions: Definitions) -> Settings:
    """Settings of a deployment whose landing folder is the sample's and whose partitions start with it."""
    return settings.model_copy(update={"landing": str(sample.landing), "start": datetime(2026, 3, 10, tzinfo=UTC)})
