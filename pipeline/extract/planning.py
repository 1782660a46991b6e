"""What is to be done: the order of the metrics, and the state of each conversation before anything is extracted."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import duckdb
import pyarrow as pa

from pipeline.catalog.catalog import Metric
from pipeline.catalog.expressions import CONVERSATION_FILTER_COLUMNS, parse_filter
from pipeline.catalog.models import CAPPED_MODES, EVENT_DOMAINS
from pipeline.extract.definition_table import create_definition_table
from pipeline.extract.formula import evaluate
from pipeline.extract.run_context import RunContext
from pipeline.extract.values import NOT_LOOKED_AT, SQL, create_fresh
from pipeline.store import load_sql, run_script
from pipeline.store.states import UNFINISHED

_READING_MODES = ("formula", "threshold")


@dataclass
class Stage:
    """Metrics that can be extracted with the connection open, level by level, and then those that cannot."""

    levels: list[list[Metric]]
    capped: list[Metric]


def stages_of(metrics: Sequence[Metric]) -> list[Stage]:
    """Metrics in stages; whatever reads a metric of a capped mode is in a later stage than that.

    Args:
        metrics: in topological order.

    Returns:
        At least one stage, which may be empty.
    """
    stages = [Stage([], [])]
    stage_of: dict[str, int] = {}
    level_of: dict[str, int] = {}
    for metric in metrics:
        capped = metric.definition.extraction_mode in CAPPED_MODES
        read = [key for key in metric.reads if key in stage_of]
        stage = max((stage_of[key] + (key not in level_of) for key in read), default=0)
        while len(stages) <= stage:
            stages.append(Stage([], []))
        stage_of[metric.key] = stage
        if capped:
            stages[stage].capped.append(metric)
            continue
        levels = stages[stage].levels
        level = max((level_of[key] + 1 for key in read if key in level_of and stage_of[key] == stage), default=0)
        while len(levels) <= level:
            levels.append([])
        levels[level].append(metric)
        level_of[metric.key] = level
    return stages


def prepare(con: duckdb.DuckDBPyConnection, run: RunContext, metrics: Iterable[Metric]) -> int:
    """Create the temporary tables of a run; returns the number of eligible conversations.

    Args:
        con: a connection, kept open for as long as the tables are needed.
        run: the run.
        metrics: those that are extracted; what they read is added.
    """
    keys = {metric.key: metric for metric in metrics}
    for metric in list(keys.values()):
        keys.update({key: run.catalog.by_key[key] for key in metric.reads if key in run.catalog.by_key})
    create_definition_table(con, keys.values(), run.settings)
    create_fresh(con)
    run_script(
        con,
        "SET VARIABLE workspace_id = $workspace_id; SET VARIABLE unfinished = $unfinished; "
        "SET VARIABLE not_looked_at = $not_looked_at; SET VARIABLE error_attempts = $error_attempts; "
        "SET VARIABLE redecide = $redecide;",
        {
            "workspace_id": run.store.workspace_id,
            "unfinished": list(UNFINISHED),
            "not_looked_at": list(NOT_LOOKED_AT),
            "error_attempts": run.settings.error_attempts,
            "redecide": run.redecide,
        },
    )
    window = {
        "workspace_id": run.store.workspace_id,
        "window_start": run.window.start,
        "window_end": run.window.end,
        "as_of": run.as_of,
    }
    for script in ("scope", "typed", "draw_of", "eligible", "stored", "strata", "work", "fold", "fold_macros"):
        run_script(con, load_sql(SQL, script), window)
    return int(con.execute("SELECT count(*) FROM eligible").fetchall()[0][0])


def learn(con: duckdb.DuckDBPyConnection, metrics: Sequence[Metric]) -> None:
    """Leave `known` and `known_value`: what the gates, formulas and thresholds of the metrics read."""
    readers = [m for m in metrics if m.definition.gate is not None or m.definition.extraction_mode in _READING_MODES]
    if readers:
        keys = ",".join({key for metric in readers for key in metric.reads})
        run_script(con, load_sql(SQL, "known"), {"keys": keys})


def plan(con: duckdb.DuckDBPyConnection, run: RunContext, metrics: Sequence[Metric]) -> None:
    """Add the metrics' conversations to the temporary table `work`; a null state there means: extract it.

    Raises:
        ExpressionError: a filter or gate cannot be read.
    """
    set_batch(con, metrics)
    _create_verdicts(con, run, metrics)
    for script in ("plan", "places", "decided"):
        con.execute(load_sql(SQL, script))


def set_batch(con: duckdb.DuckDBPyConnection, metrics: Sequence[Metric]) -> None:
    """Say which metrics the scripts are about."""
    # One text, since DuckDB's client is slow with lists; a key has neither space nor comma.
    con.execute("SET VARIABLE batch = string_split($keys, ',')", {"keys": ",".join(metric.key for metric in metrics)})


def find_todo(con: duckdb.DuckDBPyConnection, metrics: Sequence[Metric]) -> set[str]:
    """Leave `todo`, what the modes are to extract of these metrics; returns the keys of those that have something."""
    set_batch(con, metrics)
    run_script(con, load_sql(SQL, "todo"))
    return {key for (key,) in con.execute("SELECT DISTINCT metric_key FROM todo").fetchall()}


def keep_places(con: duckdb.DuckDBPyConnection, run: RunContext, failed: Iterable[str]) -> None:
    """Store thresholds and places of the plan, in the transaction that stores what is extracted at once.

    Args:
        con: the connection of the plan.
        run: the run.
        failed: keys of metrics that could not be extracted; they chose nothing.
    """
    parameters = {
        "workspace_id": run.store.workspace_id,
        "window_end": run.window.end,
        "run_id": run.run_id,
        "failed": ",".join(failed),
    }
    run_script(con, load_sql(SQL, "keep_places"), parameters)


def _create_verdicts(con: duckdb.DuckDBPyConnection, run: RunContext, metrics: Sequence[Metric]) -> None:
    """Leave `gate_verdict`: the conversations that policies, source filter or gate of a metric keep out, and why."""
    con.execute(
        "CREATE OR REPLACE TEMP TABLE gate_verdict "
        "(metric_key VARCHAR, conversation_id VARCHAR, state VARCHAR, reason VARCHAR)"
    )
    _apply_policies(con, run, metrics)
    if gated := {metric.key: metric.definition.gate for metric in metrics if metric.definition.gate is not None}:
        evaluate(con, run, gated)
        con.execute(load_sql(SQL, "gate"))
    filtered = {
        metric.key: parse_filter(metric.definition.source_filter, CONVERSATION_FILTER_COLUMNS).to_sql()
        for metric in metrics
        if metric.definition.source_filter is not None and metric.definition.source not in EVENT_DOMAINS
    }
    if filtered:
        rows = {"metric_key": list(filtered), "place": list(range(1, len(filtered) + 1))}
        con.register("filtered", pa.table(rows))
        con.execute(load_sql(SQL, "source_filter").replace("/*passes*/", ", ".join(filtered.values())))
        con.unregister("filtered")


def _apply_policies(con: duckdb.DuckDBPyConnection, run: RunContext, metrics: Sequence[Metric]) -> None:
    policies = run.catalog.policies
    rows = [
        {"metric_key": metric.key, "name": policy.name, "place": place, "active_from": policy.active_from}
        for place, policy in enumerate(policies, 1)
        for metric in metrics
        if policy.covers(metric)
    ]
    if rows:
        con.register("policed", pa.Table.from_pylist(rows))
        passes = ", ".join(policy.to_sql() for policy in policies)
        con.execute(load_sql(SQL, "policies").replace("/*passes*/", passes))
        con.unregister("policed")
