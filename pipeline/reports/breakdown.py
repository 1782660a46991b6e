"""A metric by service, channel, tag and whatever else conversations say of themselves, over one span."""

from __future__ import annotations

from typing import Literal

import duckdb

from pipeline.aggregate.calendar import Span
from pipeline.aggregate.measure import REST, measure
from pipeline.aggregate.queries import Row, Traffic

Order = Literal["size", "low"]
QUANTILES = ("p50", "p90", "p95", "p99")


def breakdown(
    con: duckdb.DuckDBPyConnection,
    workspace_id: str,
    key: str,
    span: Span,
    *,
    by: str = "none",
    traffic: Traffic = "production",
    service_id: str | None = None,
    most_groups: int = 50,
    order: Order = "size",
) -> list[Row]:
    """A row for each group of a span, those with most conversations first.

    The counts of all groups add up to the whole, but by `tag` and by the categories of a metric with several labels,
    where a conversation is in each of its groups.

    Args:
        con: a connection to read from.
        workspace_id: whose values.
        key: the metric, in its version in force.
        span: half-open.
        by: a dimension of `measure`, or `category`.
        traffic: `all` gives rows for each class.
        service_id: one service.
        most_groups: what is beyond them is one row, the rest; of categories, the most frequent.
        order: `size`, those with most conversations first; `low`, those first whose value is highest for certain: by
            the lower end of the interval, else of the bounds, so that a group of three does not lead by luck.

    Returns:
        The columns of `metric_periods`, `group_key` (None: conversations that say nothing), `rest` (whether the row is
        all beyond the groups that are shown), `mean`, and of numbers `quantiles` (50, 90, 95 and 99 %).

    Raises:
        UserError: nothing can be grouped by `by`.
    """
    rows = measure(
        con,
        workspace_id,
        key,
        [span],
        by="none" if by == "category" else by,
        traffic=traffic,
        service_id=service_id,
        most_groups=most_groups,
        also=("avg", *QUANTILES),
    )
    found: dict[tuple[str, str | None], dict[str, Row]] = {}
    for row in rows:
        if row["category"] is None:
            found.setdefault((row["traffic"], row["group_key"]), {})[row["aggregation"]] = row
    if by == "category":
        groups = _by_category([row for row in rows if row["category"] is not None], most_groups)
    else:
        groups = [next(iter(each.values())) for each in found.values()]
    if order == "low":
        groups.sort(key=lambda row: _least(row), reverse=True)
    return [_described(row, {} if by == "category" else found) for row in groups]


def _least(row: Row) -> tuple[bool, float]:
    known = next((row[name] for name in ("interval_low", "bound_low") if row[name] is not None), None)
    return (row["group_key"] != REST and known is not None, known or 0.0)


def _by_category(rows: list[Row], most_groups: int) -> list[Row]:
    """The most frequent categories of each traffic class, and one row for all others."""
    groups = []
    for traffic in sorted({row["traffic"] for row in rows}):
        ranked = sorted(
            (row for row in rows if row["traffic"] == traffic), key=lambda row: (-(row["value"] or 0), row["category"])
        )
        groups += [row | {"group_key": row["category"]} for row in ranked[:most_groups]]
        if others := ranked[most_groups:]:
            added = {name: sum(row[name] or 0 for row in others) for name in ("value", "share", "true_count")}
            unknown = dict.fromkeys(
                ("interval_low", "interval_high", "interval_about", "bound_low", "bound_high", "avg_confidence")
            )
            groups.append(others[0] | added | unknown | {"group_key": REST, "interval_method": "none"})
    return groups


def _described(row: Row, found: dict[tuple[str, str | None], dict[str, Row]]) -> Row:
    own = found.get((row["traffic"], row["group_key"]), {})
    rest = row["group_key"] == REST
    return {
        **row,
        "group_key": None if rest else row["group_key"],
        "rest": rest,
        "mean": own["avg"]["value"] if "avg" in own else None,
        "quantiles": [own[name]["value"] for name in QUANTILES] if QUANTILES[0] in own else None,
    }
