"""Cells of a notebook: each sees what was published last, and the page on notebooks runs as it is written."""

from __future__ import annotations

import re
from datetime import timedelta
from pathlib import Path

import duckdb
import pytest
from api_server import TODAY, Server, insert, period

from pipeline.client import open_store
from pipeline.errors import StoreUnavailableError
from pipeline.settings import Settings
from pipeline.store import Store

PAGE = Path(__file__).parents[2] / "definitions" / "notebooks.md"


def publish(store: Store, days: int) -> None:
    """One metric with a period for each of so many days."""
    rows = [period("escalation_rate", "v", TODAY - timedelta(days=n), 0.1) for n in range(days)]
    with store.transaction() as con:
        con.execute("DELETE FROM metric_periods")
        insert(con, "metric_periods", rows)
    store.publish()


@pytest.mark.both_stores
def test_a_cell_that_is_run_again_sees_the_newest_publication(settings: Settings, stored_in: str) -> None:
    store = Store(settings)
    with pytest.raises(StoreUnavailableError, match="metric-store run"):
        open_store(settings.home)
    publish(store, 1)
    first = open_store(settings.home)
    publish(store, 2)
    count = "SELECT count(*) FROM metric_periods"
    assert open_store(settings.home).execute(count).fetchall() == [(2,)]
    assert first.execute(count).fetchall() == [(1,)], "a connection keeps what it was opened on"
    with pytest.raises(duckdb.Error):
        first.execute("DELETE FROM metric_periods")
    first.close()


def test_the_page_runs_as_it_is_written(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("METRIC_STORE_HOME", str(server.settings.home))
    polars, ibis, marimo = re.findall(r"```python\n(.*?)```", PAGE.read_text(), re.DOTALL)
    *lines, last = polars.replace("escalation_rate", "voice_quality_score").splitlines()
    cell: dict[str, object] = {}
    exec("\n".join(lines), cell)
    frame = eval(last, cell)
    assert frame.height > 0
    assert frame.columns == ["period_start", "value", "event_count"]
    assert "open_store()" in ibis
    assert "open_store()" in marimo
