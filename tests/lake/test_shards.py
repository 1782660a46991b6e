"""Two processes that share a run on a lake, and one on a file: the same rows."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from star import assert_same, rows

from pipeline.catalog import load_catalog
from pipeline.extract import shards
from pipeline.hourly import run_hour
from pipeline.sample import write_sample
from pipeline.sample.judge_server import SampleJudge
from pipeline.settings import Settings
from pipeline.store import Store
from pipeline.window import Window

END = datetime(2026, 3, 12, 15, tzinfo=UTC)
TABLES = ("metric_values", "metric_periods")


def define(folder: Path) -> None:
    """A judged metric, and one of Python that reads it."""
    base = {"metric_type": "numerical", "source": "call_intelligence", "event_types": ["call_intelligence.row"]}
    judged = {"extraction_mode": "ai_query", "ai_query_prompt": "How much empathy, from 1 to 10?"}
    coded = {"extraction_mode": "python", "python_file": "m.py"}
    named = [
        base | mode | {"key": key, "name": key, "aggregation": "avg"}
        for key, mode in (("empathy", judged), ("coded", coded))
    ]
    for name in ("metrics/custom", "python"):
        (folder / name).mkdir(parents=True)
    (folder / "metrics" / "custom" / "shards.yaml").write_text(json.dumps({"definitions": named}))
    (folder / "python" / "m.py").write_text("def evaluate(c):\n    return len(c.turns) + (c.metrics['empathy'] or 0)\n")


def test_two_processes_on_a_lake(both: dict[str, Settings], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shards, "LEAST", {"judged": 2, "python": 2})
    define(tmp_path / "definitions")
    landing = write_sample(tmp_path / "sample", end=END, conversations=30).landing
    found, port = {}, 0
    for name, settings in both.items():
        with SampleJudge(port=port) as judge:  # the same address, and no prompt cached
            port = urlsplit(judge.base_url).port or 0
            changes = {"landing": str(landing), "models": judge.models, "shards": 2 if name == "lake" else 1}
            settings = settings.model_copy(update=changes)
            store = Store(settings)
            report = run_hour(store, load_catalog(settings), settings, Window.ending(END), keys=["empathy", "coded"])
            assert not report.failed
            assert judge.count.answered > 10
            assert set(judge.count.prompts.values()) == {1}
        found[name] = {table: rows(store, table) for table in TABLES}
    for table in TABLES:
        assert found["file"][table]
        assert_same(found["lake"][table], found["file"][table])
