"""What Dagster shows of a run: numbers, which it plots, and a small table of states. Never anything a person said."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping

import dagster as dg

from pipeline.aggregate import AggregateReport
from pipeline.aggregate.queries import Row
from pipeline.extract import MetricOutcome


def hour_metadata(outcome: MetricOutcome, row: Row | None) -> dict[str, dg.MetadataValue]:
    """Numbers of one metric in one hour: the period row of the hour, and what the window of the run held.

    What stands beside the value belongs to it; what the window held, which is as a rule a day, is named so.
    """
    floats = ("value", "coverage", "interval_low", "interval_high")
    hour = row or {}
    return {
        **{name: dg.MetadataValue.float(hour[name]) for name in floats if hour.get(name) is not None},
        "n": dg.MetadataValue.int(hour.get("event_count", 0)),
        "eligible": dg.MetadataValue.int(hour.get("eligible_count", 0)),
        "window_eligible": dg.MetadataValue.int(outcome.eligible),
        "window_ok": dg.MetadataValue.int(outcome.states.get("ok", 0)),
        "reused": dg.MetadataValue.int(outcome.reused),
        "calls": dg.MetadataValue.int(outcome.calls),
        "cost_usd": dg.MetadataValue.float(outcome.cost_usd),
        "seconds": dg.MetadataValue.float(round(outcome.seconds, 3)),
        "window_states": states_table(outcome.states),
    }


def period_metadata(report: AggregateReport) -> dict[str, dg.MetadataValue]:
    """What became of the period rows, over all metrics."""
    return {
        "periods": dg.MetadataValue.int(report.periods),
        "added": dg.MetadataValue.int(report.added),
        "changed": dg.MetadataValue.int(report.changed),
        "unchanged": dg.MetadataValue.int(report.unchanged),
        "superseded": dg.MetadataValue.int(report.superseded),
    }


def states_table(states: Mapping[str, int]) -> dg.TableMetadataValue:
    """The states that occurred, most frequent first."""
    occurred = sorted(((count, state) for state, count in states.items() if count), reverse=True)
    return dg.MetadataValue.table(
        records=[dg.TableRecord({"state": state, "conversations": count}) for count, state in occurred],
        schema=dg.TableSchema([dg.TableColumn("state", "string"), dg.TableColumn("conversations", "int")]),
    )


def reconciliation(outcomes: Iterable[MetricOutcome]) -> tuple[bool, dict[str, dg.MetadataValue]]:
    """Whether eligible is the sum of the states in every hour, and the counts over all hours."""
    states: Counter[str] = Counter()
    eligible = 0
    agrees = True
    for outcome in outcomes:
        states.update(outcome.states)
        eligible += outcome.eligible
        agrees = agrees and (outcome.failure is not None or outcome.eligible == sum(outcome.states.values()))
    return agrees, {"eligible": dg.MetadataValue.int(eligible), "states": states_table(states)}
