"""Fixtures of the API tests: a running server for each module, and clients with its keys."""

from __future__ import annotations

from collections.abc import Iterator

import httpx2
import pytest
from api_server import Server, serving, start


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, stored_in: str) -> Iterator[Server]:
    settings, store, keys = start(tmp_path_factory.mktemp("server"), segment_seconds=0.2)
    with serving(settings) as url:
        yield Server(url, settings, store, keys)


@pytest.fixture
def owner(server: Server) -> Iterator[httpx2.Client]:
    with server.client("owner") as client:
        yield client


@pytest.fixture
def viewer(server: Server) -> Iterator[httpx2.Client]:
    with server.client("viewer") as client:
        yield client
