"""A late event: what it changes, and what it leaves alone."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import orjson

from pipeline.aggregate import aggregate
from pipeline.bench.data import FIRST, SQL
from pipeline.bench.history import Deployment, copy_of, make_day, make_history
from pipeline.bench.stage import Answer, Bar, Competitor, Place, Results, Run, Stage, measured
from pipeline.extract import extract
from pipeline.ingest import ingest
from pipeline.store import load_sql
from pipeline.window import HOUR, Window

_DAYS = 30
_AGO = 20
_HOUR = FIRST - timedelta(days=_AGO)


def prepare(at: Place) -> None:
    """A month, and a turn of a conversation of twenty days before its end that comes only now."""
    day = make_day(at, at.folder / "template", definitions=100, conversations=at.scaled(274, least=2), length=40)
    make_history(at, at.folder / "month", day, _DAYS)
    late = {
        "event_id": "late",
        "conversation_id": f"day-0-{_AGO}",
        "event_type": "user.turn",
        "occurred_at": (_HOUR + timedelta(minutes=1)).isoformat(),
        "traffic": "production",
        "data": {"text": "thank you for calling about the invoice", "duration_ms": 1200, "engine_ms": 700},
    }
    (at.folder / "month" / "landing" / "late.ndjson").write_bytes(orjson.dumps(late) + b"\n")


def restated(mark_stale: Callable[[Deployment], None] | None = None) -> Callable[[Run], Answer]:
    """Ingest it, extract what has arrived, aggregate what is stale."""

    def work(run: Run) -> Answer:
        on = copy_of(run.folder / "month", run, run.scratch)
        started = datetime.now(UTC)
        with run.clock("ingest"):
            ingest(on.store, on.catalog, on.settings)
        with run.clock("extract"):
            extract(on.store, on.catalog, on.settings, Window.ending(started + HOUR))
        if mark_stale is not None:
            mark_stale(on)
        with run.clock("aggregate"):
            aggregate(on.store, on.catalog, on.settings)
        with on.store.write() as con:
            parameters = {"since": started, "day": _HOUR}
            rows = con.execute(load_sql(SQL, "restated"), parameters).fetchall()
        ((run.measures["revised"], run.measures["elsewhere"], total),) = rows
        return {"hour": total}

    return work


def _everything(on: Deployment) -> None:
    with on.store.transaction() as con:
        con.execute(
            "INSERT INTO stale_periods BY NAME SELECT DISTINCT workspace_id, metric_key, definition_version,"
            " date_trunc('hour', observed_at) AS hour FROM metric_values WHERE observed_at IS NOT NULL"
        )


def _seconds(results: Results) -> float:
    return results["the next run"].median


STAGE = Stage(
    name="restate",
    work="one late event for an hour 20 days back, 100 definitions",
    cost="3 minutes, 2 GB",
    prepare=prepare,
    competitors=(
        Competitor("the next run", restated()),
        Competitor("naive: recompute all", restated(_everything), floor="the next run", warm_up=False),
    ),
    bars=(
        measured("the next run", "elsewhere", "period rows touched elsewhere: 0", 0),
        measured("the next run", "revised", "its own are revised", 1, at_least=True),
        Bar("the next run", "≤ 1 s", _seconds, 1, " s"),
    ),
)
