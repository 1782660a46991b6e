"""Past one core: judged and python metrics in one process and in two. The set-based modes use every core by threads."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from pipeline.bench.data import SQL, write_events
from pipeline.bench.definitions import write_definitions
from pipeline.bench.history import DAY_ENDS, copy_of
from pipeline.bench.model_server import model_server
from pipeline.bench.stage import Answer, Competitor, Place, Run, Stage, times
from pipeline.bench.stages.rerun import judged
from pipeline.catalog import load_catalog
from pipeline.extract import extract
from pipeline.ingest import ingest
from pipeline.settings_models import ModelEndpoint, Models
from pipeline.store import Store, load_sql
from pipeline.window import Window

_CONVERSATIONS = {"judged": 5000, "coded": 2000}
"""At full size and at a tenth of it alike: with fewer, what a process costs to start is most of it."""
_LEAST = {"judged": 40, "coded": 200}
"""At any size; a python metric of 200 is worth two processes."""
_CONCURRENCY = 512
_MEDIAN, _SIGMA, _REFUSED = 0.1, 0.3, 0.0
_BASE: dict[str, Any] = {
    "metric_type": "numerical",
    "source": "call_intelligence",
    "event_types": ["call_intelligence.row"],
    "aggregation": "avg",
}
_JUDGED = 3
_CODE = """\
from difflib import SequenceMatcher
from itertools import combinations

def evaluate(conversation):
    texts = [turn.text for turn in conversation.turns if turn.text][:14]
    return max(SequenceMatcher(None, one, other).ratio() for one, other in combinations(texts, 2))
"""


def prepare(at: Place) -> None:
    """Conversations of about 1,500 tokens, questions about each, and a function of some milliseconds."""
    settings = at.settings(at.folder)
    coded = {"key": "coded", "name": "Coded", "extraction_mode": "python", "python_file": "alike.py"}
    write_definitions(settings.definitions, [*judged(_JUDGED), _BASE | coded])
    (settings.definitions / "python").mkdir()
    (settings.definitions / "python" / "alike.py").write_text(_CODE)
    file = at.folder / "events.ndjson"
    write_events(
        file, conversations=max(map(partial(_number, at), _LEAST)), length=20, words=60, span_seconds=20 * 3600
    )
    ingest(Store(settings), load_catalog(settings), settings, urls=[str(file)])


def _number(at: Place, what: str) -> int:
    return min(at.scaled(10 * _CONVERSATIONS[what], _LEAST[what]), _CONVERSATIONS[what])


def extracted(what: str, shards: int) -> Callable[[Run], Answer]:
    """What `metric-store run` does with the metrics of one kind and this setting."""

    def work(run: Run) -> Answer:
        on = copy_of(run.folder, run, run.scratch)
        with model_server(_MEDIAN, _SIGMA, _REFUSED) as url:
            endpoint = ModelEndpoint(model="benchmark", base_url=url, max_concurrency=_CONCURRENCY)
            changes = {"models": Models(default=endpoint), "cap": _number(run, what), "shards": shards}
            settings = on.settings.model_copy(update=changes)
            keys = [metric.key for metric in on.catalog.active if metric.key.startswith(what)]
            with run.clock():
                report = extract(on.store, on.catalog, settings, Window.ending(DAY_ENDS), keys=keys)
        with on.store.write() as con:
            ((values, digest),) = con.execute(load_sql(SQL, "values_digest")).fetchall()
        run.measures["values_a_second"] = values / run.parts["all"]
        return {f"{what}: states": [outcome.states for outcome in report.outcomes], f"{what}: values": digest}

    return work


def _name(what: str, shards: int) -> str:
    return f"{'floor: ' * (shards == 1)}{what}, {'one process' if shards == 1 else f'{shards} processes'}"


STAGE = Stage(
    name="shards",
    work="three judged metrics of 5,000 conversations, one of 10 ms of Python of 2,000: in one process and in two",
    cost="6 minutes, 1 GB",
    prepare=prepare,
    competitors=tuple(
        Competitor(
            _name(what, shards),
            extracted(what, shards),
            floor=_name(what, 1),
            rounds=2,
            warm_up=False,
            note=""
            if shards == 1
            else "split from 2,500 judged and 200 python values on; CPU and memory of the parent only",
        )
        for what in ("judged", "coded")
        for shards in (1, 2)
    ),
    bars=tuple(times(_name(what, 2), _name(what, 1), 0.7) for what in ("judged", "coded")),
)
