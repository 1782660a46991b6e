"""A period against the one before it: how much it differs, how sure that is, and what stands out among many."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import duckdb
import pyarrow as pa

from pipeline.aggregate.queries import Row, fetch_rows
from pipeline.catalog.aggregations import AGGREGATIONS
from pipeline.store import load_sql

_GOAL = {"higher": 1, "lower": -1, "neutral": 0}
_COLUMNS = ("value", "interval_low", "interval_high")


def add_changes(
    pairs: Sequence[tuple[Row, Mapping[str, Any] | None]], goals: Mapping[str, str], now: datetime | None = None
) -> None:
    """Give rows what they say against the rows before them.

    Args:
        pairs: each row with the row of the period before it, or None. All rows that are shown together belong into one
            call, since the more are looked at, the more differ by chance.
        goals: by metric key, whether `higher` or `lower` is better; `neutral` where it is not given.
        now: the instant that says which periods are over.

    The rows get `complete` (whether the period is over), `delta`, `delta_low` and `delta_high` (its 95 % interval),
    `p_value` (of no difference), `stands_out` (after Benjamini and Hochberg over all rows: of those that stand out, at
    most one in ten is chance, on average over many lists) and `direction`: `good` or `bad` where it stands out and the
    metric has a goal, else `neutral`; None where nothing can be said. A total has no delta while one of the two periods
    is not over, and never stands out: its interval says how much was left out of them, not how much periods vary.
    """
    import numpy as np  # reading rows without a comparison does not need it

    from pipeline.aggregate.statistics.differences import benjamini_hochberg, difference

    instant = now or datetime.now(UTC)
    sides = []
    for at in (0, 1):
        rows = [pair[at] or {} for pair in pairs]
        sides += [np.array([row.get(name) for row in rows], dtype=float) for name in _COLUMNS]
        sides.append(np.array([_degrees(row) for row in rows], dtype=float))
    comparable = np.array([_comparable(row, before, instant) for row, before in pairs], dtype=bool)
    total = np.array([AGGREGATIONS[row["aggregation"]].total for row, _ in pairs], dtype=bool)
    delta, low, high, p_value = difference(*sides)
    p_value = np.where(comparable & ~total, p_value, np.nan)
    stands_out, _ = benjamini_hochberg(p_value)
    for at, (row, _) in enumerate(pairs):
        known = bool(comparable[at] and np.isfinite(delta[at]))
        bounded = known and bool(np.isfinite(low[at]) and np.isfinite(high[at]))
        sure = known and bool(np.isfinite(p_value[at]))
        row["complete"] = row["period_end"] <= instant
        row["delta"] = float(delta[at]) if known else None
        row["delta_low"], row["delta_high"] = (float(low[at]), float(high[at])) if bounded else (None, None)
        row["p_value"] = float(p_value[at]) if sure else None
        row["stands_out"] = bool(stands_out[at]) if sure else None
        better = np.sign(delta[at]) * _GOAL[goals.get(row["metric_key"], "neutral")] if sure else 0
        row["direction"] = (
            ("neutral" if not stands_out[at] or not better else "good" if better > 0 else "bad") if sure else None
        )


def rows_before(con: duckdb.DuckDBPyConnection, workspace_id: str, rows: Sequence[Row]) -> list[Row | None]:
    """The stored row of the period right before each stored row, in force now; None where there is none."""
    columns = ("metric_key", "definition_version", "traffic", "service_id", "granularity", "period_start")
    con.register("wanted", pa.Table.from_pylist([{name: row[name] for name in columns} for row in rows], _WANTED))
    found = fetch_rows(con, load_sql("pipeline.reports.sql", "before"), {"workspace_id": workspace_id})
    con.unregister("wanted")
    places = {
        tuple(row[f"wanted_{name}" if name == "period_start" else name] for name in columns): row for row in found
    }
    return [places.get(tuple(row[name] for name in columns)) for row in rows]


_WANTED = pa.schema(
    [
        *((name, pa.string()) for name in ("metric_key", "definition_version", "traffic", "service_id", "granularity")),
        ("period_start", pa.timestamp("us", tz="UTC")),
    ]
)


def _degrees(row: Mapping[str, Any]) -> float:
    """Of freedom: what a share's interval rests on needs none, since it has no variance of its own to estimate."""
    if row.get("interval_method") == "clopper_pearson":
        return float("inf")
    return float((row.get("unit_count") or 2) - 1)


def _comparable(row: Mapping[str, Any], before: Mapping[str, Any] | None, now: datetime) -> bool:
    if before is None:
        return False
    both_over = row["period_end"] <= now and before["period_end"] <= now
    return both_over or not AGGREGATIONS[row["aggregation"]].total
