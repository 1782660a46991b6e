"""`demo` from an empty folder: sample to numbers through Dagster, in a folder of its own."""

from __future__ import annotations

import json
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest

from pipeline.bench.stage import Place
from pipeline.cli.demo import demo_settings
from pipeline.settings_models import Models

COMMAND = [sys.executable, "-c", "from pipeline.cli import main; main()", "demo", "--json"]


def test_a_newcomer_sees_reconciled_numbers_and_what_late_files_changed(tmp_path: Path) -> None:
    done = subprocess.run(COMMAND, cwd=tmp_path, capture_output=True, text=True, timeout=400, check=False)
    assert done.returncode == 0, done.stderr
    shown = json.loads(done.stdout)
    assert shown["failures"] == []
    states = shown["states"]
    assert states["eligible"] == sum(states["counts"].values()) > 10_000
    assert states["unbalanced"] == 0
    assert len(shown["refused"]) == 2
    assert len(shown["headlines"]) >= 10
    assert "sample judge" in shown["judge"]
    assert any(row["judged"] and row["event_count"] for row in shown["headlines"])
    assert "no_model" not in states["counts"]
    assert all(row["revision"] > 1 and row["count_after"] >= row["count_before"] for row in shown["restated"])
    assert shown["restated"]
    assert {path.name for path in tmp_path.iterdir()} == {".metric_store"}
    assert {path.name for path in (tmp_path / ".metric_store").iterdir()} == {"demo"}
    assert len(done.stderr.splitlines()) < 15, done.stderr


def test_neither_demo_nor_benchmark_touches_the_users_own_store(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("DATABASE", "DATA_PATH"):
        monkeypatch.setenv(f"METRIC_STORE_{name}", str(tmp_path / "theirs"))
    monkeypatch.setenv("METRIC_STORE_CATALOG", "postgresql://db/theirs")
    place = Place(tmp_path, 1.0)
    for settings in (demo_settings(tmp_path, datetime.now(UTC), Models()), place.settings(tmp_path)):
        assert (settings.catalog, settings.data_path) == (None, None)
        assert settings.database_path.parent == tmp_path
