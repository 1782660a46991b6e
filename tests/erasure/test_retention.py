"""Facts expire by kind; the numbers that rested on them stay, and say so."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from calls import PERIODS, Deployment, call

from pipeline.aggregate import aggregate
from pipeline.erasure import forget
from pipeline.erasure.retention import maintain
from pipeline.ingest import ingest
from pipeline.settings_models import Retention

NOW = datetime(2026, 3, 20, tzinfo=UTC)


def _kept(deployment: Deployment, now: datetime = NOW, **days: int) -> None:
    settings = deployment.settings.model_copy(update={"retention": Retention(**days)})
    maintain(deployment.store, settings, now)


def _filled(tmp_path: Path) -> tuple[Deployment, list[tuple[Any, ...]]]:
    deployment = Deployment(tmp_path)
    deployment.land("a.ndjson", [1, 2, 3], '{"event_id": "x", "event_type": 5, "data": {"text": "other words"}')
    deployment.run()
    return deployment, deployment.rows(PERIODS)


def test_words_go_and_numbers_stay(tmp_path: Path) -> None:
    """From every table and from the files, with what was measured of them still there."""
    deployment, periods = _filled(tmp_path)
    _kept(deployment, text_days=30)
    assert deployment.rows("SELECT count(*) FROM conversations WHERE expired_at IS NOT NULL") == [(0,)]
    _kept(deployment, text_days=10)
    files = [path for path in deployment.settings.home.rglob("*.duckdb*") if path.is_file()]
    assert [path.name for path in files if b"secret words" in path.read_bytes()] == []
    assert deployment.rows("SELECT turns[1].text, turns[1].data ->> '$.duration_ms' FROM conversations LIMIT 1") == [
        (None, "1000")
    ]
    deployment.run()
    assert deployment.rows(PERIODS) == periods


@pytest.mark.parametrize(
    ("days", "gone"), [({"events_days": 10}, ["events"]), ({"values_days": 10}, ["metric_values"])]
)
def test_what_has_expired_restates_nothing(tmp_path: Path, days: dict[str, int], gone: list[str]) -> None:
    """Neither a run again, nor what arrives late, nor an erasure changes numbers that cannot be computed again."""
    deployment, periods = _filled(tmp_path)
    _kept(deployment, **days)
    assert [deployment.rows(f"SELECT count(*) FROM {table}") for table in gone] == [[(0,)]] * len(gone)
    late = {**call(1)[3], "event_id": "late", "occurred_at": "2026-03-02T09:30:00Z"}
    (deployment.landing / "late.ndjson").write_text(json.dumps(late) + "\n")
    report = ingest(deployment.store, deployment.catalog, deployment.settings)
    assert report.rejected_count == 1
    forget(deployment.store, deployment.settings, ids=["conv-00003-x"], actor="test")
    deployment.run()
    aggregate(deployment.store, deployment.catalog, deployment.settings)
    assert deployment.rows(PERIODS) == periods
    assert len(deployment.rows("FROM periods_on_expired_facts")) == len(deployment.rows("FROM current_periods"))


def test_what_is_young_is_kept(tmp_path: Path) -> None:
    """To the start of its day."""
    deployment, _ = _filled(tmp_path)
    _kept(deployment, datetime(2026, 3, 12, 23, tzinfo=UTC), events_days=10, text_days=10, values_days=10)
    assert deployment.rows("SELECT count(*) FROM events") == [(18,)]
    _kept(deployment, datetime(2026, 3, 13, 0, tzinfo=UTC) + timedelta(hours=1), events_days=10)
    assert deployment.rows("SELECT count(*) FROM events") == [(0,)]
