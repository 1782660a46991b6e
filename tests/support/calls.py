"""A deployment with calls whose words and ids are found nowhere else, for what erases and expires."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from pipeline.aggregate import aggregate
from pipeline.catalog import Catalog, load_catalog
from pipeline.extract import extract
from pipeline.ingest import ingest
from pipeline.settings import Settings
from pipeline.store import Store
from pipeline.window import Window

DEFINITIONS = [
    {"key": "seconds", "metric_type": "numerical", "source": "call_intelligence",
     "event_types": ["call_intelligence.row"], "extract_path": "$.duration_seconds", "aggregation": "avg"},
    {"key": "p90_seconds", "metric_type": "numerical", "source": "call_intelligence",
     "event_types": ["call_intelligence.row"], "extract_path": "$.duration_seconds", "aggregation": "p90"},
    {"key": "score", "metric_type": "numerical", "source": "world_events", "event_types": ["metric.written"],
     "extraction_mode": "written", "written_name": "score", "aggregation": "avg"},
    {"key": "orders", "metric_type": "numerical", "source": "world_events", "event_types": ["order.placed"],
     "extract_path": "$.amount", "aggregation": "sum"},
    {"key": "products", "metric_type": "categorical", "source": "world_events", "event_types": ["order.placed"],
     "extract_path": "$.product", "aggregation": "count"},
    {"key": "order_rate", "metric_type": "numerical", "source": "call_intelligence",
     "event_types": ["call_intelligence.row"], "aggregation": "ratio", "ratio_numerator_metric": "orders",
     "ratio_denominator_metric": "seconds"},
]  # fmt: skip
VALUES = """
SELECT metric_key, entity_id, observed_at, traffic, service_id, status, value_number, value_text, content_hash
FROM current_values ORDER BY ALL
"""
PERIODS = """
SELECT * EXCLUDE (computed_at, revision, revision_reason, superseded_at, value_sum_cubes)
FROM current_periods ORDER BY ALL
"""


def call(number: int) -> list[dict[str, Any]]:
    """The events of one call; its words and ids are found nowhere else."""
    name = f"conv-{number:05d}-x"
    minute = f"2026-03-02T{9 + number % 3:02d}:{number % 60:02d}"
    base = {"conversation_id": name, "service_id": f"s{number % 3}", "channel": "voice"}
    events = [
        ("session.start", 0, {}),
        ("user.turn", 1, {"text": f"secret words of {name}", "duration_ms": 1000}),
        ("tool.call", 2, {"name": "order"}),
        ("order.placed", 3, {"amount": number % 7, "product": "abc"[number % 3]}),
        ("metric.written", 4, {"name": "score", "value": number % 5}),
        ("session.end", 10 + number % 40, {}),
    ]
    return [
        {**base, "event_id": f"{name}/{at}", "event_type": kind, "occurred_at": f"{minute}:{second:02d}Z", "data": data,
         "participant": f"caller-{number}", "session_id": f"CA{number:05d}"}
        for at, (kind, second, data) in enumerate(events)
    ]  # fmt: skip


class Deployment:
    """A store with its definitions, filled the way a user does it."""

    def __init__(self, home: Path) -> None:
        definitions = home / "definitions" / "metrics" / "custom"
        definitions.mkdir(parents=True)
        text = json.dumps({"definitions": [{"name": d["key"], **d} for d in DEFINITIONS]})
        (definitions / "d.yaml").write_text(text, encoding="utf-8")
        self.settings = Settings(home=home / "home", definitions=home / "definitions")
        self.store = Store(self.settings)
        found = load_catalog(self.settings)
        assert not found.errors, found.errors
        keys = {d["key"] for d in DEFINITIONS}
        self.catalog = Catalog(tuple(metric for metric in found.metrics if metric.key in keys))
        self.landing = self.settings.home / "landing"
        self.landing.mkdir(parents=True)

    def land(self, name: str, numbers: list[int], *extra: str) -> Path:
        path = self.landing / name
        lines = [json.dumps(event) for number in numbers for event in call(number)]
        path.write_text("\n".join([*lines, *extra]) + "\n", encoding="utf-8")
        return path

    def run(self) -> None:
        ingest(self.store, self.catalog, self.settings)
        extract(self.store, self.catalog, self.settings, window())
        aggregate(self.store, self.catalog, self.settings)
        self.store.publish()

    def rows(self, query: str) -> list[tuple[Any, ...]]:
        with self.store.write() as con:
            return con.execute(query).fetchall()


def window() -> Window:
    """The day of all calls."""
    return Window.ending(datetime(2026, 3, 2, 13, tzinfo=UTC))
