"""Asking a model about many conversations: how close to what latency and concurrency allow."""

from __future__ import annotations

import asyncio
import statistics
from collections.abc import Callable
from typing import Any

from pipeline.bench.data import write_events
from pipeline.bench.definitions import write_definitions
from pipeline.bench.history import DAY_ENDS, copy_of
from pipeline.bench.model_server import mean_latency, model_server
from pipeline.bench.stage import Answer, Bar, Competitor, Place, Results, Run, Stage, measured
from pipeline.catalog import load_catalog
from pipeline.extract import extract
from pipeline.ingest import ingest
from pipeline.judge.client import client_of
from pipeline.settings_models import ModelEndpoint, Models
from pipeline.store import Store
from pipeline.window import Window

_CALLS = 5000
_MEDIAN, _SIGMA, _REFUSED = 0.4, 0.3, 0.02
_CONCURRENCIES = (32, 128, 512)
_NAIVE_CALLS = 500
_KEY = "bench_quality"
_PROMPT = "How good was the agent, from 0 to 10?"


def prepare(at: Place) -> None:
    """Conversations of about 1,500 tokens, each with a question of its own to be asked once."""
    settings = at.settings(at.folder)
    definition: dict[str, Any] = {
        "key": _KEY,
        "name": "Quality",
        "metric_type": "numerical",
        "source": "call_intelligence",
        "event_types": ["call_intelligence.row"],
        "extraction_mode": "ai_query",
        "ai_query_prompt": _PROMPT,
        "aggregation": "avg",
    }
    write_definitions(settings.definitions, [definition])
    file = at.folder / "events.ndjson"
    write_events(file, conversations=at.scaled(_CALLS, least=20), length=20, words=60, span_seconds=20 * 3600)
    ingest(Store(settings), load_catalog(settings), settings, urls=[str(file)])


def ours(concurrency: int) -> Callable[[Run], Answer]:
    """What `metric-store run` does: plan, claim, ask, store answers and values."""

    def work(run: Run) -> Answer:
        on = copy_of(run.folder, run, run.scratch)
        calls = run.scaled(_CALLS, least=20)
        with model_server(_MEDIAN, _SIGMA, _REFUSED) as url:
            endpoint = ModelEndpoint(model="benchmark", base_url=url, max_concurrency=concurrency)
            settings = on.settings.model_copy(update={"models": Models(default=endpoint), "cap": calls})
            client_of(endpoint)  # once in a process
            with run.clock():
                report = extract(on.store, on.catalog, settings, Window.ending(DAY_ENDS), keys=[_KEY])
        run.measures["of_ideal"] = calls * mean_latency(_MEDIAN, _SIGMA) / concurrency / run.parts["all"]
        run.measures["cpu_ms"] = 1000 * run.cpu_seconds / calls
        run.measures["calls_a_core_second"] = calls / run.cpu_seconds
        return {"states": report.outcomes[0].states, "calls": report.outcomes[0].calls}

    return work


def client_for_each(run: Run) -> Answer:
    """A client for each call, all tasks made at once behind a semaphore; nothing is stored."""
    from openai import AsyncOpenAI

    calls = min(_NAIVE_CALLS, run.scaled(_CALLS, least=20))
    concurrency = 128
    with Store(run.settings(run.folder)).write() as con:
        rows = con.execute(
            "SELECT array_to_string(list_transform(turns, lambda turn: turn.role || ': ' || turn.text), chr(10))"
            " FROM conversations LIMIT ?",
            [calls],
        ).fetchall()

    async def everything(url: str) -> int:
        places = asyncio.Semaphore(concurrency)

        async def one(text: str) -> bool:
            async with places, AsyncOpenAI(base_url=url, api_key="none") as client:
                message = {"role": "user", "content": f"{text}\n{_PROMPT}"}
                answer = await client.chat.completions.create(model="benchmark", messages=[message])  # type: ignore[list-item]
                return bool(answer.choices[0].message.content)

        return sum(await asyncio.gather(*(one(text) for (text,) in rows)))

    with model_server(_MEDIAN, _SIGMA, _REFUSED) as url, run.clock():
        answered = asyncio.run(everything(url))
    run.share = calls / run.scaled(_CALLS, least=20)
    run.measures["of_ideal"] = calls * mean_latency(_MEDIAN, _SIGMA) / concurrency / run.parts["all"]
    run.measures["cpu_ms"] = 1000 * run.cpu_seconds / calls
    assert answered == calls
    return {}


def _name(concurrency: int) -> str:
    return f"{concurrency} at a time"


def _ceiling(results: Results) -> float:
    return statistics.median(results[_name(128)].measures["calls_a_core_second"])


STAGE = Stage(
    name="fanout",
    work="5,000 model calls, median 400 ms, 2 % refused with 429; from eligible conversations to stored values",
    cost="10 minutes, 1 GB",
    prepare=prepare,
    competitors=(
        *(Competitor(_name(concurrency), ours(concurrency)) for concurrency in _CONCURRENCIES),
        Competitor(
            "naive: gather, client per call",
            client_for_each,
            rounds=1,
            warm_up=False,
            note=f"128 at a time, {_NAIVE_CALLS} calls, scaled up",
        ),
    ),
    bars=(
        measured(_name(32), "of_ideal", "≥ 0.9 of N·L/C", 0.9, at_least=True),
        measured(_name(128), "of_ideal", "≥ 0.9 of N·L/C", 0.9, at_least=True),
        measured(_name(128), "cpu_ms", "CPU ≤ 2 ms a call", 2, " ms"),
        Bar(_name(128), "ceiling ≥ 500 calls a core and second", _ceiling, 500, "/s", at_least=True),
    ),
)
