"""Helpers of the ingestion tests: everything goes through `ingest` into a real store."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from pipeline.catalog.catalog import Catalog
from pipeline.catalog.loading import load_catalog
from pipeline.catalog.source_models import SourceMapping
from pipeline.ingest import IngestReport, ingest
from pipeline.settings import Settings
from pipeline.store import Store


@dataclass
class Pipe:
    """A store, the folder its files come from, and short ways to fill the one from the other."""

    store: Store
    settings: Settings
    folder: Path
    catalog: Catalog = field(default_factory=Catalog)

    def write(self, name: str, *records: object) -> Path:
        """One line for each record; text and bytes as they are; gzipped by the name's ending."""
        lines = [
            record
            if isinstance(record, bytes)
            else record.encode()
            if isinstance(record, str)
            else json.dumps(record).encode()
            for record in records
        ]
        data = b"".join(line + b"\n" for line in lines)
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(gzip.compress(data) if name.endswith(".gz") else data)
        return path

    def ingest(self, *urls: object, mapping: dict[str, Any] | None = None, **arguments: Any) -> IngestReport:
        """Ingest the folder, or some files of it; `mapping` is used for all of them."""
        catalog = self.catalog
        if mapping is not None:
            source = SourceMapping.model_validate({"key": "test", **mapping})
            catalog, arguments["source"] = Catalog(sources={"test": source}), "test"
        wanted = [str(url) for url in urls] or [str(self.folder)]
        return ingest(self.store, catalog, self.settings, urls=wanted, **arguments)

    def rows(self, query: str, *parameters: object) -> list[tuple[Any, ...]]:
        """Rows of a query on the live store."""
        with self.store.write() as con:
            return con.execute(query, parameters).fetchall()

    def rejected(self) -> list[tuple[str, str]]:
        """Place and reason of every refused record."""
        return self.rows("SELECT place, reason FROM rejected_records ORDER BY url, place, reason")  # type: ignore[return-value]

    def contents(self) -> dict[str, list[tuple[Any, ...]]]:
        """What must not depend on how and when the data arrived."""
        return {
            "events": self.rows("SELECT * EXCLUDE (ingested_at, file_id) FROM events ORDER BY event_id"),
            "conversations": self.rows(
                "SELECT * EXCLUDE (first_arrival_at, last_arrival_at) "
                "REPLACE (if(ended_at IS NULL, NULL, settled_at) AS settled_at) "
                "FROM conversations ORDER BY conversation_id"
            ),
        }


def _pipe(home: Path, catalog: Catalog | None = None, **settings: Any) -> Pipe:
    chosen = Settings(home=home / "home", definitions=home / "definitions", **settings)
    folder = home / "in"
    folder.mkdir(parents=True, exist_ok=True)
    return Pipe(Store(chosen), chosen, folder, catalog or Catalog())


@pytest.fixture(scope="session")
def new_pipe() -> Callable[..., Pipe]:
    """Makes a pipe in a folder of the test's own."""
    return _pipe


@pytest.fixture
def pipe(tmp_path: Path) -> Pipe:
    """An empty store and an empty folder."""
    return _pipe(tmp_path)


@pytest.fixture(scope="session")
def shipped_sources(tmp_path_factory: pytest.TempPathFactory) -> Catalog:
    """The catalog with the mappings that the project ships."""
    return load_catalog(Settings(home=tmp_path_factory.mktemp("home"), definitions=Path("none")))


@pytest.fixture(scope="session")
def turns() -> Callable[..., list[dict[str, Any]]]:
    """Makes the events of a small conversation."""

    def make(
        conversation: str = "c1", texts: Sequence[str] = ("Hello", "Hi, how can I help?"), **fields: Any
    ) -> list[dict[str, Any]]:
        return [
            {
                "event_id": f"{conversation}/{index}",
                "conversation_id": conversation,
                "event_type": ("user.turn", "agent.turn")[index % 2],
                "occurred_at": f"2026-01-05T10:00:{index:02d}Z",
                "sequence": index,
                "data": {"text": text},
                **fields,
            }
            for index, text in enumerate(texts)
        ]

    return make
