"""Event-level metrics: no value rows; a run says which hours are to be aggregated and enters them in the ledger.

Those hours are the hours of the window that no earlier run of the version has covered or that events have arrived for
since; and earlier hours of events that arrived in the window. Events without an instant that arrived in the window are
counted, too, and belong to no hour.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from datetime import datetime

import duckdb

from pipeline.catalog.catalog import Metric
from pipeline.extract import ledger
from pipeline.extract.events import create_event_values
from pipeline.extract.isolation import isolate
from pipeline.extract.report import MetricOutcome
from pipeline.extract.run_context import RunContext
from pipeline.extract.values import SQL
from pipeline.store import load_sql, run_script


def extract_event_level(
    con: duckdb.DuckDBPyConnection, run: RunContext, metrics: Sequence[Metric], *, dry_run: bool
) -> list[MetricOutcome]:
    """Mark the hours of the metrics stale and enter in the ledger what their events are worth."""
    started = time.perf_counter()
    outcomes: dict[str, MetricOutcome] = {}

    def deal_with(some: Sequence[Metric]) -> None:
        _find_hours(con, run, some)
        states: dict[str, dict[str, int]] = {metric.key: {} for metric in some}
        workspace = {"workspace_id": run.store.workspace_id}
        undated = dict.fromkeys(states, 0)
        window = {"window_start": run.window.start, "window_end": run.window.end}
        for key, status, number, without in con.execute(
            load_sql(SQL, "event_counts"), {**workspace, **window}
        ).fetchall():
            states[key][status] = states[key].get(status, 0) + number
            undated[key] += without
        seconds = (time.perf_counter() - started) / len(metrics)
        for metric in some:
            found = states[metric.key]
            number = sum(found.values())
            outcomes[metric.key] = MetricOutcome(
                metric.key,
                metric.version,
                number,
                found,
                computed=number,
                without_instant=undated[metric.key],
                seconds=seconds,
            )
        if not dry_run:
            con.execute(load_sql(SQL, "event_stale"), workspace)
            ledger.record(con, run, [outcomes[m.key] for m in some], arrivals_until=_arrivals(con))

    failures = isolate(con, metrics, deal_with)
    for metric in metrics:
        if (failure := failures.get(metric.key)) is not None:
            outcomes[metric.key] = MetricOutcome(metric.key, metric.version, failure=failure)
    if not dry_run:
        ledger.record(con, run, [outcomes[key] for key in failures])
    return [outcomes[metric.key] for metric in metrics]


def _find_hours(con: duckdb.DuckDBPyConnection, run: RunContext, metrics: Sequence[Metric]) -> None:
    create_event_values(con, metrics)
    run_script(
        con,
        load_sql(SQL, "event_hours"),
        {
            "workspace_id": run.store.workspace_id,
            "window_start": run.window.start,
            "window_end": run.window.end,
        },
    )


def _arrivals(con: duckdb.DuckDBPyConnection) -> datetime | None:
    """Of every workspace, since DuckDB knows it without reading: what arrives from now on is later in any case."""
    until: datetime | None = con.execute("SELECT max(ingested_at) FROM events").fetchall()[0][0]
    return until
