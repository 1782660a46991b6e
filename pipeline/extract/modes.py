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
from pipeline.extract.planning import set_batch
from pipeline.extract.run_context import RunContext
from pipeline.extract.static import read_conversations, read_events, read_turns
from pipeline.extract.threshold import read_thresholds
from pipeline.extract.values import SQL
from pipeline.extract.written import read_writes
from pipeline.store import load_sql, run_script

Kind = Literal["conversations", "turns", "events", "pattern", "formula", "threshold", "written"]


def groups_of(metrics: Sequence[Metric]) -> list[tuple[Kind, list[Metric]]]:
    """Metrics that one query extracts together."""
    return [(kind, list(group)) for kind, group in groupby(sorted(metrics, key=_kind), key=_kind)]


def extract_group(con: duckdb.DuckDBPyConnection, run: RunContext, kind: Kind, metrics: Sequence[Metric]) -> None:
    """Extract the `todo` conversations of some metrics of one kind; the values are in the temporary table `fresh`.

    A mode leaves the temporary relation `reading` (its columns: sql/fold.sql); types, states and folds are the same
    for all modes.
    """
    set_batch(con, metrics)
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
    run_script(con, load_sql(SQL, "fold"))


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
