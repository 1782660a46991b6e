"""Real conversations through ingestion and extraction: the counts that were made independently of this project."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from pipeline.catalog import load_catalog
from pipeline.extract import extract
from pipeline.ingest import ingest
from pipeline.settings import Settings
from pipeline.store import Store
from pipeline.window import HOUR, Window, floor_hour


def _extracted(home: Path, source: str, data: Path, definitions: list[dict[str, Any]]) -> Store:
    settings = Settings(home=home, definitions=home / "none")
    store, catalog = Store(settings), load_catalog(settings, api_definitions=definitions)
    assert not catalog.errors
    ingest(store, catalog, settings, urls=[str(data)], source=source)
    keys = [one["key"] for one in definitions]
    with store.write() as con:
        first, last = con.execute("SELECT min(ended_at), max(ended_at) FROM conversations").fetchall()[0]
    soon = floor_hour(datetime.now(UTC)) + HOUR
    for window in (Window(floor_hour(first), floor_hour(last) + HOUR), Window.ending(soon, hours=3)):
        report = extract(store, catalog, settings, window, keys=keys, now=soon + timedelta(minutes=1))
        assert not report.failed
    return store


def test_tau2(bench: Any, shared_data: Path, tmp_path: Path) -> None:
    reward = bench.definition("reward", extract_path="$.reward", aggregation="avg")
    store = _extracted(tmp_path, "tau2", shared_data / "tau2" / "text", [reward])
    with store.write() as con:
        means = con.execute(
            "SELECT service_id, avg(value_number), count(*) FROM metric_values GROUP BY service_id ORDER BY service_id"
        ).fetchall()
    assert sum(number for *_, number in means) == 100
    assert {service.rsplit("/")[-1]: mean for service, mean, _ in means} == pytest.approx(
        {"airline": 0.5, "retail": 0.85, "telecom": 0.45}
    )
