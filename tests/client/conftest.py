"""The server of the API tests."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from api_server import Server, serving, start


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    settings, store, keys = start(tmp_path_factory.mktemp("server"), segment_seconds=0.2)
    with serving(settings) as url:
        yield Server(url, settings, store, keys)
