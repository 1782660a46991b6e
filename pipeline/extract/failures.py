"""When a definition has failed although it could be run: too many of the conversations it looked at ended in an error.

Its values are kept, errors are tried again as ever. The hour is not done: the ledger, `status`, freshness and alarms,
asset checks and the exit code say so, with the commonest reason.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import replace

import duckdb

from pipeline.extract.isolation import QUOTED
from pipeline.extract.report import MetricOutcome
from pipeline.extract.run_context import RunContext
from pipeline.store import load_sql
from pipeline.store.states import NOT_EXAMINED

FEW = 20
"""Of fewer conversations a share says little; then all of them must have ended in an error."""

_SECRET = re.compile(r"\b(?:sk|pk|rk)[-_]\S{8,}|\bbearer\s+\S+|\b[A-Za-z0-9+/_-]{32,}", re.IGNORECASE)
_APOSTROPHE = re.compile(r"(?<=\w)'(?=\w)")
_MOST = 300


def failing(con: duckdb.DuckDBPyConnection, run: RunContext, outcomes: Iterable[MetricOutcome]) -> list[MetricOutcome]:
    """The outcomes, with a `failure` where errors pass `max_error_share`.

    Call it in the transaction that wrote the values.

    Args:
        con: a connection from `Store.transaction()`.
        run: whose window it is.
        outcomes: of metrics whose values are written.
    """
    return [_with_failure(con, run, outcome) for outcome in outcomes]


def too_many(errors: int, examined: int, most: float) -> bool:
    """Whether so many errors mean that the definition has failed: more than the share, or all where few were looked at.

    Args:
        errors: conversations in the state `error`.
        examined: conversations that were looked at.
        most: the setting `max_error_share`; with 1 nothing is too many.
    """
    if errors == 0 or most >= 1:
        return False
    return errors > most * examined if examined >= FEW else errors == examined


def readable(reason: str) -> str:
    """One line that may be shown anywhere: without what is quoted, which may be a transcript, and without keys."""
    line = " ".join(QUOTED.sub("…", _APOSTROPHE.sub("\u2019", reason)).split())
    return _SECRET.sub("…", line)[:_MOST].rstrip(". ")


def _with_failure(con: duckdb.DuckDBPyConnection, run: RunContext, outcome: MetricOutcome) -> MetricOutcome:
    errors = outcome.states.get("error", 0)
    examined = outcome.eligible - sum(outcome.states.get(state, 0) for state in NOT_EXAMINED)
    if outcome.failure is not None or not too_many(errors, examined, run.settings.max_error_share):
        return outcome
    told = f"{errors:,} of {examined:,} conversations ended in an error ({errors / examined:.0%})"
    parameters = {
        "workspace_id": run.store.workspace_id,
        "metric_key": outcome.key,
        "definition_version": outcome.version,
        "since": run.window.start,
        "until": run.window.end,
    }
    rows = con.execute(load_sql("pipeline.extract.sql", "error_reasons"), parameters).fetchall()
    if rows:
        reason, count, total = rows[0]
        told += f", {count / total:.0%} of them with: {readable(reason)}"
    return replace(outcome, failure=f"{told}.")
