"""From a metric to the module that extracts it."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby
from typing import Literal

import duckdb

from pipeline.catalog.catalog import Metric
from pipeline.catalog.models import EVENT_DOMAINS
from pipeline.errors import InternalError
from pipeline.extract.formula import read_formulas
from pipeline.extract.pattern import read_patterns
from pipeline.extract.planning import find_todo
from pipeline.extract.run_context import RunContext
from pipeline.extract.static import read_conversations, read_events, read_turns
from pipeline.extract.threshold import read_thresholds
from pipeline.extract.values import SQL
from pipeline.extract.written import read_writes
from pipeline.store import load_sql, run_script

Kind = Literal["conversations", "turns", "events", "pattern", "formula", "threshold", "written"]


def extract_together(con: duckdb.DuckDBPyConnection, run: RunContext, metrics: Sequence[Metric]) -> None:
    """Extract the `todo` conversations of metrics that do not read each other; the values are in the table `fresh`.

    The modes add to the temporary table `reading` (its columns: sql/fold.sql); types, states and folds are the same for
    all modes.
    """
    asked = find_todo(con, metrics)
    if not asked:
        return
    metrics = [metric for metric in metrics if metric.key in asked]
    con.execute("DELETE FROM reading")
    for kind, group in _groups_of(metrics):
        _read(con, run, kind, group)
    con.execute(load_sql(SQL, "unit"))
    if any(metric.definition.scope != "conversation" for metric in metrics):
        run_script(con, load_sql(SQL, "below"))
    con.execute(load_sql(SQL, "top"))


def _read(con: duckdb.DuckDBPyConnection, run: RunContext, kind: Kind, metrics: Sequence[Metric]) -> None:
    match kind:
        case "conversations":
            read_conversations(con, metrics)
        case "turns":
            read_turns(con, metrics)
        case "events":
            read_events(con, metrics)
        case "pattern":
            read_patterns(con, metrics)
        case "formula":
            read_formulas(con, run, metrics)
        case "threshold":
            read_thresholds(con, metrics)
        case "written":
            read_writes(con, metrics)


def _groups_of(metrics: Sequence[Metric]) -> list[tuple[Kind, list[Metric]]]:
    """Metrics that one query reads."""
    return [(kind, list(group)) for kind, group in groupby(sorted(metrics, key=_kind), key=_kind)]


def _kind(metric: Metric) -> Kind:
    definition = metric.definition
    match definition.extraction_mode:
        case "static" | "sql_expr" if definition.source in EVENT_DOMAINS:
            return "events"
        case "static" | "sql_expr":
            return "conversations" if definition.scope == "conversation" else "turns"
        case "pattern" | "formula" | "threshold" | "written" as mode:
            return mode
        case mode:
            raise InternalError(f"{metric.key}: mode {mode} is not set-based.")
