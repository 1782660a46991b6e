"""Tokens that are paid for, beside what could not be saved."""

from __future__ import annotations

from typing import Any

import httpx2
import orjson

from pipeline.bench.data import FIRST, write_events
from pipeline.bench.definitions import write_definitions
from pipeline.bench.history import copy_of
from pipeline.bench.stage import Answer, Competitor, Place, Run, Stage, measured
from pipeline.bench.stages.rerun import judged
from pipeline.hourly import backfill
from pipeline.ingest import ingest
from pipeline.sample.judge_server import SampleJudge
from pipeline.window import HOUR, Window

_METRICS = 10
_HOURS = 24


def prepare(at: Place) -> None:
    """Conversations of one hour, with some 1,500 tokens each, and the judged definitions."""
    settings = at.settings(at.folder / "home")
    write_definitions(settings.definitions, judged(_METRICS))
    file = settings.home / "landing" / "hour.ndjson"
    write_events(file, conversations=min(at.scaled(5000, 5), 500), length=20, words=60, span_seconds=3000)


def ours(run: Run) -> Answer:
    """The hourly runs of a day, of which every window holds every conversation."""
    on = copy_of(run.folder / "home", run, run.scratch)
    keys = [f"judged_{at}" for at in range(_METRICS)]
    ingest(on.store, on.catalog, on.settings)
    with SampleJudge() as judge:
        judge.keep_requests = True
        settings = on.settings.model_copy(update={"models": judge.models})
        with run.clock():
            for window in Window.each_hour(FIRST + HOUR, FIRST + (1 + _HOURS) * HOUR):
                backfill(on.store, on.catalog, settings, [window], keys=keys, ingest_first=False)
        paid, asked = judge.count.tokens - judge.count.repeated, judge.requests
    floor, whole = _once_each(asked)
    run.measures["ratio"] = paid / floor
    run.measures["naive_ratio"] = _HOURS * whole / floor
    run.measures["tokens"] = paid
    return {"questions": len({_text(body) for body in asked}), "asked": len(asked)}


def _once_each(asked: list[dict[str, Any]]) -> tuple[int, int]:
    """Tokens when each question is asked once, those of a conversation one after the other; and without any prefix."""
    bodies = sorted({_text(body): body for body in asked}.items())
    with SampleJudge() as judge, httpx2.Client() as client:
        for _, body in bodies:
            client.post(f"{judge.base_url}/chat/completions", json=body).raise_for_status()
        return judge.count.tokens - judge.count.repeated, judge.count.tokens


def _text(body: dict[str, Any]) -> str:
    return orjson.dumps(body["messages"]).decode()


_OURS = "24 hourly runs"

STAGE = Stage(
    name="cost",
    work="10 judged metrics x 500 conversations x 24 hourly runs: tokens at full price",
    cost="4 minutes, 1 GB",
    prepare=prepare,
    competitors=(Competitor(_OURS, ours, rounds=1, warm_up=False),),
    bars=(
        measured(_OURS, "ratio", "tokens ≤ 1.05x each question once behind a shared prefix", 1.05, "x"),
        measured(_OURS, "naive_ratio", "naive: every hour anew, rubric first, pays ≥ 50x", 50, "x", at_least=True),
    ),
)
