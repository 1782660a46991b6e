"""The same window again: nothing is asked and little is done."""

from __future__ import annotations

import statistics

from pipeline.bench.definitions import catalog_of, deterministic, write_definitions
from pipeline.bench.history import HOUR_AFTER, copy_of, write_hour
from pipeline.bench.stage import Answer, Bar, Competitor, Place, Results, Run, Stage, measured
from pipeline.hourly import RunReport, run_hour
from pipeline.sample.judge_server import SampleJudge

_DEFINITIONS = 100
_JUDGED = 5


def judged(number: int) -> list[dict[str, object]]:
    """Definitions that a model answers."""
    return [
        {
            "key": f"judged_{at}",
            "name": f"Judged {at}",
            "metric_type": "numerical",
            "source": "call_intelligence",
            "event_types": ["call_intelligence.row"],
            "extraction_mode": "ai_query",
            "ai_query_prompt": f"How good was the agent in respect {at}, from 0 to 10?",
            "aggregation": "avg",
        }
        for at in range(number)
    ]


def prepare(at: Place) -> None:
    """Definitions, five of them judged, and 500 conversations."""
    settings = at.settings(at.folder / "home", max_custom_metrics=1000)
    shipped = _DEFINITIONS - len([m for m in catalog_of(settings, _DEFINITIONS).active if m.managed_by == "builtin"])
    write_definitions(settings.definitions, [*deterministic(shipped), *judged(_JUDGED)])
    write_hour(settings.home / "landing" / "hour.ndjson", conversations=min(at.scaled(5000, 20), 500), length=40)


def ours(run: Run) -> Answer:
    """The deterministic definitions, then the judged ones, then everything a second time."""
    on = copy_of(run.folder / "home", run, run.scratch)
    keys = [metric.key for metric in on.catalog.active if not metric.key.startswith("judged_")]
    with SampleJudge() as judge:
        settings = on.settings.model_copy(update={"models": judge.models})
        with run.clock("first"):
            run_hour(on.store, on.catalog, settings, HOUR_AFTER, keys=keys)
        first = _calls(run_hour(on.store, on.catalog, settings, HOUR_AFTER))
        with run.clock("again"):
            again = run_hour(on.store, on.catalog, settings, HOUR_AFTER)
    run.measures["calls_again"] = _calls(again)
    assert first > 0
    return {}


def _calls(report: RunReport) -> int:
    return sum(outcome.calls for extracted in report.extracts for outcome in extracted.outcomes)


def _share(results: Results) -> float:
    parts = results[_OURS].parts
    return statistics.median(again / first for again, first in zip(parts["again"], parts["first"], strict=True))


_OURS = "first and again"

STAGE = Stage(
    name="rerun",
    work="the same window again: 500 conversations, 100 deterministic and 5 judged definitions",
    cost="5 minutes, 1 GB",
    prepare=prepare,
    competitors=(Competitor(_OURS, ours, warm_up=False),),
    bars=(
        measured(_OURS, "calls_again", "model calls: 0", 0),
        Bar(_OURS, "≤ 0.3x the first run without its models", _share, 0.3),
    ),
)
