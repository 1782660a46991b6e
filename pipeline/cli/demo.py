"""`demo`: two days of sample conversations through the whole pipeline, and what a team would look at first."""

from __future__ import annotations

import shutil
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import typer

from pipeline.cli.console import complain, emit, emit_json, emit_table, working
from pipeline.errors import SettingsError
from pipeline.sample import DemoSummary, Headline, SampleTruth, demo_summary, write_sample
from pipeline.sample.judge_server import ERROR_RATE, sample_judge
from pipeline.settings import Settings, builtin_definitions, load_settings
from pipeline.settings_models import Models
from pipeline.store import Store
from pipeline.window import HOUR, floor_hour

HOURS = 48
_LABELS = "sample_truth.json"
_JUDGE = (
    "Metrics that ask a model were answered by the sample judge: from the sample's truth labels, "
    f"with a known error rate of {ERROR_RATE:.0%}. No model was asked."
)


def run_demo(*, as_json: bool) -> None:
    """Run the demo in a folder of its own and print its summary. Exit code 1 when a metric failed."""
    from pipeline.orchestration.in_process import run_in_process

    home = load_settings().home / "demo"
    end = floor_hour(datetime.now(UTC))
    with working("Writing sample conversations"):
        _clear(home)
        sample = write_sample(home, end=end, hours=HOURS)
    with sample_judge(sample) as judge:
        settings = demo_settings(home, end - HOURS * HOUR, judge.models)
        with working(f"Running {HOURS} hourly partitions through Dagster: ingest, extract, aggregate, publish"):
            failures = run_in_process(settings, end - HOURS * HOUR, end)
        first_known = datetime.now(UTC)
        with working("Some files arrive late; running the last hour again"):
            for file in sample.late.iterdir():
                shutil.copy(file, sample.landing)
            failures += run_in_process(settings, end - HOUR, end)
    store = Store(settings)
    with store.read() as con:
        summary = demo_summary(con, store.workspace_id, since=first_known)
    if as_json:
        emit_json({"home": home, "judge": _JUDGE, **asdict(summary), "failures": failures})
    else:
        _show(summary, sample, home)
    for failure in failures:
        complain(failure)
    if failures:
        raise typer.Exit(1)


def demo_settings(home: Path, start: datetime, models: Models) -> Settings:
    """The defaults in a folder of its own: nothing of the user's store, definitions or models is touched or asked."""
    return Settings(
        home=home,
        database=None,
        catalog=None,
        data_path=None,
        landing=None,
        definitions=builtin_definitions(),
        timezone="UTC",
        start=start,
        models=models,
    )


def _clear(home: Path) -> None:
    """Remove the demo before this one, and nothing else."""
    if not home.exists():
        return
    if not (home / _LABELS).exists():
        raise SettingsError(
            f"{home} exists and is not a demo; nothing was changed. Remove it or set METRIC_STORE_HOME."
        )
    shutil.rmtree(home)


def _show(summary: DemoSummary, sample: SampleTruth, home: Path) -> None:
    emit_table(
        ["channel", "traffic", "conversations", "turns", "tool failures", "escalated", "median seconds"],
        [
            (t.channel, t.traffic, t.conversations, t.turns, t.tool_failures, t.escalated, t.median_seconds)
            for t in summary.traffic
        ],
        title=f"{len(sample.conversations)} sample conversations of two days",
    )
    if summary.day is not None:
        emit("")
        emit_table(
            ["metric", "value", "unit", "n", "of", "95 % interval", "since the day before"],
            [_headline(headline) for headline in summary.headlines],
            title=f"Production on {summary.day:%F}",
            spare=("of", "unit", "95 % interval"),
        )
    if summary.restated:
        emit("")
        emit_table(
            ["metric", "period", "was", "is", "n was", "n is", "revision"],
            [
                (
                    r.key,
                    f"{r.granularity} {r.period_start:%F %H:%M}",
                    r.value_before,
                    r.value_after,
                    r.count_before,
                    r.count_after,
                    r.revision,
                )
                for r in summary.restated[:5]
            ],
            title=f"{len(sample.late_conversations)} conversations were completed by late files, which restated",
        )
    for refused in summary.refused:
        emit(f"\nRefused {Path(refused.url).name}, {refused.place}: {refused.detail} ({refused.reason})")
    emit(f"\n{_JUDGE}")
    states = summary.states
    counted = " + ".join(f"{count:,} {state}" for state, count in states.counts.items())
    emit(
        f"\nLedger: {states.eligible:,} eligible = {counted}. "
        f"{states.row_count:,} rows were checked, {states.unbalanced} do not add up."
    )
    emit(f"\nNext:  export METRIC_STORE_HOME={home}")
    for step in summary.next_steps:
        emit(f"       {step.command:<44} {step.purpose}")


def _headline(headline: Headline) -> tuple[Any, ...]:
    low, high = headline.interval_low, headline.interval_high
    change = None if headline.change is None else f"{headline.change:+.3g}"
    if headline.clear is False:
        change = f"{change} within the noise"
    elif headline.clear is None and change is not None:
        change = f"{change} cannot tell"
    elif headline.verdict is not None:
        change = f"{change} {headline.verdict}"
    return (
        f"{headline.key} (sample judge)" if headline.judged else headline.key,
        headline.value if headline.value_text is None else headline.value_text,
        headline.unit,
        headline.event_count,
        headline.eligible_count,
        None if low is None else f"{low:.4g} to {high:.4g}",
        change,
    )
