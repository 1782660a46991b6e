"""How fresh each metric is: the one computation behind alarms, `status` and the asset checks.

An hour is due when it has closed; it is late when it is not done `freshness_sla_minutes` after that. An hour that is
done and in whose window there was nothing to look at is `no_data`: the store cannot know a quiet day from a source that
has stopped, so it is neither fresh nor stale.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

import duckdb

from pipeline.catalog.catalog import Metric
from pipeline.store import load_sql
from pipeline.window import HOUR, floor_hour

SQL = "pipeline.status.sql"

State = Literal["fresh", "stale", "no_data", "never_run"]


@dataclass(frozen=True)
class Freshness:
    """How fresh one metric is, or was for one hour.

    Attributes:
        done_until: end of the last hour that is done; of one hour: its end.
        done_at: when that hour was first done; None when it is not, or when it is of no interest.
        due_at: when the hour after it, or this hour, becomes late.
        eligible: what the last run of the hour had to look at.
    """

    state: State
    done_until: datetime | None = None
    done_at: datetime | None = None
    due_at: datetime | None = None
    eligible: int | None = None


def freshness(
    con: duckdb.DuckDBPyConnection, workspace_id: str, metrics: Iterable[Metric], now: datetime
) -> dict[str, Freshness]:
    """How fresh each metric's definition in force is, by key.

    Args:
        con: a connection to read from.
        workspace_id: whose ledger.
        metrics: definitions in force.
        now: the instant of the judgement.
    """
    parameters = {"workspace_id": workspace_id, "last_end": floor_hour(now) + HOUR}
    rows = con.execute(load_sql(SQL, "freshness"), parameters).fetchall()
    done = {(key, version): (until, eligible) for key, version, until, eligible in rows}
    found = {}
    for metric in metrics:
        until, eligible = done.get((metric.key, metric.version), (None, None))
        if until is None:
            found[metric.key] = Freshness("never_run")
            continue
        due_at = until + HOUR + _sla(metric)  # the first hour that is not done closes an hour after the last that is
        state: State = "stale" if now > due_at else "no_data" if eligible == 0 else "fresh"
        found[metric.key] = Freshness(state, until, None, due_at, eligible)
    return found


def hour_freshness(
    con: duckdb.DuckDBPyConnection,
    workspace_id: str,
    metrics: Iterable[Metric],
    ends: Iterable[datetime],
    now: datetime,
) -> Mapping[tuple[str, datetime], Freshness]:
    """Whether each hour was done in time for each metric, by key and end of the hour.

    What counts is when it was done first, under any version: a later backfill neither mends nor spoils it. An hour that
    had closed before the metric was defined could not be done in time, and is not held against it.

    Args:
        con: a connection to read from.
        workspace_id: whose ledger.
        metrics: definitions in force.
        ends: of the hours.
        now: the instant of the judgement.
    """
    hours = sorted(ends)
    parameters = {"workspace_id": workspace_id, "first": hours[0], "last": hours[-1]}
    rows = con.execute(load_sql(SQL, "hour_freshness"), parameters).fetchall()
    ledger = {(key, end): rest for key, end, *rest in rows}
    found: dict[tuple[str, datetime], Freshness] = {}
    for metric in metrics:
        for end in hours:
            done_at, eligible, defined_at = ledger.get((metric.key, end), (None, None, None))
            due_at = end + _sla(metric)
            late = (done_at or now) > due_at and not (done_at and defined_at and end <= defined_at)
            state: State = "stale" if late else "no_data" if done_at and eligible == 0 else "fresh"
            found[metric.key, end] = Freshness(state, end, done_at, due_at, eligible)
    return found


def _sla(metric: Metric) -> timedelta:
    return timedelta(minutes=metric.definition.freshness_sla_minutes)
