"""Deployments on DuckLake, each with a catalog database of its own on one PostgreSQL server."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from lakes import empty_catalog

from pipeline.settings import Settings

Deploy = Callable[..., Settings]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Everything in this folder is marked `lake`."""
    for item in items:
        if item.path.is_relative_to(Path(__file__).parent):
            item.add_marker(pytest.mark.lake)


@pytest.fixture
def catalog(postgres_server: str) -> Iterator[str]:
    """URL of an empty database, dropped at the end."""
    with empty_catalog(postgres_server) as url:
        yield url


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
