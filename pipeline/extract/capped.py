"""Modes that cost money or run code for each conversation: the work handed over, and what came back in the ledger."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import duckdb
import pyarrow as pa

from pipeline.catalog.catalog import Metric
from pipeline.extract import ledger
from pipeline.extract.failures import failing
from pipeline.extract.report import MetricOutcome
from pipeline.extract.run_context import CappedResult, CappedWork, RunContext
from pipeline.extract.shards import Kind, evaluate
from pipeline.extract.values import SQL, write_skipped
from pipeline.store import load_sql


@dataclass(frozen=True)
class PlannedWork:
    """The chosen conversations of one metric, and its outcome as far as planning decided it."""

    outcome: MetricOutcome
    work: CappedWork


def choose(con: duckdb.DuckDBPyConnection, metric: Metric) -> CappedWork:
    """The planned work of a metric, taken out of the temporary tables before the connection closes."""
    return CappedWork(metric, con.sql(load_sql(SQL, "chosen"), params={"metric_key": metric.key}).to_arrow_table())


def evaluate_capped(run: RunContext, planned: Sequence[PlannedWork], *, dry_run: bool) -> Iterator[MetricOutcome]:
    """Evaluate the planned work, then write the ledger rows; yields the outcome of each metric.

    A dry run asks and writes nothing: calls, tokens and money are estimates. While a policy cannot be used, metrics
    that ask a model fail with that reason.
    """
    judged = [item for item in planned if item.work.metric.definition.judged]
    coded = [item for item in planned if not item.work.metric.definition.judged]
    withheld = _withheld(run)
    if dry_run:
        if withheld is None:
            yield from _estimated(run, judged)
        else:
            yield from (replace(item.outcome, failure=withheld) for item in judged)
        yield from (item.outcome for item in coded)
        return
    kinds: tuple[tuple[Kind, list[PlannedWork]], ...] = (("judged", judged), ("python", coded))
    for kind, items in kinds:
        if not items:
            continue
        started = time.perf_counter()
        if withheld is not None and kind == "judged":
            results = {item.outcome.key: CappedResult({}, failure=withheld) for item in items}
        else:
            results = evaluate(run, kind, [item.work for item in items])
        share = (time.perf_counter() - started) / len(items)
        outcomes = [_finished(item.outcome, item.work, results[item.outcome.key], share) for item in items]
        with run.store.transaction("values") as con:
            write_skipped(con, run, [item.work for item in items], results)
            _close_places(con, run, results)
            outcomes = failing(con, run, outcomes)
            ledger.record(con, run, outcomes, results=results)
        yield from outcomes


def _close_places(con: duckdb.DuckDBPyConnection, run: RunContext, results: Mapping[str, CappedResult]) -> None:
    """What has a state is no longer begun; what waits for a batch, or for a definition that failed, still is."""
    closed = [
        {
            "metric_key": key,
            "definition_version": run.catalog.by_key[key].version,
            "conversation_id": conversation_id,
        }
        for key, result in results.items()
        for conversation_id, state in result.states.items()
        if state != "pending"
    ]
    if closed:
        con.register("closed", pa.Table.from_pylist(closed))
        con.execute(load_sql(SQL, "close_places"), {"workspace_id": run.store.workspace_id})
        con.unregister("closed")


def _withheld(run: RunContext) -> str | None:
    """Why no model is asked: what a policy or an override was to keep out would be paid for."""
    if not run.catalog.withholding:
        return None
    problem = run.catalog.withholding[0]
    place = problem.file if problem.line is None else f"{problem.file}:{problem.line}"
    return (
        f"No model is asked while policies or overrides cannot be used; mend {place}: {problem.field}, {problem.advice}"
    )


def _estimated(run: RunContext, planned: Sequence[PlannedWork]) -> Iterator[MetricOutcome]:
    if not planned:
        return
    from pipeline.extract.judged import estimate_judged

    estimates = estimate_judged(run, [item.work for item in planned])
    for item in planned:
        estimate = estimates[item.outcome.key]
        tokens = estimate.tokens_in + estimate.tokens_out
        yield replace(
            item.outcome,
            calls=estimate.calls,
            tokens=tokens,
            tokens_cached=estimate.tokens_cached,
            cost_usd=estimate.usd,
        )


def _finished(planned: MetricOutcome, work: CappedWork, result: CappedResult, seconds: float) -> MetricOutcome:
    states = Counter(planned.states) + Counter(result.states.values())
    if result.failure is not None:
        states["error"] += work.conversations.num_rows - len(result.states)
    return replace(
        planned,
        states=dict(+states),
        calls=result.calls,
        tokens=result.tokens_in + result.tokens_out,
        tokens_cached=result.tokens_cached,
        cost_usd=result.cost_usd,
        seconds=result.seconds or seconds,
        failure=result.failure,
    )
