"""The sample judge knows the sample's truth, is wrong at a known rate, and says that it is simulated."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from pipeline.catalog import Catalog, load_catalog
from pipeline.extract import extract
from pipeline.ingest import ingest
from pipeline.sample import write_sample
from pipeline.sample.judge_server import sample_judge
from pipeline.settings import Settings, builtin_definitions
from pipeline.store import Store
from pipeline.window import Window


def test_its_answers_follow_the_truth_labels(bench: Any, tmp_path: Any) -> None:
    end = bench.START + timedelta(days=2)
    truth = write_sample(tmp_path / "sample", end=end, conversations=150)
    with sample_judge(truth) as judge:
        settings = Settings(
            home=tmp_path / "home", definitions=builtin_definitions(), models=judge.models, landing=str(truth.landing)
        )
        store, catalog = Store(settings), load_catalog(settings)
        ingest(store, catalog, settings)
        judged = tuple(metric for metric in catalog.metrics if metric.definition.judged)
        assert judged
        for window in (Window.ending(end - timedelta(hours=24)), Window.ending(end)):
            extract(store, Catalog(judged), settings, window, now=end + timedelta(minutes=5))
    with store.write() as con:
        rows = con.execute(
            "SELECT metric_key, entity_id, coalesce(value_text, value_number::VARCHAR, value_boolean::VARCHAR), model, "
            "evidence->>'notice' FROM metric_values WHERE status = 'ok'"
        ).fetchall()
    assert len(rows) > 300
    assert all("simulated" in model and "simulated" in notice for *_, model, notice in rows)
    labels = {"call_topic": "topic", "caller_sentiment": "sentiment"}
    compared: list[bool] = [
        getattr(truth.conversations[entity], labels[key]) == value
        for key, entity, value, *_ in rows
        if key in labels and entity in truth.conversations
    ]
    assert len(compared) > 150
    assert 0.85 < sum(compared) / len(compared) < 1
