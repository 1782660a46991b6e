"""A deployment whose judged metrics ask the sample judge: real files, real extraction, real HTTP."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Any

import pytest

from pipeline.catalog import Catalog, load_catalog
from pipeline.extract import ExtractReport, extract
from pipeline.ingest import ingest
from pipeline.sample.judge_server import SampleJudge
from pipeline.settings import Settings
from pipeline.store import Store
from pipeline.window import Window

START = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
WINDOW = Window.ending(START + timedelta(hours=12))


def score(key: str = "empathy", **fields: Any) -> dict[str, Any]:
    """A judged number from 1 to 10; `fields` win."""
    base: dict[str, Any] = {
        "key": key,
        "name": key,
        "metric_type": "numerical",
        "source": "call_intelligence",
        "event_types": ["call_intelligence.row"],
        "extraction_mode": "ai_query",
        "ai_query_prompt": f"How good is the {key} of {{data}}? Output ONLY a single integer.",
        "valid_range_min": 1,
        "valid_range_max": 10,
        "aggregation": "avg",
    }
    return {name: value for name, value in (base | fields).items() if value is not None}


def label(key: str = "topic", **fields: Any) -> dict[str, Any]:
    """A judged label; `fields` win."""
    base = {
        "metric_type": "categorical",
        "extraction_mode": "ai_classify",
        "ai_labels": ["billing", "scheduling", "other"],
        "aggregation": "count",
        "ai_query_prompt": None,
        "valid_range_min": None,
        "valid_range_max": None,
    }
    return score(key, **(base | fields))


def yes_no(key: str = "resolved", **fields: Any) -> dict[str, Any]:
    """A judged boolean; `fields` win."""
    base = {
        "metric_type": "boolean",
        "aggregation": "rate",
        "ai_query_prompt": f"Was it {key}?",
        "valid_range_min": None,
        "valid_range_max": None,
    }
    return score(key, **(base | fields))


class Bench:
    """A store that is filled, judged and read the way a user does it."""

    START, WINDOW = START, WINDOW
    score, label, yes_no = staticmethod(score), staticmethod(label), staticmethod(yes_no)

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.store = Store(settings)
        self.catalog = Catalog()
        self._files = count()

    def ask(self, judge: SampleJudge, **fields: Any) -> None:
        """Let every tier ask this server. Waits are long, as the machine may be busy."""
        models = {name: fields.pop(name) for name in ("budget", "redaction", "write_batch", "fast") if name in fields}
        endpoint = {"model": "judge-1", "base_url": judge.base_url, "timeout_seconds": 120, "retry_seconds": 120}
        self.configure({"default": endpoint | fields, **models})

    def configure(self, models: dict[str, Any]) -> None:
        """Use these model settings from now on, on the same store."""
        self.settings = Settings(
            home=self.settings.home, definitions=self.settings.definitions, models=models, threads=1
        )
        self.store = Store(self.settings)

    def define(self, *definitions: dict[str, Any]) -> None:
        """Use these definitions."""
        folder = self.settings.definitions / "metrics" / "custom"
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "bench.yaml").write_text(json.dumps({"definitions": definitions}))
        catalog = load_catalog(self.settings)
        assert not catalog.errors, catalog.errors
        keys = {entry["key"] for entry in definitions}
        self.catalog = Catalog(tuple(metric for metric in catalog.metrics if metric.key in keys))

    def talk(self, number: int, first: int = 0, words: int = 12) -> None:
        """Add settled conversations `c0000…` of four turns each."""
        events = []
        for index in range(first, first + number):
            turns = [
                ("agent", f"Hello, this is call {index}. How can I help you today?"),
                ("user", f"Hi, I have a question about invoice {index}. " + "Please look at it. " * (words // 4)),
                ("agent", "Of course, let me take care of that for you."),
                ("user", "Thank you, that is all I needed."),
            ]
            events += said(f"c{index:04}", *turns)
        self.add(events)

    def add(self, events: list[dict[str, Any]]) -> None:
        """Ingest canonical events."""
        folder = self.settings.home / "landing"
        folder.mkdir(parents=True, exist_ok=True)
        (folder / f"{next(self._files)}.ndjson").write_text("\n".join(map(json.dumps, events)))
        ingest(self.store, self.catalog, self.settings)

    def run(self, **arguments: Any) -> ExtractReport:
        """Extract the window."""
        arguments = {"now": WINDOW.end + timedelta(minutes=5)} | arguments
        return extract(self.store, self.catalog, self.settings, arguments.pop("window", WINDOW), **arguments)

    def query(self, sql: str, *parameters: Any) -> list[tuple[Any, ...]]:
        """Rows of the live database."""
        with self.store.write() as con:
            return con.execute(sql, list(parameters)).fetchall()

    def states(self, key: str) -> Counter[str]:
        """How many conversations' values are in each state."""
        rows = self.query(
            "SELECT status FROM metric_values WHERE metric_key = ? AND sample_index = 0 AND participant IS NULL "
            "AND segment_from IS NULL",
            key,
        )
        return Counter(status for (status,) in rows)

    def value(self, key: str, conversation: str = "c0000") -> dict[str, Any]:
        """The value of one conversation, by column."""
        with self.store.write() as con:
            result = con.execute(
                "SELECT * FROM metric_values WHERE metric_key = ? AND entity_id = ? AND sample_index = 0 "
                "AND participant IS NULL AND segment_from IS NULL",
                [key, conversation],
            )
            names = [column[0] for column in result.description]
            (row,) = result.fetchall()
        found = dict(zip(names, row, strict=True))
        return found | {"evidence": json.loads(found["evidence"]) if found["evidence"] else None}


def said(conversation: str, *turns: tuple[str, str], **summary: Any) -> list[dict[str, Any]]:
    """Events of a settled conversation of (role, text) turns, with a provided summary."""

    def event(event_type: str, second: int, **data: Any) -> dict[str, Any]:
        at = (START + timedelta(seconds=second)).isoformat()
        return {"conversation_id": conversation, "event_type": event_type, "occurred_at": at, "data": data}

    spoken = [event(f"{role}.turn", 5 * at, text=text) for at, (role, text) in enumerate(turns)]
    told = [event("call_intelligence.row", 5 * len(turns), **summary)] if summary else []
    return [*spoken, *told, event("session.end", 5 * len(turns))]


@pytest.fixture
def bench(settings: Settings) -> Bench:
    """An empty deployment."""
    return Bench(settings)


@pytest.fixture
def judge() -> Iterator[SampleJudge]:
    """A sample judge without faults."""
    with SampleJudge() as server:
        server.keep_requests = True
        yield server


@pytest.fixture
def serve() -> Iterator[Callable[..., SampleJudge]]:
    """Start sample judges; all are stopped at the end."""
    started: list[SampleJudge] = []

    def start(**arguments: Any) -> SampleJudge:
        started.append(SampleJudge(**arguments).start())
        return started[-1]

    yield start
    for server in started:
        server.stop()
