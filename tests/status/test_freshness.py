"""Freshness: one computation, and what alarms and `status` make of it; no data is neither fresh nor stale."""

from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path

import pytest
from api_server import NOW, OURS, start

from pipeline.settings import Settings
from pipeline.status import read_status
from pipeline.status.freshness import freshness, hour_freshness
from pipeline.store import Store
from pipeline.store.snapshot import snapshot_reader
from pipeline.window import HOUR
from pipeline.workspace.alarms import watch
from pipeline.workspace.catalogs import current_catalog
from pipeline.workspace.webhooks import create_webhook

KEY = "voice_quality_score"  # its freshness is an hour; its last hour that is done ends at NOW
MINUTE = timedelta(minutes=1)


@pytest.fixture
def deployment(tmp_path: Path) -> tuple[Settings, Store]:
    settings, store, _ = start(tmp_path)
    return settings, store


def enter(store: Store, end: datetime, started: datetime, eligible: int = 10, failure: str | None = None) -> None:
    """Another row of the ledger."""
    with store.transaction() as con:
        con.execute(
            "INSERT INTO extraction_runs SELECT * REPLACE ($1::TIMESTAMPTZ AS window_end,"
            " $2::TIMESTAMPTZ AS started_at, $3 AS eligible_count, $4 AS failure, 'another' AS run_id)"
            " FROM extraction_runs"
            " WHERE run_id = 'run-1' AND workspace_id = $5",
            [end, started, eligible, failure, OURS],
        )
    store.publish()


def raised(settings: Settings, store: Store, now: datetime) -> list[tuple[str, bool]]:
    control, data = snapshot_reader(settings, "control", {}), snapshot_reader(settings, "data", {})
    with control.cursor() as (con, _), data.cursor() as (snapshot, _):
        watch(store, current_catalog(settings), snapshot, con, OURS, now)
    control.close()
    data.close()
    with store.write() as con:
        return con.execute("SELECT alarm, raised FROM alarm_states ORDER BY changed_at").fetchall()


@pytest.mark.both_stores
def test_alarms_and_status_say_the_same(deployment: tuple[Settings, Store]) -> None:
    settings, store = deployment
    create_webhook(settings, store, OURS, "https://1.1.1.1/hook", ["freshness.missed"], actor="cli", now=NOW)
    catalog = current_catalog(settings)
    metric = catalog.get(KEY)
    due = NOW + HOUR + metric.definition.freshness_sla_minutes * MINUTE
    for now, state in ((due, "fresh"), (due + MINUTE, "stale")):
        with store.read() as con:
            found = freshness(con, OURS, catalog.active, now)
        assert (found[KEY].state, found[KEY].done_until, found[KEY].due_at) == (state, NOW, due)
        assert {each.state for key, each in found.items() if key != KEY} == {"never_run"}
        shown = {
            each.key: each.freshness for each in read_status(store, catalog, settings, NOW - HOUR, NOW, now).metrics
        }
        assert shown == found
        assert raised(settings, store, now) == ([] if state == "fresh" else [(f"freshness:{KEY}", True)])
    # A run that found nothing ends no alarm; one that found something does.
    enter(store, NOW + HOUR, NOW + HOUR, eligible=0)
    with store.read() as con:
        assert freshness(con, OURS, [metric], due)[KEY].state == "no_data"
    assert raised(settings, store, due + 2 * MINUTE) == [(f"freshness:{KEY}", True)]
    enter(store, NOW + HOUR, NOW + HOUR + MINUTE)
    assert raised(settings, store, due + 3 * MINUTE)[-1] == (f"freshness:{KEY}", False)


def test_each_hour_is_judged_by_when_it_was_first_done(deployment: tuple[Settings, Store]) -> None:
    settings, store = deployment
    metric = current_catalog(settings).get(KEY)
    sla = metric.definition.freshness_sla_minutes * MINUTE
    enter(store, NOW + 1 * HOUR, NOW + 1 * HOUR + 5 * MINUTE)
    enter(store, NOW + 1 * HOUR, NOW + 1 * HOUR + 99 * HOUR)  # a backfill spoils nothing
    enter(store, NOW + 2 * HOUR, NOW + 2 * HOUR + sla)  # ended 1.5 s late
    enter(store, NOW + 3 * HOUR, NOW + 3 * HOUR, eligible=0)
    enter(store, NOW + 4 * HOUR, NOW + 4 * HOUR, failure="it broke")
    enter(store, NOW - 90 * 24 * HOUR, NOW)  # before the metric was defined
    ends = [NOW + n * HOUR for n in (1, 2, 3, 4)] + [NOW - 90 * 24 * HOUR]
    with store.read() as con:
        before = hour_freshness(con, OURS, [metric], ends, NOW + 4 * HOUR + sla)
        after = hour_freshness(con, OURS, [metric], ends, NOW + 4 * HOUR + sla + MINUTE)
    assert [before[KEY, end].state for end in ends] == ["fresh", "stale", "no_data", "fresh", "fresh"]
    assert [after[KEY, end].state for end in ends] == ["fresh", "stale", "no_data", "stale", "fresh"]
