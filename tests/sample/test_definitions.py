"""Every shipped metric says something about the sample, so that a newcomer sees no empty row."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from pipeline.aggregate import aggregate
from pipeline.catalog import load_catalog
from pipeline.extract import extract
from pipeline.ingest import ingest
from pipeline.sample import write_sample
from pipeline.settings import Settings, builtin_definitions
from pipeline.store import Store
from pipeline.window import Window

END = datetime(2026, 3, 12, 15, tzinfo=UTC)


@pytest.fixture(scope="module")
def answers(tmp_path_factory: pytest.TempPathFactory) -> dict[str, tuple[int, int]]:
    """For each shipped metric that asks no model: values that entered and numbers that came of them, over all days."""
    home = tmp_path_factory.mktemp("home")
    settings = Settings(home=home, definitions=builtin_definitions())
    store, catalog = Store(settings), load_catalog(settings)
    write_sample(home, end=END)
    ingest(store, catalog, settings)
    for end in (END - timedelta(hours=24), END):
        report = extract(store, catalog, settings, Window.ending(end))
        assert not [outcome for outcome in report.outcomes if outcome.failure]
    aggregate(store, catalog, settings)
    with store.write() as con:
        rows = con.execute(
            "SELECT metric_key, sum(event_count), count(value) FROM metric_periods "
            "WHERE granularity = 'day' AND service_id IS NULL AND category IS NULL GROUP BY ALL"
        ).fetchall()
    found = {key: (entered, numbers) for key, entered, numbers in rows}
    return {metric.key: found.get(metric.key, (0, 0)) for metric in catalog.active if not metric.definition.judged}


def test_no_shipped_metric_is_empty(answers: dict[str, tuple[int, int]]) -> None:
    assert len(answers) > 41
    assert [key for key, (entered, numbers) in answers.items() if not entered or not numbers] == []
