"""Checks evaluated: what was looked at, how much of it satisfies the condition, and the verdict.

The verdicts that say nothing about quality come first: a check that could not look is no check that found something.
"""

from __future__ import annotations

import difflib
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import duckdb
import pyarrow as pa

from pipeline.aggregate.queries import Row, fetch_rows
from pipeline.catalog.catalog import Catalog, Metric
from pipeline.catalog.checks import Check
from pipeline.errors import NotFoundError, UserError
from pipeline.reports.series import has_run, series
from pipeline.reports.verdicts import Verdict, of_pass_rate, of_period
from pipeline.status.freshness import Freshness, freshness
from pipeline.store import load_sql, run_script
from pipeline.window import floor_hour

SQL = "pipeline.reports.sql"


@dataclass(frozen=True)
class Scope:
    """Which conversations all checks look at: those of a simulation run, or those that start in a span."""

    run_id: str | None = None
    date_from: datetime | None = None
    date_to: datetime | None = None

    @classmethod
    def of(
        cls,
        now: datetime,
        run_id: str | None,
        date_from: datetime | None,
        date_to: datetime | None,
        last: timedelta | None,
    ) -> Scope:
        """The scope that was asked for; without a run or a span, the last 24 full hours.

        Raises:
            UserError: the parts contradict each other.
        """
        if run_id is not None and (last or date_from or date_to):
            raise UserError("A run id says which conversations are checked; leave out the times.")
        if last is not None and (date_from or date_to):
            raise UserError("Name the last hours or days, or a start and an end, not both.")
        if run_id is not None:
            return cls(run_id)
        end = floor_hour(now) if date_to is None else date_to
        start = end - (last or timedelta(hours=24)) if date_from is None else date_from
        if start >= end:
            raise UserError(f"The span ends at {end.isoformat()}, before it starts at {start.isoformat()}.")
        return cls(None, start, end)


@dataclass(frozen=True)
class CheckResult:
    """One check, what it saw, and what follows from it.

    Attributes:
        value: the pass rate, or the value of the period.
        n: values that entered.
        reason: the verdict in a sentence.
    """

    name: str
    metric_key: str
    definition_version: str
    over: str
    condition: str
    severity: str
    verdict: Verdict
    reason: str
    eligible: int = 0
    n: int = 0
    passed_count: int | None = None
    value: float | None = None
    min_pass_rate: float | None = None
    interval_low: float | None = None
    interval_high: float | None = None
    coverage: float | None = None
    min_coverage: float = 0.0
    states: Mapping[str, int] | None = None

    @property
    def passed(self) -> bool:
        """Whether the check is satisfied."""
        return self.verdict == "PASSED"

    @property
    def failed(self) -> bool:
        """Whether the check fails what it guards; a warning never does."""
        return not self.passed and self.severity == "error"


def select_checks(catalog: Catalog, names: Sequence[str], visible: Collection[str] | None = None) -> list[Check]:
    """Checks by their names and the names of sets; without a name, every check of the user's own file.

    Args:
        catalog: holds the checks.
        names: of checks and sets.
        visible: keys of the metrics whose checks there are for the caller; None is all.

    Raises:
        NotFoundError: a name is neither a check nor a set, or there is no check at all: nothing would be checked.
    """
    known = {name: check for name, check in catalog.checks.items() if visible is None or check.metric in visible}
    sets = {name for check in known.values() for name in check.sets}
    chosen: dict[str, Check] = {}
    for name in names:
        found = {name: known[name]} if name in known else {k: c for k, c in known.items() if name in c.sets}
        if not found:
            near = difflib.get_close_matches(name, [*known, *sets], n=3)
            hint = f"Did you mean {' or '.join(near)}?" if near else f"Sets are {', '.join(sorted(sets)) or 'none'}."
            raise NotFoundError(f"No check and no set of checks is called {name!r}. {hint}")
        chosen |= found
    if not names:
        chosen = {name: check for name, check in known.items() if name in catalog.own_checks}
    if not chosen:
        raise NotFoundError(
            "Nothing would be checked: no check of your own is defined. Write definitions/checks.yaml, or name "
            f"checks or sets that are shipped: {', '.join(sorted(sets)) or 'none'}."
        )
    return list(chosen.values())


def evaluate_checks(
    con: duckdb.DuckDBPyConnection,
    workspace_id: str,
    catalog: Catalog,
    checks: Sequence[Check],
    scope: Scope,
    now: datetime,
) -> list[CheckResult]:
    """Evaluate checks on the snapshot, in their order.

    Args:
        con: a connection to read from.
        workspace_id: whose conversations.
        catalog: the definitions in force.
        checks: from `select_checks`.
        scope: which conversations.
        now: an hour that is not late yet need not be done.
    """
    fresh = freshness(con, workspace_id, {c.metric: catalog.by_key[c.metric] for c in checks}.values(), now)
    rows = _count(con, workspace_id, catalog, [c for c in checks if c.over == "conversations"], scope, now)
    results = []
    for check in checks:
        metric = catalog.by_key[check.metric]
        period = check.over == "period"
        row = _period(con, workspace_id, metric, check, scope) if period else rows.get(check.name)
        results.append(_result(check, metric, row or _NOTHING, scope, fresh[check.metric], now))
    return results


_NOTHING: Row = {"eligible_count": 0, "event_count": 0, "overlooked_count": 0}
_ASKED = pa.schema(
    [
        *((name, pa.string()) for name in ("name", "metric_key", "definition_version", "metric_type", "operator")),
        ("number", pa.float64()),
        ("flag", pa.bool_()),
        ("label", pa.string()),
        *((name, pa.string()) for name in ("traffic", "service", "channel", "run_id")),
        ("tags", pa.list_(pa.string())),
        ("due", pa.timestamp("us", tz="UTC")),
    ]
)


def _count(
    con: duckdb.DuckDBPyConnection,
    workspace_id: str,
    catalog: Catalog,
    checks: Sequence[Check],
    scope: Scope,
    now: datetime,
) -> dict[str, Row]:
    asked = [_asked(check, catalog.by_key[check.metric], scope, now) for check in checks]
    con.register("asked", pa.Table.from_pylist(asked, schema=_ASKED))
    run_script(con, load_sql("pipeline.aggregate.sql", "macros"))
    parameters = {"workspace_id": workspace_id, "date_from": scope.date_from, "date_to": scope.date_to}
    rows = fetch_rows(con, load_sql(SQL, "check_conversations"), parameters)
    con.unregister("asked")
    return {row["name"]: row | _interval(row) for row in rows}


def _interval(row: Row) -> Row:
    """The interval of a pass rate, that of any other share."""
    if not row["event_count"]:
        return {"interval_low": None, "interval_high": None}
    import numpy as np  # a check of nothing starts without it

    from pipeline.aggregate.statistics.rates import rate_interval

    low, high = rate_interval(np.array([row["pass_rate"]]), np.array([float(row["event_count"])]))
    return {"interval_low": float(low[0]), "interval_high": float(high[0])}


def _asked(check: Check, metric: Metric, scope: Scope, now: datetime) -> dict[str, Any]:
    value = True if check.condition is None else check.condition.value
    run_id = scope.run_id or check.run_id
    return {
        "name": check.name,
        "metric_key": metric.key,
        "definition_version": metric.version,
        "metric_type": metric.definition.metric_type,
        "operator": "==" if check.condition is None else check.condition.operator,
        "number": value if isinstance(value, float) else None,
        "flag": value if isinstance(value, bool) else None,
        "label": value if isinstance(value, str) else None,
        "traffic": check.traffic or ("production" if run_id is None else "all"),
        "service": check.service,
        "channel": check.channel,
        "run_id": run_id,
        "tags": list(check.tags) or None,
        # All of a run must have been looked at; of a span, what is due: see `pipeline.status.freshness`.
        "due": now if scope.run_id is not None else _due(metric, now),
    }


def _period(
    con: duckdb.DuckDBPyConnection, workspace_id: str, metric: Metric, check: Check, scope: Scope
) -> Row | None:
    if scope.date_from is None or scope.date_to is None or not has_run(con, workspace_id, metric.key):
        return None
    rows = series(
        con,
        workspace_id,
        metric,
        [(scope.date_from, scope.date_to)],
        grain="day",
        stored=False,
        traffic=check.traffic or "production",
        service_id=check.service,
    )
    return next((row for row in rows if row["category"] is None), None)


def _result(check: Check, metric: Metric, row: Row, scope: Scope, fresh: Freshness, now: datetime) -> CheckResult:
    period = check.over == "period"
    value = row.get("value" if period else "pass_rate")
    verdict, reason = _verdict(check, metric, row, value, scope, fresh, now)
    return CheckResult(
        name=check.name,
        metric_key=metric.key,
        definition_version=metric.version,
        over=check.over,
        condition="is true" if check.condition is None else check.condition.text,
        severity=check.severity,
        verdict=verdict,
        reason=reason,
        eligible=row["eligible_count"] or 0,
        n=row["event_count"] or 0,
        passed_count=row.get("passed_count"),
        value=value,
        min_pass_rate=None if period else check.pass_rate,
        interval_low=row.get("interval_low"),
        interval_high=row.get("interval_high"),
        coverage=row.get("coverage"),
        min_coverage=check.min_coverage,
        states=row.get("states"),
    )


def _verdict(
    check: Check, metric: Metric, row: Row, value: float | None, scope: Scope, fresh: Freshness, now: datetime
) -> tuple[Verdict, str]:
    n, coverage = row["event_count"] or 0, row.get("coverage")
    if not metric.definition.active:
        return "NOT_EVALUATED", f"{metric.key} is switched off."
    if check.over == "period" and scope.run_id is not None:
        return "NOT_EVALUATED", "The value of a period belongs to no run; check conversations instead."
    if overlooked := row.get("overlooked_count"):
        return "RUN_NOT_COMPLETED", f"No run has looked at {overlooked:,} of {row['eligible_count']:,} conversations."
    if scope.date_to is not None:
        wanted = min(floor_hour(scope.date_to), _due(metric, now))
        if fresh.done_until is None or fresh.done_until < wanted:
            until = "at all" if fresh.done_until is None else f"after {fresh.done_until:%F %H:%M} UTC"
            return "RUN_NOT_COMPLETED", f"No run of this version {until}; {wanted:%F %H:%M} UTC is due."
    if n == 0 or value is None:
        counts = sorted((row.get("states") or {}).items(), key=lambda item: -item[1])
        states = ", ".join(f"{state} {count:,}" for state, count in counts)
        return "NOT_EVALUATED", f"No value: {states}." if states else "There was nothing to check."
    if n < check.min_conversations:
        return "INCOMPLETE_COVERAGE", f"{n:,} values; at least {check.min_conversations:,} are asked for."
    if coverage is not None and coverage < check.min_coverage:
        return "INCOMPLETE_COVERAGE", f"{coverage:.1%} have a value; at least {check.min_coverage:.1%} are asked for."
    if check.over == "period":
        return of_period(check, row, value)
    return of_pass_rate(check, value, row["interval_low"], row["interval_high"], n)


def _due(metric: Metric, now: datetime) -> datetime:
    """The end of the last hour that must be done by now."""
    return floor_hour(now - timedelta(minutes=metric.definition.freshness_sla_minutes))
