"""Modes that cost money or run code for each conversation: the work handed over, and what came back in the ledger."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace

import duckdb

from pipeline.catalog.catalog import Metric
from pipeline.errors import InternalError
from pipeline.extract import ledger
from pipeline.extract.isolation import describe
from pipeline.extract.report import MetricOutcome
from pipeline.extract.run_context import CappedResult, CappedWork, RunContext
from pipeline.extract.values import SQL, write_skipped
from pipeline.store import load_sql

Evaluate = Callable[[RunContext, Sequence[CappedWork]], Mapping[str, CappedResult]]


def choose(con: duckdb.DuckDBPyConnection, metrics: Sequence[Metric]) -> list[CappedWork]:
    """The planned work of each metric, taken out of the temporary tables before the connection closes."""
    query = load_sql(SQL, "chosen")
    return [CappedWork(m, con.sql(query, params={"metric_key": m.key}).to_arrow_table()) for m in metrics]


def evaluate_capped(
    run: RunContext, work: Sequence[CappedWork], planned: Mapping[str, MetricOutcome]
) -> Iterator[MetricOutcome]:
    """Evaluate the work, then write the ledger rows; yields the outcome of each metric.

    Args:
        run: the run.
        work: what was chosen.
        planned: outcomes with the states that planning decided.
    """
    judged = [item for item in work if item.metric.definition.judged]
    coded = [item for item in work if not item.metric.definition.judged]
    for evaluate, items in ((_judged, judged), (_python, coded)):
        if not items:
            continue
        started = time.perf_counter()
        results = _results(evaluate, run, items)
        share = (time.perf_counter() - started) / len(items)
        outcomes = [_finished(planned[item.metric.key], item, results[item.metric.key], share) for item in items]
        with run.store.transaction() as con:
            write_skipped(con, run, items, results)
            ledger.record(con, run, outcomes, results=results)
        yield from outcomes


def _results(evaluate: Evaluate, run: RunContext, items: Sequence[CappedWork]) -> dict[str, CappedResult]:
    try:
        return dict(evaluate(run, items))
    except InternalError:
        raise
    except Exception as error:  # the set-based metrics of the run are stored; this must not take them along
        return {item.metric.key: CappedResult({}, failure=describe(item.metric.key, error)) for item in items}


def _finished(planned: MetricOutcome, work: CappedWork, result: CappedResult, seconds: float) -> MetricOutcome:
    states = Counter(planned.states) + Counter(result.states.values())
    if result.failure is not None:
        states["error"] += work.conversations.num_rows - len(result.states)
    return replace(
        planned,
        states=dict(+states),
        calls=result.calls,
        tokens=result.tokens_in + result.tokens_out,
        cost_usd=result.cost_usd,
        seconds=result.seconds or seconds,
        failure=result.failure,
    )


def _judged(run: RunContext, work: Sequence[CappedWork]) -> Mapping[str, CappedResult]:
    try:
        from pipeline.extract.judged import evaluate_judged
    except ModuleNotFoundError:
        return _no_model(work)
    return evaluate_judged(run, work)


def _python(run: RunContext, work: Sequence[CappedWork]) -> Mapping[str, CappedResult]:
    try:
        from pipeline.extract.python_mode import evaluate_python
    except ModuleNotFoundError:
        return _no_model(work)
    return evaluate_python(run, work)


def _no_model(work: Sequence[CappedWork]) -> dict[str, CappedResult]:
    ids = {item.metric.key: item.conversations.column("conversation_id").to_pylist() for item in work}
    return {key: CappedResult(dict.fromkeys(found, "no_model")) for key, found in ids.items()}
