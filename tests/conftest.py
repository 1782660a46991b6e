"""Fixtures shared by every test: settings and a store in a folder of their own, and the real data."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import lakes
import postgres
import pytest
from hypothesis import HealthCheck
from hypothesis import settings as hypothesis_settings

from pipeline.settings import Settings
from pipeline.store import Store

PROJECT = Path(__file__).parent.parent

# A suite that a shell starts in the background inherits an ignored SIGINT, and so would every process it starts.
signal.signal(signal.SIGINT, signal.default_int_handler)

# How long an example takes says how busy the machine is; and what failed must fail again.
_SLOW = [HealthCheck.too_slow]
hypothesis_settings.register_profile("suite", deadline=None, derandomize=True, suppress_health_check=_SLOW)
hypothesis_settings.load_profile("suite")

# Some images forbid bytecode. Then each of the hundreds of processes would compile all that it imports.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Run what is marked `both_stores` twice."""
    if metafunc.definition.get_closest_marker("both_stores"):
        kinds = ["file", pytest.param("lake", marks=pytest.mark.lake)]
        metafunc.parametrize("stored_in", kinds, indirect=True, scope="module")


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[str]:
    """URL of a PostgreSQL server, without a database."""
    if given := os.environ.get("METRIC_STORE_TEST_POSTGRES"):
        yield given.rstrip("/")
    elif (binaries := postgres.programs()) is None:
        pytest.skip("no PostgreSQL: install Debian's package postgresql, or set METRIC_STORE_TEST_POSTGRES to a URL")
    else:
        with postgres.running(binaries) as url:
            yield url


@pytest.fixture(scope="module", autouse=True)
def stored_in(request: pytest.FixtureRequest) -> Iterator[str]:
    """What stores are kept in while a test runs: files, or lakes. Fixtures of a module that make one ask for it."""
    stored_in = getattr(request, "param", "file")
    if stored_in == "file":
        yield stored_in
    else:
        with lakes.instead_of_files(request.getfixturevalue("postgres_server")):
            yield stored_in


@pytest.fixture(autouse=True)
def _isolated(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No setting of the developer's machine reaches a test, and no test writes into the checkout."""
    for name in list(os.environ):
        if name.startswith("METRIC_STORE_") and name != "METRIC_STORE_TEST_DATA":
            monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    """Settings of an empty deployment in a temporary folder."""
    return Settings(home=tmp_path / "home", definitions=tmp_path / "definitions")


@pytest.fixture
def store(settings: Settings) -> Store:
    """An empty store."""
    return Store(settings)


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Folder of real conversational data; the test is skipped where it is absent."""
    folder = Path(os.environ.get("METRIC_STORE_TEST_DATA") or PROJECT.parent / "shared" / "data").resolve()
    if not folder.is_dir():
        pytest.skip("real data is absent; set METRIC_STORE_TEST_DATA to its folder")
    return folder
