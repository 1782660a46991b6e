"""One stage of a run: set-based modes with the connection open, then those that must not hold it."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from functools import partial

import duckdb

from pipeline.catalog.catalog import Metric
from pipeline.extract import ledger
from pipeline.extract.capped import choose, evaluate_capped
from pipeline.extract.isolation import isolate
from pipeline.extract.modes import extract_group, groups_of
from pipeline.extract.planning import Stage, plan, prepare
from pipeline.extract.report import MetricOutcome
from pipeline.extract.run_context import RunContext
from pipeline.extract.values import SQL, replace_slices
from pipeline.store import load_sql


def run_stage(run: RunContext, stage: Stage, *, dry_run: bool) -> Iterator[MetricOutcome]:
    """Extract the metrics of a stage; yields each outcome once it is stored (at once in a dry run)."""
    set_based = [metric for level in stage.levels for metric in level]
    with run.store.write() as con:
        eligible = prepare(con, run, [*set_based, *stage.capped])
        failures: dict[str, str] = {}
        seconds: dict[str, float] = {}
        for level in stage.levels:
            failures |= isolate(con, level, partial(plan, con, run))
            if not dry_run:
                planned = [metric for metric in level if metric.key not in failures]
                failures |= _extract_level(con, run, planned, seconds)
        failures |= isolate(con, stage.capped, partial(plan, con, run))
        counts = _counts(con)
        outcomes = {
            metric.key: _outcome(metric, eligible, counts, failures, seconds, dry_run=dry_run)
            for metric in [*set_based, *stage.capped]
        }
        if dry_run:
            yield from outcomes.values()
            return
        capped = [metric for metric in stage.capped if metric.key not in failures]
        done = [outcome for key, outcome in outcomes.items() if key not in {metric.key for metric in capped}]
        con.execute("BEGIN")
        con.execute(load_sql(SQL, "unchanged"))
        replace_slices(con, run)
        ledger.record(con, run, done)
        con.execute("COMMIT")
        work = choose(con, capped)
    yield from done
    yield from evaluate_capped(run, work, outcomes)


def _extract_level(
    con: duckdb.DuckDBPyConnection, run: RunContext, metrics: Sequence[Metric], seconds: dict[str, float]
) -> dict[str, str]:
    failures: dict[str, str] = {}
    for kind, group in groups_of(metrics):
        started = time.perf_counter()
        failures |= isolate(con, group, partial(extract_group, con, run, kind))
        seconds |= dict.fromkeys((metric.key for metric in group), (time.perf_counter() - started) / len(group))
    return failures


def _counts(con: duckdb.DuckDBPyConnection) -> dict[str, list[tuple[str | None, bool, bool, int]]]:
    """For each metric: state, whether it was reused, whether it was to be extracted, and how many conversations."""
    counts: dict[str, list[tuple[str | None, bool, bool, int]]] = {}
    for key, *rest in con.execute(load_sql(SQL, "counts")).fetchall():
        counts.setdefault(key, []).append(tuple(rest))
    return counts


def _outcome(
    metric: Metric,
    eligible: int,
    counts: Mapping[str, list[tuple[str | None, bool, bool, int]]],
    failures: Mapping[str, str],
    seconds: Mapping[str, float],
    *,
    dry_run: bool,
) -> MetricOutcome:
    states: Counter[str] = Counter()
    reused = computed = 0
    for state, was_reused, was_open, number in counts.get(metric.key, []):
        if state is not None:
            states[state] += number
        reused += was_reused * number
        computed += was_open * number
    failure = failures.get(metric.key)
    if failure is not None and not dry_run and eligible > states.total():
        states["error"] += eligible - states.total()
    return MetricOutcome(
        metric.key,
        metric.version,
        eligible,
        dict(states),
        reused=reused,
        computed=computed,
        seconds=seconds.get(metric.key, 0.0),
        failure=failure,
    )
