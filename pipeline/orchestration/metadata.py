"""What Dagster shows of a run: numbers, which it plots, and a small table of states. Never anything a person said."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping

import dagster as dg

from pipeline.aggregate import AggregateReport
from pipeline.extract import MetricOutcome


def hour_metadata(outcome: MetricOutcome, value: float | None) -> dict[str, dg.MetadataValue]:
    """Numbers of one metric in one hour: what the window held, and the value published for the hour itself."""
    ok = outcome.states.get("ok", 0)
    applicable = outcome.eligible - outcome.states.get("not_applicable", 0)
    return {
        **({"value": dg.MetadataValue.float(value)} if value is not None else {}),
        "eligible": dg.MetadataValue.int(outcome.eligible),
        "ok": dg.MetadataValue.int(ok),
        **({"coverage": dg.MetadataValue.float(ok / applicable)} if applicable else {}),
        "reused": dg.MetadataValue.int(outcome.reused),
        "calls": dg.MetadataValue.int(outcome.calls),
        "cost_usd": dg.MetadataValue.float(outcome.cost_usd),
        "seconds": dg.MetadataValue.float(round(outcome.seconds, 3)),
        "states": states_table(outcome.states),
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
