"""A store whose only custom definitions are those of STAR, and the comparison of its rows with another's."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from pipeline.catalog import Catalog, load_catalog
from pipeline.settings import Settings
from pipeline.store import Store
from pipeline.window import HOUR, Window, floor_hour

DEFINITIONS = Path(__file__).parent.parent / "acceptance" / "definitions" / "star.yaml"
FIRST, LAST = datetime(2020, 5, 12, tzinfo=UTC), datetime(2020, 5, 28, tzinfo=UTC)

TABLES = ("events", "conversations", "metric_values", "metric_periods")
OF_THE_RUN = (
    "run_id",
    "computed_at",
    "ingested_at",
    "first_arrival_at",
    "last_arrival_at",
    "file_id",
    "revision",
    "revision_reason",
    "superseded_at",
)


def deployment(home: Path) -> tuple[Settings, Store, Catalog, list[str]]:
    """An empty store whose only custom definitions are those of this test."""
    custom = home / "definitions" / "metrics" / "custom"
    custom.mkdir(parents=True)
    (custom / "star.yaml").write_text(DEFINITIONS.read_text())
    settings = Settings(home=home, definitions=home / "definitions")
    catalog = load_catalog(settings)
    assert catalog.errors == ()
    return settings, Store(settings), catalog, [m.key for m in catalog.metrics if m.key.startswith("star_")]


def this_hour() -> Window:
    """The window in which everything that has just arrived is looked at."""
    return Window.ending(floor_hour(datetime.now(UTC)) + HOUR)


Row = tuple[object, ...]


class End(float):
    """An end of an interval: it comes from fourth powers, of which rounding leaves more."""


def rows(store: Store, table: str) -> list[Row]:
    """The current rows of a table without what belongs to a run; undated conversations settle when they arrive."""
    with store.write() as con:
        columns = con.execute("SELECT column_name FROM duckdb_columns() WHERE table_name = ?", [table]).fetchall()
        kept = [name for (name,) in columns if name not in OF_THE_RUN]
        if table == "conversations":
            kept[kept.index("settled_at")] = "CASE WHEN ended_at IS NOT NULL THEN settled_at END"
        current = "WHERE superseded_at IS NULL" if table == "metric_periods" else ""
        found = con.execute(f"SELECT {', '.join(kept)} FROM {table} {current}").fetchall()
    ends = {at for at, name in enumerate(kept) if name in ("interval_low", "interval_high")}
    found = [tuple(End(x) if at in ends and x is not None else x for at, x in enumerate(row)) for row in found]
    return sorted(found, key=lambda row: [str(value) for value in row if not isinstance(value, float)])


def assert_same(found: list[Row], expected: list[Row]) -> None:
    """Equal rows; floats to 1e-9 relative, because the order of summation may differ, and ends of intervals to 1e-7."""
    assert len(found) == len(expected)
    for row, other in zip(found, expected, strict=True):
        for value, wanted in zip(row, other, strict=True):
            if value != wanted:
                assert isinstance(value, float), (row, other)
                assert value == pytest.approx(wanted, rel=1e-7 if isinstance(value, End) else 1e-9), (row, other)
