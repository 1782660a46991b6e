"""Freshness as an asset check: whether each hour of a metric was done within its `freshness_sla_minutes`.

Dagster's own freshness policy is about the asset and not about an hour of it: a backfill of an old hour would turn it
green. This one comes from the ledger, by the computation that also raises alarms and is shown by `status`.
"""

from __future__ import annotations

from collections.abc import Mapping

import dagster as dg

from pipeline.orchestration.partitions import partition_key
from pipeline.status.freshness import Freshness
from pipeline.window import Window

FRESHNESS = "freshness"

_SCHEMA = dg.TableSchema([dg.TableColumn(name) for name in ("partition", "state", "done_at", "due_at")])
_MOST_HOURS = 48
"""In the table; a backfill of a year counts the others."""


def freshness_spec(asset: dg.AssetKey, minutes: int) -> dg.AssetCheckSpec:
    """The check of one metric."""
    described = f"Every hour was done within {minutes} minutes after it closed, and there was something to look at."
    return dg.AssetCheckSpec(FRESHNESS, asset=asset, description=described)


def freshness_result(asset: dg.AssetKey, hours: Mapping[Window, Freshness]) -> dg.AssetCheckResult:
    """What became of the check: a warning when an hour was late, or when there was nothing to look at.

    The metadata `state` is `fresh`, `stale` or `no_data`; the worst of the hours when a run has several.
    """
    states = [found.state for found in hours.values()]
    state = next((worse for worse in ("stale", "no_data") if worse in states), "fresh")
    said = {
        "fresh": None,
        "stale": f"{states.count('stale')} of {len(states)} hours were done late or not at all.",
        "no_data": f"No data in {states.count('no_data')} of {len(states)} hours: done, with nothing to look at.",
    }
    rows = [
        dg.TableRecord(
            {
                "partition": partition_key(window),
                "state": found.state,
                "done_at": "" if found.done_at is None else found.done_at.isoformat(),
                "due_at": "" if found.due_at is None else found.due_at.isoformat(),
            }
        )
        for window, found in sorted(hours.items(), key=lambda item: (item[1].state == "fresh", item[0]))
    ]
    return dg.AssetCheckResult(
        asset_key=asset,
        check_name=FRESHNESS,
        passed=state == "fresh",
        severity=dg.AssetCheckSeverity.WARN,
        description=said[state],
        metadata={
            "state": state,
            **{name: states.count(name) for name in ("fresh", "stale", "no_data")},
            "hours": dg.MetadataValue.table(rows[:_MOST_HOURS], _SCHEMA),
        },
    )
