"""Deployments on DuckLake, each with a catalog database of its own on one PostgreSQL server."""

from __future__ import annotations

import os
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

import postgres
import psycopg
import pytest

from pipeline.settings import Settings

Deploy = Callable[..., Settings]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Everything in this folder is marked `lake`."""
    for item in items:
        if item.path.is_relative_to(Path(__file__).parent):
            item.add_marker(pytest.mark.lake)


@pytest.fixture(scope="session")
def server() -> Iterator[str]:
    """URL of a PostgreSQL server, without a database."""
    if given := os.environ.get("METRIC_STORE_TEST_POSTGRES"):
        yield given.rstrip("/")
    elif (binaries := postgres.programs()) is None:
        pytest.skip("no PostgreSQL: install Debian's package postgresql, or set METRIC_STORE_TEST_POSTGRES to a URL")
    else:
        with postgres.running(binaries) as url:
            yield url


@pytest.fixture
def catalog(server: str) -> Iterator[str]:
    """URL of an empty database, dropped at the end."""
    name = f"metric_store_test_{uuid.uuid4().hex}"
    with psycopg.connect(f"{server}/postgres", autocommit=True) as session:
        session.execute(f"CREATE DATABASE {name}")
        yield f"{server}/{name}"
        session.execute(f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture
def lake(catalog: str, tmp_path: Path) -> Settings:
    """Settings of an empty deployment on a lake."""
    return Settings(
        home=tmp_path / "lake", definitions=tmp_path / "definitions", catalog=catalog, data_path=tmp_path / "data"
    )


@pytest.fixture
def both(lake: Settings, settings: Settings) -> dict[str, Settings]:
    """The same deployment twice: in one file, and on a lake."""
    return {"file": settings, "lake": lake}
