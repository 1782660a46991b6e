"""tau2-bench, end to end: 100 graded simulations and the mean reward of each domain."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from pipeline.catalog import load_catalog
from pipeline.hourly import run_hour
from pipeline.ingest import ingest
from pipeline.settings import Settings
from pipeline.store import Store
from pipeline.window import HOUR, Window, floor_hour

DEFINITIONS = Path(__file__).parent / "definitions" / "tau2.yaml"


@pytest.mark.both_stores
def test_the_rewards_of_the_readme_come_out_of_the_period_rows(shared_data: Path, tmp_path: Path) -> None:
    custom = tmp_path / "definitions" / "metrics" / "custom"
    custom.mkdir(parents=True)
    (custom / "tau2.yaml").write_text(DEFINITIONS.read_text())
    settings = Settings(home=tmp_path, definitions=tmp_path / "definitions")
    store, catalog = Store(settings), load_catalog(settings)

    ingest(store, catalog, settings, urls=[str(shared_data / "tau2" / "text")])
    window = Window.ending(floor_hour(datetime.now(UTC)) + HOUR)
    run_hour(store, catalog, settings, window, keys=["tau2_conversation_count", "tau2_reward"], ingest_first=False)

    with store.read() as con:
        rewards = dict(
            con.execute(
                "SELECT service_id, sum(value_sum) / sum(event_count) FROM metric_periods "
                "WHERE metric_key = 'tau2_reward' AND granularity = 'day' AND service_id IS NOT NULL "
                "AND superseded_at IS NULL GROUP BY service_id"
            ).fetchall()
        )
        count, traffic = con.execute(
            "SELECT sum(value), any_value(traffic) FROM metric_periods WHERE metric_key = 'tau2_conversation_count' "
            "AND granularity = 'hour' AND service_id IS NULL AND superseded_at IS NULL"
        ).fetchall()[0]
    assert rewards == pytest.approx({"airline": 0.50, "retail": 0.85, "telecom": 0.45})
    assert (count, traffic) == (100, "simulation")
