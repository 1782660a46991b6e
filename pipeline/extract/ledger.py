"""The ledger: a row of `extraction_runs` for each run, definition and window, in which every entity has one state."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

import duckdb
import pyarrow as pa

from pipeline.extract.report import MetricOutcome
from pipeline.extract.run_context import CappedResult, RunContext
from pipeline.store.states import STATES


def record(
    con: duckdb.DuckDBPyConnection,
    run: RunContext,
    outcomes: Iterable[MetricOutcome],
    *,
    results: dict[str, CappedResult] | None = None,
    arrivals_until: datetime | None = None,
) -> None:
    """Write the rows of some metrics. Call it in the transaction that writes their values.

    Args:
        con: a connection from `Store.transaction()`.
        run: the run.
        outcomes: what became of the metrics.
        results: tokens and calls of those that ask a model.
        arrivals_until: of event-level metrics, the greatest `ingested_at` that was taken into account.

    Raises:
        LedgerError: the states of an outcome do not add up; nothing is written.
    """
    rows = []
    for outcome in outcomes:
        outcome.check()
        paid = (results or {}).get(outcome.key, CappedResult({}))
        rows.append(
            {
                "workspace_id": run.store.workspace_id,
                "run_id": run.run_id,
                "metric_key": outcome.key,
                "definition_version": outcome.version,
                "window_start": run.window.start,
                "window_end": run.window.end,
                "eligible_count": outcome.eligible,
                **{f"{state}_count": outcome.states.get(state, 0) for state in STATES},
                "without_instant_count": outcome.without_instant,
                "reused_count": outcome.reused,
                "calls": paid.calls,
                "tokens_in": paid.tokens_in,
                "tokens_cached": paid.tokens_cached,
                "tokens_out": paid.tokens_out,
                "cost_usd": paid.cost_usd,
                "arrivals_until": arrivals_until,
                "started_at": run.now,
                "seconds": outcome.seconds,
                "failure": outcome.failure,
            }
        )
    if rows:
        con.register("ledger_rows", pa.Table.from_pylist(rows))
        con.execute("INSERT INTO extraction_runs BY NAME FROM ledger_rows")
        con.unregister("ledger_rows")
