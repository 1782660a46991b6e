"""Limits before work: heads of requests, requests at once, parameters, HEAD, pages of other origins."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import urlsplit

import httpx2
import pytest
from api_server import Server, serving, start

PAGE = "https://board.example.com"


@pytest.fixture(scope="module")
def limited(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    folder = tmp_path_factory.mktemp("limited")
    settings, store, keys = start(folder, header_seconds=2.0, requests_at_once=3, cors_origins=(PAGE,))
    with serving(settings) as url:
        yield Server(url, settings, store, keys)


def connect(server: Server) -> socket.socket:
    address = urlsplit(server.url)
    return socket.create_connection((address.hostname, address.port), timeout=60)


def read_all(connection: socket.socket) -> bytes:
    parts = []
    try:
        while part := connection.recv(65536):
            parts.append(part)
    except ConnectionResetError:
        pass
    return b"".join(parts)


def test_a_head_that_never_ends_is_refused(limited: Server) -> None:
    with connect(limited) as endless:
        endless.sendall(b"GET /health HTTP/1.1\r\nX: ")
        with pytest.raises((ConnectionResetError, BrokenPipeError)):
            endless.sendall(b"y" * 200 * 2**20)
    with connect(limited) as large:
        large.sendall(b"GET /health HTTP/1.1\r\nX: " + b"z" * 70_000 + b"\r\n\r\n")
        assert read_all(large).startswith(b"HTTP/1.1 431")
    assert httpx2.get(f"{limited.url}/health", timeout=60).status_code == 200


def test_a_head_that_trickles_has_a_deadline(limited: Server) -> None:
    with connect(limited) as slow:
        slow.sendall(b"GET /health HTTP/1.1\r\nX: ")
        assert read_all(slow).startswith(b"HTTP/1.1 408")
    with connect(limited) as kept:  # the second request of a connection has its own
        kept.sendall(b"GET /health HTTP/1.1\r\nHost: x\r\n\r\n")
        assert kept.recv(65536).startswith(b"HTTP/1.1 200")
        kept.sendall(b"GET /health HTTP/1.1\r\nX: ")
        assert b"HTTP/1.1 408" in read_all(kept)


def test_a_key_has_a_share_of_what_is_answered_at_once(limited: Server) -> None:
    heavy = {"sql": "SELECT count(*) FROM range(3000000) a, range(100) b"}

    def ask(_: int) -> httpx2.Response:
        with limited.client("viewer") as client:
            return client.post("/query", json=heavy)

    with ThreadPoolExecutor(12) as threads:
        answers = list(threads.map(ask, range(12)))
    refused = [answer for answer in answers if answer.status_code == 429]
    assert refused
    assert all(answer.headers["retry-after"] == "1" for answer in refused)
    with limited.client("viewer") as client:
        answer = client.get("/metrics")
        assert answer.status_code == 200, "each that ended gave its place back"
        assert {name for name in answer.headers if name.startswith("ratelimit-")} == {
            "ratelimit-limit",
            "ratelimit-remaining",
            "ratelimit-reset",
        }


def test_a_parameter_that_does_not_exist_is_refused(limited: Server) -> None:
    with limited.client("viewer") as client:
        refused = client.get("/metrics", params={"sevice_id": "x"})
        assert refused.status_code == 422
        (problem,) = refused.json()["detail"]
        assert problem["loc"] == ["query", "sevice_id"]
        assert "service_id" in problem["msg"]
        with limited.client(None) as stranger:
            assert stranger.get("/metrics", params={"sevice_id": "x"}).status_code == 401


def test_head_is_get_without_the_body(limited: Server) -> None:
    with limited.client("viewer") as client:
        for path in ("/metrics", "/conversations", f"{limited.url}/health"):
            got, head = client.get(path), client.head(path)
            assert (head.status_code, head.content) == (200, b"")
            assert head.headers["content-type"] == got.headers["content-type"]
        assert client.head("/query").status_code == 405
    with limited.client(None) as stranger:
        assert stranger.head("/metrics").status_code == 401


def test_only_pages_on_the_list_may_call(limited: Server) -> None:
    with limited.client("viewer") as client:
        for origin, allowed in ((PAGE, PAGE), ("https://evil.example", None)):
            answer = client.get("/metrics", headers={"Origin": origin})
            assert answer.headers.get("access-control-allow-origin") == allowed
        asked = {"Origin": PAGE, "Access-Control-Request-Method": "GET"}
        assert client.options("/metrics", headers=asked).status_code == 200
