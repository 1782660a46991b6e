"""Alarms on period rows and on freshness: what is checked after a run, and told once when it changes."""

from __future__ import annotations

import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

import duckdb
import pyarrow as pa

from pipeline.aggregate.queries import Row, fetch_rows
from pipeline.catalog.catalog import Catalog
from pipeline.catalog.checks import COMPARE
from pipeline.catalog.models import Operator
from pipeline.status.freshness import freshness
from pipeline.store import Store, load_sql
from pipeline.store.control import control_transaction
from pipeline.workspace import audit
from pipeline.workspace.webhooks import Event, announce

SQL = "pipeline.workspace.sql"

State = Literal["ok", "raised", "no_data"]


@dataclass(frozen=True)
class Alarm:
    """Raised when a metric's newest complete period compares with a number."""

    metric_key: str
    operator: Operator
    value: float
    granularity: Literal["hour", "day"] = "day"
    service_id: str | None = None
    alarm_id: str = ""


@dataclass(frozen=True)
class CheckedAlarm:
    """An alarm and what the snapshot says about it.

    Attributes:
        state: `no_data` when no period is complete or the newest has no value; that is never `ok`.
        row: the period row that was compared.
    """

    alarm: Alarm
    state: State
    row: Row | None


def replace_alarms(store: Store, workspace_id: str, alarms: Sequence[Alarm], *, actor: str, now: datetime) -> None:
    """Put these in the place of all alarms of a workspace."""
    with control_transaction(store) as con:
        con.execute("DELETE FROM alarms WHERE workspace_id = ?", [workspace_id])
        for each in alarms:
            con.execute(
                "INSERT INTO alarms VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
                [
                    workspace_id,
                    each.alarm_id or secrets.token_hex(6),
                    each.metric_key,
                    each.operator,
                    each.value,
                    each.granularity,
                    each.service_id,
                    now,
                    actor,
                ],
            )
        audit.record(con, workspace_id, actor, "alarms.replace", None, now, {"count": len(alarms)})


def read_alarms(con: duckdb.DuckDBPyConnection, workspace_id: str) -> list[Alarm]:
    """All alarms of a workspace, by metric."""
    rows = con.execute(
        "SELECT metric_key, operator, value, granularity, service_id, alarm_id FROM alarms "
        "WHERE workspace_id = ? ORDER BY metric_key, alarm_id",
        [workspace_id],
    ).fetchall()
    return [Alarm(*row) for row in rows]


def check_alarms(
    con: duckdb.DuckDBPyConnection, workspace_id: str, alarms: Sequence[Alarm], now: datetime
) -> list[CheckedAlarm]:
    """Compare each with the newest complete production period of its metric.

    Args:
        con: a connection to the snapshot.
        workspace_id: whose rows.
        alarms: what to compare.
        now: periods that end later are not complete.
    """
    if not alarms:
        return []
    names = ("alarm_id", "metric_key", "granularity", "service_id")
    schema = pa.schema([(name, pa.string()) for name in names])
    rows = [{name: getattr(each, name) for name in names} for each in alarms]
    con.register("alarms_asked", pa.Table.from_pylist(rows, schema=schema))
    found = fetch_rows(con, load_sql(SQL, "newest_periods"), {"workspace_id": workspace_id, "now": now})
    con.unregister("alarms_asked")
    by_id = {row["alarm_id"]: row for row in found}
    return [_checked(each, by_id.get(each.alarm_id)) for each in alarms]


def watch(
    store: Store,
    catalog: Catalog,
    data: duckdb.DuckDBPyConnection,
    control: duckdb.DuckDBPyConnection,
    workspace_id: str,
    now: datetime,
) -> int:
    """Check every alarm and put a message into the outbox for each that changed.

    Args:
        store: where changes are written.
        catalog: definitions in force.
        data: a connection to the snapshot.
        control: a connection to the published control tables.
        workspace_id: whose alarms.
        now: the instant of the check.

    Returns:
        How many alarms changed.
    """
    news = _of_alarms(data, control, workspace_id, now) | _of_freshness(data, catalog, workspace_id, now)
    known = _raised(control, workspace_id)
    changed = {name: found for name, found in news.items() if found[0] != known.get(name, False)}
    if not changed:
        return 0
    with control_transaction(store) as con:
        known = _raised(con, workspace_id)
        for name, (raised, event, detail) in changed.items():
            if raised != known.get(name, False):  # else another process was quicker
                con.execute("INSERT INTO alarm_states VALUES (?, ?, ?, ?)", [workspace_id, name, raised, now])
                announce(con, workspace_id, event, detail, now)
    return len(changed)


def announce_run(store: Store, data: duckdb.DuckDBPyConnection, workspace_id: str, run_id: str, now: datetime) -> int:
    """Put `run.finished` into the outbox, with what the ledger says about the run.

    Args:
        store: where the message is written.
        data: a connection to the snapshot in which the run is.
        workspace_id: whose run.
        run_id: as in `extraction_runs`.
        now: the instant of the message.

    Returns:
        How many receivers will get it.
    """
    found = fetch_rows(data, load_sql(SQL, "finished_run"), {"workspace_id": workspace_id, "run_id": run_id})
    with control_transaction(store) as con:
        return announce(con, workspace_id, "run.finished", {"run_id": run_id, **_plain(found[0])}, now)


_News = tuple[bool, Event, dict[str, object]]


def _of_alarms(
    data: duckdb.DuckDBPyConnection, control: duckdb.DuckDBPyConnection, workspace_id: str, now: datetime
) -> dict[str, _News]:
    news: dict[str, _News] = {}
    for checked in check_alarms(data, workspace_id, read_alarms(control, workspace_id), now):
        each, row = checked.alarm, checked.row
        if row is None or checked.state == "no_data":
            continue  # says nothing, so it neither raises an alarm nor ends one
        shown = ("metric_key", "value", "period_start", "period_end", "event_count", "eligible_count", "service_id")
        detail = {name: row[name] for name in shown}
        detail |= {"alarm_id": each.alarm_id, "operator": each.operator, "limit": each.value}
        event: Event = "alarm.raised" if checked.state == "raised" else "alarm.recovered"
        news[f"alarm:{each.alarm_id}"] = (checked.state == "raised", event, _plain(detail))
    return news


def _of_freshness(
    data: duckdb.DuckDBPyConnection, catalog: Catalog, workspace_id: str, now: datetime
) -> dict[str, _News]:
    news: dict[str, _News] = {}
    for key, found in freshness(data, workspace_id, catalog.active, now).items():
        if found.state in ("never_run", "no_data") or found.done_until is None:
            continue  # says nothing, so it neither raises an alarm nor ends one; coverage says what never ran
        detail: dict[str, object] = {
            "metric_key": key,
            "done_until": found.done_until.isoformat(),
            "freshness_sla_minutes": catalog.by_key[key].definition.freshness_sla_minutes,
        }
        event: Event = "freshness.missed" if found.state == "stale" else "freshness.recovered"
        news[f"freshness:{key}"] = (found.state == "stale", event, detail)
    return news


def _checked(alarm: Alarm, row: Row | None) -> CheckedAlarm:
    if row is None or row["value"] is None:
        return CheckedAlarm(alarm, "no_data", row)
    raised = COMPARE[alarm.operator](row["value"], alarm.value)
    return CheckedAlarm(alarm, "raised" if raised else "ok", row)


def _raised(con: duckdb.DuckDBPyConnection, workspace_id: str) -> dict[str, bool]:
    rows = con.execute(
        "SELECT alarm, arg_max(raised, changed_at) FROM alarm_states WHERE workspace_id = ? GROUP BY alarm",
        [workspace_id],
    ).fetchall()
    return dict(rows)


def _plain(row: Mapping[str, Any]) -> dict[str, object]:
    return {name: value.isoformat() if isinstance(value, datetime) else value for name, value in row.items()}
