"""Aggregates of any spans, groups and filters, asked at query time: the same parts, merged by the same statements."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Sequence

import duckdb

from pipeline.aggregate.calendar import Span, register_spans
from pipeline.aggregate.enter import SQL, enter_values, finish
from pipeline.aggregate.plan import Plans
from pipeline.aggregate.queries import Row, Traffic, fetch_rows
from pipeline.catalog.aggregations import AGGREGATIONS
from pipeline.catalog.catalog import Catalog
from pipeline.errors import UserError
from pipeline.store import load_sql, run_script, text_list

REST = "\x01rest"
"""The group key of everything beyond the largest groups."""

_DIMENSION = re.compile(
    r"none|service|channel|direction|tag|tag:[^\x00-\x1f]{1,128}|summary:[A-Za-z_]\w{0,63}(\.\w{1,64}){0,4}"
)


def check_dimension(by: str) -> str:
    """The name of a dimension, if there is one of that name.

    Raises:
        UserError: there is none.
    """
    if not _DIMENSION.fullmatch(by):
        raise UserError(
            f"Nothing can be grouped by {by!r}. Write none, service, channel, direction, category, tag, tag:KEY for the"
            " part after the colon of tags such as plan:gold, or summary:FIELD for a field of the call's summary."
        )
    return by


def measure(
    con: duckdb.DuckDBPyConnection,
    workspace_id: str,
    key: str,
    spans: Sequence[Span],
    *,
    by: str = "none",
    traffic: Traffic = "production",
    service_id: str | None = None,
    most_groups: int | None = None,
    also: Iterable[str] = (),
) -> list[Row]:
    """Period rows of one metric, of whatever length and zone the spans are, by group.

    The work is done on `con` in temporary tables, so a connection to the snapshot will do.

    Args:
        con: a connection to read from.
        workspace_id: whose values.
        key: the metric; its version in force is measured, with the definition that the store holds of it.
        spans: half-open; they may overlap, as rolling weeks do.
        by: `none`, `service`, `channel`, `direction`, `tag` (a conversation is in the group of each of its tags),
            `tag:KEY`, or `summary:FIELD`.
        traffic: `all` gives rows for each class.
        service_id: one service.
        most_groups: the groups with most conversations; all others make up the group `REST`.
        also: other aggregations of the same values, if they are numbers or booleans.

    Returns:
        Rows with the columns of `metric_periods` but for their history, `granularity` being `span`, and `group_key`;
        only spans and groups that hold a value or the reason for having none.

    Raises:
        UserError: nothing can be grouped by `by`.
    """
    run_script(con, load_sql(SQL, "macros"))
    in_force = con.execute(load_sql(SQL, "version_in_force"), {"workspace_id": workspace_id, "key": key})
    plans = Plans(con, workspace_id, Catalog(()))
    plans.add_all([(key, version) for (version,) in in_force.fetchall()])
    if not plans.plans or not spans:
        return []
    asked = plans.metrics[-1].definition
    if asked.aggregation != "ratio":
        for aggregation in also:
            if asked.metric_type in AGGREGATIONS[aggregation].types or asked.metric_type == "boolean":
                plans.add(plans.metrics[-1], aggregation)
    plans.register()
    register_spans(con, "spans", spans)
    run_script(con, load_sql(SQL, "scope_spans"))
    kind, _, field = check_dimension(by).partition(":")
    parameters: dict[str, object] = {
        "workspace_id": workspace_id,
        "traffic": traffic,
        "service_id": service_id,
        "kind": "tag_value" if by.startswith("tag:") else kind,
        "field": "$." + ".".join(f'"{part}"' for part in field.split(".")) if kind == "summary" else field,
        "since": min(start for start, _ in spans),
        "until": max(end for _, end in spans),
        "rest": REST,
    }
    rows = _measured(con, plans, spans, parameters, None)
    groups = _largest_first(rows)
    if most_groups is not None and len(groups) > most_groups:
        rows = _measured(con, plans, spans, parameters, groups[:most_groups])
    return [row | {"service_id": service_id} for row in rows]


def _measured(
    con: duckdb.DuckDBPyConnection,
    plans: Plans,
    spans: Sequence[Span],
    parameters: dict[str, object],
    kept: list[str] | None,
) -> list[Row]:
    """The rows of all groups, or of those that are kept and the rest."""
    keeping = {"keep_all": kept is None, "kept": text_list(kept or ())}
    run_script(con, load_sql(SQL, "grouped"), parameters | keeping)
    enter_values(con, plans, spans, "grouped")
    finish(con, plans)
    return fetch_rows(con, load_sql(SQL, "span_rows"), {"workspace_id": plans.workspace_id})


def _largest_first(rows: Iterable[Row]) -> list[str]:
    """The named groups, those with most conversations first."""
    sizes: Counter[str] = Counter()
    for row in rows:
        if row["group_key"] is not None and row["category"] is None:
            sizes[row["group_key"]] += row["eligible_count"]
    return sorted(sizes, key=lambda group: (-sizes[group], group))
