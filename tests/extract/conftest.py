"""Conversations from canonical events through ingestion, and catalogs from definitions through validation."""

from __future__ import annotations

import json
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Any

import pytest

from pipeline.catalog import Catalog, load_catalog
from pipeline.extract import ExtractReport, extract
from pipeline.ingest import ingest
from pipeline.settings import Settings
from pipeline.store import Store
from pipeline.window import Window

START = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
WINDOW = Window.ending(START + timedelta(hours=12))


def definition(key: str, **fields: Any) -> dict[str, Any]:
    """A definition over call intelligence; `fields` win."""
    mode = fields.get("extraction_mode", "static")
    base = {"key": key, "name": key, "metric_type": "numerical", "source": "call_intelligence"}
    base["event_types"] = ["metric.written"] if mode == "written" else ["call_intelligence.row"]
    if mode == "written":
        base["source"] = "world_events"
    return base | fields


def event(conversation: str, event_type: str, minute: float | None = 0, **fields: Any) -> dict[str, Any]:
    """A canonical event, `minute` minutes after START; None: at an unknown instant."""
    data = {name: value for name, value in fields.items() if name not in ENVELOPE}
    envelope = {name: value for name, value in fields.items() if name in ENVELOPE}
    at = None if minute is None else (START + timedelta(minutes=minute)).isoformat()
    return {"conversation_id": conversation, "event_type": event_type, "occurred_at": at, "data": data} | envelope


ENVELOPE = {"event_id", "sequence", "domain", "origin", "channel", "direction", "service_id", "traffic", "tags"} | {
    "participant"
}


def ended(conversation: str, minute: float | None = 10, **summary: Any) -> list[dict[str, Any]]:
    """A conversation that consists of its end and its summary."""
    return [event(conversation, "call_intelligence.row", minute, **summary), event(conversation, "session.end", minute)]


def said(conversation: str, *turns: tuple[str, str], step: float = 1) -> list[dict[str, Any]]:
    """A settled conversation of (role, text) turns, `step` minutes apart."""
    spoken = [event(conversation, f"{role}.turn", at * step, text=text) for at, (role, text) in enumerate(turns)]
    return [*spoken, event(conversation, "session.end", len(turns) * step)]


class Bench:
    """A store that is filled and extracted the way a user does it."""

    START, WINDOW = START, WINDOW
    definition = staticmethod(definition)
    event = staticmethod(event)
    ended = staticmethod(ended)
    said = staticmethod(said)

    def __init__(self, store: Store, settings: Settings) -> None:
        self.store, self.settings = store, settings
        self.catalog = Catalog()
        self._files = count()

    def define(self, *definitions: dict[str, Any]) -> None:
        catalog = load_catalog(self.settings, api_definitions=definitions)
        assert not catalog.errors, catalog.errors
        keys = {entry["key"] for entry in definitions}
        self.catalog = Catalog(tuple(metric for metric in catalog.metrics if metric.key in keys))

    def define_in_files(self, *definitions: dict[str, Any]) -> None:
        """As `define`, from a file of the user's: code is not taken over HTTP."""
        file = self.settings.definitions / "metrics" / "custom" / "bench.yaml"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(json.dumps({"definitions": definitions}), encoding="utf-8")
        catalog = load_catalog(self.settings)
        assert not catalog.errors, catalog.errors
        keys = {entry["key"] for entry in definitions}
        self.catalog = Catalog(tuple(metric for metric in catalog.metrics if metric.key in keys))

    def add(self, *events: dict[str, Any] | Iterable[dict[str, Any]]) -> None:
        flat = [one for some in events for one in ([some] if isinstance(some, dict) else some)]
        folder = self.settings.home / "landing"
        folder.mkdir(parents=True, exist_ok=True)
        lines = "".join(json.dumps(one) + "\n" for one in flat)
        (folder / f"{next(self._files)}.ndjson").write_text(lines, encoding="utf-8")
        report = ingest(self.store, self.catalog, self.settings)
        assert not [file.failure for file in report.files if file.failure]

    def run(self, window: Window = WINDOW, **options: Any) -> ExtractReport:
        return extract(self.store, self.catalog, self.settings, window, **options)

    def sql(self, query: str, *parameters: Any) -> list[tuple[Any, ...]]:
        with self.store.write() as con:
            return con.execute(query, list(parameters)).fetchall()

    def values(self, key: str) -> dict[str, Any]:
        """Conversation → its value, or its state where it has none."""
        rows = self.sql(
            "SELECT entity_id, status, coalesce(to_json(value_number), to_json(value_boolean), to_json(value_text), "
            "to_json(value_list)) FROM metric_values WHERE metric_key = ? AND participant IS NULL "
            "AND segment_from IS NULL AND sample_index = 0",
            key,
        )
        assert len({row[0] for row in rows}) == len(rows)
        return {entity: json.loads(value) if status == "ok" else status for entity, status, value in rows}

    def below(self, key: str) -> list[tuple[Any, ...]]:
        """(conversation, participant, turn, status, value) of the rows below the conversation."""
        rows = self.sql(
            "SELECT entity_id, participant, segment_from, status, coalesce(to_json(value_number), "
            "to_json(value_boolean), to_json(value_text)) FROM metric_values WHERE metric_key = ? "
            "AND (participant IS NOT NULL OR segment_from IS NOT NULL) ORDER BY ALL",
            key,
        )
        return [(*row[:4], json.loads(row[4]) if row[4] else None) for row in rows]

    def clean(self) -> None:
        """Forget stale hours, as aggregation does."""
        self.sql("DELETE FROM stale_periods")

    def stale(self, key: str) -> set[datetime]:
        return {row[0].astimezone(UTC) for row in self.sql("SELECT hour FROM stale_periods WHERE metric_key = ?", key)}


@pytest.fixture
def bench(store: Store, settings: Settings) -> Bench:
    return Bench(store, settings)
