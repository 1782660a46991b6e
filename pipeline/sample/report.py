"""What a team looks at first: what was refused, who talked, the headline numbers, what was restated, what adds up."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Literal

import duckdb

from pipeline.aggregate.queries import Row, fetch_rows
from pipeline.catalog.aggregations import AGGREGATIONS
from pipeline.reports.changes import add_changes
from pipeline.store import STATES, load_sql

HEADLINES = (
    "call_count",
    "text_session_count",
    "completed_rate",
    "escalation_rate",
    "voice_quality_score",
    "avg_call_duration_seconds",
    "p95_audio_ttfb_ms",
    "tool_failure_rate",
    "average_valence",
    "csat_score",
    "issue_resolved",
    "empathy_score",
    "protocol_followed",
    "surface_completion_ratio",
)
SHOWN = 12


@dataclass(frozen=True)
class Refused:
    """A record that was not taken in: where it is, and why."""

    url: str
    place: str
    reason: str
    detail: str


@dataclass(frozen=True)
class Traffic:
    """The conversations of one channel and traffic class. `unsettled`: still going on where the runs end."""

    channel: str
    traffic: str
    conversations: int
    unsettled: int
    turns: int
    tool_failures: int
    escalated: int
    median_seconds: float | None


@dataclass(frozen=True)
class Headline:
    """One metric's day, production traffic of all services.

    Attributes:
        event_count: n, the values that entered.
        judged: a model was asked, in the demo the sample judge.
        change: less the day before; None when there is none, or for a total when that day is not whole.
        verdict: better or worse by the metric's goal; None without a change or a goal.
        clear: the change stands out among all headlines; None when one cannot tell.
    """

    key: str
    name: str
    goal: str
    unit: str | None
    value: float | None
    value_text: str | None
    event_count: int
    eligible_count: int
    coverage: float | None
    interval_low: float | None
    interval_high: float | None
    interval_method: str
    judged: bool
    change: float | None
    verdict: str | None
    clear: bool | None


@dataclass(frozen=True)
class Restated:
    """A past number that changed and says so."""

    key: str
    granularity: str
    period_start: datetime
    unit: str | None
    value_before: float | None
    value_after: float | None
    count_before: int
    count_after: int
    revision: int


@dataclass(frozen=True)
class States:
    """The ledger of all day rows: eligible is the sum of the counts, row by row.

    Attributes:
        counts: by state, those that occur, in the order of `STATES`.
        row_count: current period rows of every kind that were checked.
        unbalanced: those of them that do not add up.
    """

    eligible: int
    counts: dict[str, int]
    row_count: int
    unbalanced: int

    @property
    def reconciled(self) -> bool:
        """Whether nothing is missing from any row."""
        return self.unbalanced == 0 and self.eligible == sum(self.counts.values())


@dataclass(frozen=True)
class NextStep:
    """A command to type, and what it shows."""

    command: str
    purpose: str


@dataclass(frozen=True)
class DemoSummary:
    """Everything that is shown after a first run.

    Attributes:
        until: the end of the last hour that is done.
        day: start of the last whole day before that, the one of `headlines`; None when there is none.
        restated: days before hours, headlines before other metrics, then the largest relative change first.
    """

    until: datetime | None
    day: datetime | None
    refused: tuple[Refused, ...]
    traffic: tuple[Traffic, ...]
    headlines: tuple[Headline, ...]
    restated: tuple[Restated, ...]
    states: States
    next_steps: tuple[NextStep, ...]


def demo_summary(con: duckdb.DuckDBPyConnection, workspace_id: str, *, since: datetime) -> DemoSummary:
    """Read the summary from a published snapshot.

    Args:
        con: from `Store.read()`.
        workspace_id: whose rows.
        since: numbers that are other than they were known at this instant are `restated`.
    """
    scope: dict[str, object] = {"workspace_id": workspace_id}
    until, day, previous_is_whole = _rows(con, "horizon", scope)[0]
    end = until or datetime.now(UTC)
    headlines = _headlines(
        fetch_rows(con, load_sql("pipeline.sample.sql", "headlines"), {**scope, "day": day}), previous_is_whole
    )
    restated = [Restated(*row) for row in _rows(con, "restated", {**scope, "since": since, "until": end})]
    states = _states(_rows(con, "states", scope)[0])
    return DemoSummary(
        until=until,
        day=day,
        refused=tuple(Refused(*row) for row in _rows(con, "refused", scope)),
        traffic=tuple(Traffic(*row) for row in _rows(con, "traffic", {**scope, "until": end})),
        headlines=tuple(sorted(headlines, key=_importance)[:SHOWN]),
        restated=tuple(sorted(restated, key=lambda row: (row.granularity != "day", _rank(row.key)))),
        states=states,
        next_steps=_next_steps(headlines, states),
    )


def _rows(con: duckdb.DuckDBPyConnection, name: str, parameters: dict[str, object]) -> list[tuple[Any, ...]]:
    return con.execute(load_sql("pipeline.sample.sql", name), parameters).fetchall()


def _headlines(rows: list[Row], previous_is_whole: bool) -> list[Headline]:
    """The rows of the day, each compared with the day before as every list compares them."""
    pairs = [
        (row, _previous(row) if previous_is_whole or not AGGREGATIONS[row["aggregation"]].total else None)
        for row in rows
    ]
    add_changes(pairs, {row["metric_key"]: row["goal"] for row in rows}, datetime.max.replace(tzinfo=UTC))
    return [
        Headline(
            key=row["metric_key"],
            **{name: row[name] for name in _SHOWN},
            change=row["delta"],
            verdict=_verdict(row["delta"], row["goal"]),
            clear=row["stands_out"],
        )
        for row in rows
    ]


_SHOWN = (
    *("name", "goal", "unit", "value", "value_text", "event_count", "eligible_count", "coverage"),
    *("interval_low", "interval_high", "interval_method", "judged"),
)


def _previous(row: Row) -> Row:
    return {
        "value": row["previous_value"],
        "interval_low": row["previous_low"],
        "interval_high": row["previous_high"],
        "interval_method": row["previous_method"],
        "unit_count": row["previous_unit_count"],
        "period_end": row["previous_end"] or row["period_end"],
    }


def _verdict(change: float | None, goal: str) -> Literal["better", "worse"] | None:
    if not change or goal == "neutral":
        return None
    return "better" if (change > 0) == (goal == "higher") else "worse"


def _rank(key: str) -> int:
    return HEADLINES.index(key) if key in HEADLINES else len(HEADLINES)


def _importance(headline: Headline) -> tuple[bool, int, str]:
    return (headline.event_count == 0, _rank(headline.key), headline.key)


def _states(row: tuple[Any, ...]) -> States:
    row_count, unbalanced, eligible, *counts = row
    by_state = dict(zip(STATES, counts, strict=True))
    return States(eligible, {state: count for state, count in by_state.items() if count}, row_count, unbalanced)


def _next_steps(headlines: list[Headline], states: States) -> tuple[NextStep, ...]:
    shown = next((headline.key for headline in sorted(headlines, key=_importance) if headline.change is not None), None)
    steps = []
    if shown is not None:
        steps.append(NextStep(f"metric-store trend {shown} --days 3", "the same number over time, in the terminal"))
    steps.append(NextStep("metric-store dev", "Dagster's page: schedule, backfill, one button for each metric"))
    if states.counts.get("no_model"):
        steps.append(
            NextStep("metric-store settings", "which model answers; until one does, judged metrics say no_model")
        )
    steps.append(
        NextStep("metric-store init my-metrics", "a folder of your own, to drop your files and definitions into")
    )
    return tuple(steps)
