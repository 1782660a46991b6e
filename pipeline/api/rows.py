"""Rows of the store as the value rows of the contract.

Settled where the contract is silent: an aggregated boolean and every count are numerical rows; an aggregated
categorical metric is its most frequent category, with the distribution beside it, unless it counts distinct ones.
"""

from __future__ import annotations

from typing import Any
from zoneinfo import ZoneInfo

from pipeline.aggregate.calendar import local_day_of
from pipeline.aggregate.queries import Row
from pipeline.reports.values import shown_entity, value_of
from pipeline.store import STATES

_COMMON = ("metric_key", "event_count", "service_id", "avg_confidence", "unit", "computed_at")
_PERIOD = (
    "period_start",
    "period_end",
    "granularity",
    "aggregation",
    "eligible_count",
    "coverage",
    "selection",
    "estimated",
    "interval_about",
    "bound_low",
    "bound_high",
    "uncovered_share",
    "revision",
    "revision_reason",
    "superseded_at",
    "definition_version",
    "complete",
    "delta",
    "delta_low",
    "delta_high",
    "p_value",
    "stands_out",
    "direction",
)


def period_value(row: Row) -> dict[str, Any]:
    """A period row as a contract row."""
    categorical = row["metric_type"] == "categorical" and row["aggregation"] != "count_distinct"
    answer: dict[str, Any] = {name: row.get(name) for name in (*_COMMON, *_PERIOD)}
    answer["source"] = row["traffic"]
    answer["interval"] = _interval(row)
    answer["states"] = {state: row[_count_of(state)] or 0 for state in STATES if row.get(_count_of(state)) is not None}
    if not answer["states"]:
        del answer["states"]
    if not categorical or row.get("category") is not None:
        return {**answer, "metric_type": "numerical", "value": row["value"]}
    shares = row.get("distribution")
    distribution = None if shares is None else [_share(share) for share in shares]
    return {**answer, "metric_type": "categorical", "value": row["value_text"], "distribution": distribution}


def conversation_value(row: Row, metric_type: str, unit: str | None, zone: ZoneInfo) -> dict[str, Any]:
    """A value of one conversation as a contract row; its period is the local day of its start."""
    start, end = local_day_of(row["observed_at"] or row["computed_at"], zone)
    value = value_of(row)
    if metric_type == "categorical" and isinstance(value, list):
        value = ", ".join(value)
    return {
        "metric_key": row["metric_key"],
        "metric_type": metric_type,
        "value": value,
        "period_start": start,
        "period_end": end,
        "event_count": int(row["status"] == "ok"),
        "source": row["traffic"],
        "entity_type": shown_entity(row["entity_type"]),
        "entity_id": row["entity_id"],
        "service_id": row["service_id"],
        "run_id": row["conversation_run_id"],
        "session_id": row["session_id"],
        "avg_confidence": row["confidence"],
        "unit": unit,
        "computed_at": row["computed_at"],
        "definition_version": row["definition_version"],
    }


def stored_entity(entity_type: str | None) -> str | None:
    """The store's word for the contract's."""
    return "conversation" if entity_type == "call" else entity_type


def _share(row: Row) -> dict[str, Any]:
    return {
        "category": row["category"],
        "count": row["value"] if row["value"] is not None else row["event_count"],
        "share": row["share"],
        "interval": _interval(row),
    }


def _interval(row: Row) -> dict[str, Any] | None:
    if row.get("interval_low") is None:
        return None
    return {"low": row["interval_low"], "high": row["interval_high"], "method": row["interval_method"]}


def _count_of(state: str) -> str:
    return "event_count" if state == "ok" else f"{state}_count"
