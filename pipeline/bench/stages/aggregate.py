"""Values to period rows: hours and days, traffic, services, states, intervals and revisions, beside a bare GROUP BY."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from pipeline.aggregate import aggregate
from pipeline.bench.data import FIRST, SQL
from pipeline.bench.definitions import write_definitions
from pipeline.bench.history import copy_of
from pipeline.bench.stage import Answer, Competitor, Place, Run, Stage, times
from pipeline.catalog import load_catalog
from pipeline.store import Store, load_sql, run_script

_METRICS = 50
_DAYS = 30
_FIVE = ("count", "sum", "min", "max", "avg")
_ALL = (*_FIVE, "median", "p90", "p95", "p99", "rate", "count_distinct")
_TYPES = {"rate": "boolean", "count_distinct": "categorical"}


def prepare(at: Place) -> None:
    """Two stores with the same number of values of which none is aggregated: simple aggregations only, and all."""
    for name, aggregations in (("five", _FIVE), ("all", _ALL)):
        _fill(at, name, aggregations)


def _fill(at: Place, name: str, aggregations: Sequence[str]) -> None:
    settings = at.settings(at.folder / name)
    base: dict[str, Any] = {"source": "call_intelligence", "event_types": ["call_intelligence.row"]}
    kinds = [aggregations[number % len(aggregations)] for number in range(_METRICS)]
    write_definitions(
        settings.definitions,
        [
            base
            | {"key": f"bench_{number}", "name": f"Benchmark {number}", "extract_path": "$.value"}
            | {"metric_type": _TYPES.get(kind, "numerical"), "aggregation": kind}
            for number, kind in enumerate(kinds)
        ],
    )
    catalog = load_catalog(settings)
    metrics = [catalog.get(f"bench_{number}") for number in range(_METRICS)]
    with Store(settings).transaction() as con:
        parameters = {
            "workspace_id": settings.workspace_id,
            "metrics": [
                {"key": metric.key, "version": metric.version, "type": metric.definition.metric_type}
                for metric in metrics
            ],
            "conversations": at.scaled(100_000),
            "days": _DAYS if at.scale >= 0.1 else 1,
            "first": FIRST,
        }
        run_script(con, load_sql(SQL, "values"), parameters)


def ours(name: str) -> Callable[[Run], Answer]:
    """What `metric-store run` does with new values."""

    def work(run: Run) -> Answer:
        on = copy_of(run.folder / name, run, run.scratch)
        with run.clock():
            aggregate(on.store, on.catalog, on.settings)
        with on.store.write() as con:
            ((n, total),) = con.execute(
                "SELECT sum(event_count)::BIGINT, sum(value_sum) FROM metric_periods"
                " WHERE granularity = 'hour' AND service_id IS NULL AND category IS NULL"
            ).fetchall()
        return {"n": n, "total": total} if name == "five" else {"all": n}

    return work


def floor(run: Run) -> Answer:
    """Five aggregates by metric and hour in one query, and nothing kept."""
    with Store(run.settings(run.folder / "five")).write() as con, run.clock():
        rows = con.execute(load_sql(SQL, "group_by")).fetchall()
    return {"n": sum(row[2] for row in rows), "total": sum(row[3] for row in rows), "all": sum(row[2] for row in rows)}


def query_for_each(run: Run) -> Answer:
    """A query for each metric."""
    n, total = 0, 0.0
    with Store(run.settings(run.folder / "five")).write() as con, run.clock():
        for number in range(_METRICS):
            rows = con.execute(load_sql(SQL, "group_by_metric"), {"key": f"bench_{number}"}).fetchall()
            n += sum(row[1] for row in rows)
            total += sum(row[2] for row in rows)
    return {"n": n, "total": total}


def polars_for_each(run: Run) -> Answer:
    """A frame for each metric, grouped by Polars."""
    import polars as pl

    n, total = 0, 0.0
    value = pl.col("value_number")
    wanted = [value.count().alias("n"), value.sum().alias("total"), value.min().alias("low"), value.max().alias("high")]
    wanted += [value.quantile(q).alias(f"q{q}") for q in (0.5, 0.9, 0.95, 0.99)]
    query = "SELECT observed_at, value_number FROM metric_values WHERE metric_key = $key"
    with Store(run.settings(run.folder / "five")).write() as con, run.clock():
        for number in range(_METRICS):
            frame = con.sql(query, params={"key": f"bench_{number}"}).pl()
            grouped = frame.group_by(pl.col("observed_at").dt.truncate("1h")).agg(wanted)
            n += int(grouped["n"].sum())
            total += float(grouped["total"].sum())
    return {"n": n, "total": total}


_FLOOR = "floor: GROUP BY metric and hour"

STAGE = Stage(
    name="aggregate",
    work="50 metrics x 100,000 values (5M), by hour and day, traffic and service",
    cost="10 minutes, 3 GB",
    prepare=prepare,
    competitors=(
        Competitor(_FLOOR, floor),
        Competitor("count, sum, min, max, avg", ours("five"), floor=_FLOOR),
        Competitor("distinct, percentiles, intervals too", ours("all"), floor=_FLOOR),
        Competitor("naive: one query per metric", query_for_each, floor=_FLOOR, note="hours only"),
        Competitor("naive: Polars per metric", polars_for_each, floor=_FLOOR, note="hours only"),
    ),
    bars=(
        times("count, sum, min, max, avg", _FLOOR, 1.5),
        times("distinct, percentiles, intervals too", _FLOOR, 4),
    ),
)
