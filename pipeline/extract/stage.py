"""One stage of a run: what is extracted with the connection open, and the plan for what must not hold it."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import NamedTuple

import duckdb

from pipeline.catalog.catalog import Metric
from pipeline.extract import ledger
from pipeline.extract.capped import PlannedWork, choose
from pipeline.extract.definition_table import cap_of
from pipeline.extract.failures import failing
from pipeline.extract.isolation import isolate
from pipeline.extract.modes import extract_together
from pipeline.extract.planning import Stage, keep_places, learn, plan, prepare
from pipeline.extract.report import MetricOutcome
from pipeline.extract.run_context import RunContext
from pipeline.extract.values import SQL, replace_slices
from pipeline.store import load_sql


@dataclass(frozen=True)
class StageResult:
    """What a stage came to while its connection was open.

    Attributes:
        outcomes: of the metrics that are finished.
        work: what the modes that cost money are to do.
    """

    outcomes: tuple[MetricOutcome, ...]
    work: tuple[PlannedWork, ...]


def extract_stage(con: duckdb.DuckDBPyConnection, run: RunContext, stage: Stage, *, dry_run: bool) -> StageResult:
    """Extract the set-based metrics of a stage and store them in one transaction; plan the others."""
    metrics = [metric for level in (*stage.levels, stage.capped) for metric in level]
    eligible = prepare(con, run, metrics)
    seconds: dict[str, float] = {}
    # Only a gate has to wait for the values of the levels before it.
    failures = isolate(con, [m for m in metrics if m.definition.gate is None], partial(plan, con, run))
    for level in (*stage.levels, stage.capped):
        learn(con, level)
        failures |= isolate(con, [m for m in level if m.definition.gate is not None], partial(plan, con, run))
        if level is not stage.capped and not dry_run:
            failures |= _extract_level(con, run, [m for m in level if m.key not in failures], seconds)
    counts = _counts(con)

    def outcome(metric: Metric) -> MetricOutcome:
        found = counts.get(metric.key, [])
        planned = _outcome(metric, eligible, found, failures.get(metric.key), seconds.get(metric.key, 0.0), dry_run)
        return replace(planned, cap=cap_of(metric.definition, run.settings))

    # A capped metric without an open conversation is finished like any other.
    open_keys = {key for key, found in counts.items() if any(count.extracted for count in found)}
    capped = [metric for metric in stage.capped if metric.key in open_keys and metric.key not in failures]
    done = tuple(outcome(metric) for metric in metrics if metric not in capped)
    work = tuple(PlannedWork(outcome(metric), choose(con, metric)) for metric in capped)
    if not dry_run:
        con.execute("BEGIN")
        keep_places(con, run, failures)
        con.execute(load_sql(SQL, "unchanged"))
        replace_slices(con, run)
        done = tuple(failing(con, run, done))
        ledger.record(con, run, done)
        con.execute("COMMIT")
    return StageResult(done, work)


def _extract_level(
    con: duckdb.DuckDBPyConnection, run: RunContext, metrics: Sequence[Metric], seconds: dict[str, float]
) -> dict[str, str]:
    started = time.perf_counter()
    failures = isolate(con, metrics, partial(extract_together, con, run))
    seconds |= dict.fromkeys((metric.key for metric in metrics), (time.perf_counter() - started) / max(len(metrics), 1))
    return failures


def _counts(con: duckdb.DuckDBPyConnection) -> dict[str, list[_Count]]:
    counts: dict[str, list[_Count]] = {}
    for key, *rest in con.execute(load_sql(SQL, "counts")).fetchall():
        counts.setdefault(key, []).append(_Count(*rest))
    return counts


def _outcome(
    metric: Metric, eligible: int, counts: Sequence[_Count], failure: str | None, seconds: float, dry_run: bool
) -> MetricOutcome:
    states: Counter[str] = Counter()
    for count in counts:
        if count.state is not None:
            states[count.state] += count.conversations
    if failure is not None and not dry_run:
        states["error"] += eligible - states.total()
    return MetricOutcome(
        metric.key,
        metric.version,
        eligible,
        dict(+states),
        reused=sum(count.conversations for count in counts if count.reused),
        computed=sum(count.conversations for count in counts if count.extracted),
        seconds=seconds,
        failure=failure,
    )


class _Count(NamedTuple):
    """How many conversations of one metric: their state (null: none yet), and how they came to it."""

    state: str | None
    reused: bool
    extracted: bool
    conversations: int
