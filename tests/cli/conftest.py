"""Two days of sample conversations, shared by the tests of the command line."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from pipeline.sample import write_sample


@pytest.fixture(scope="session")
def landing(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("sample")
    return write_sample(folder, end=datetime(2026, 3, 12, 15, tzinfo=UTC), conversations=40).landing
