"""Failures have one shape (RFC 9457) beside the published contract's, and a request id that the log has, too."""

from __future__ import annotations

import logging
import socket
from typing import Any

import httpx2
import pytest
from api_server import Server

from pipeline.api.problems import TITLES

BASIC = {"type", "title", "status", "detail", "instance", "request_id"}


def check(answer: httpx2.Response, status: int, code: str) -> Any:
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    problem = answer.json()
    assert problem.keys() == BASIC
    assert problem["type"] == f"urn:metric-store:problem:{code}"
    assert (problem["status"], problem["title"]) == (status, TITLES[code])
    assert problem["request_id"] == answer.headers["x-request-id"]
    assert problem["instance"] == f"urn:metric-store:request:{problem['request_id']}"
    return problem["detail"]


def test_each_failure_has_its_code_and_todays_sentence(server: Server) -> None:
    with server.client("owner") as owner, server.client("viewer") as viewer, server.client(None) as nobody:
        assert check(nobody.get("/metrics"), 401, "unauthenticated").startswith("No key was sent.")
        assert "needs the role owner" in check(viewer.get("/keys"), 403, "forbidden")
        assert "nothing_here" in check(viewer.get("/metrics/nothing_here"), 404, "metric-not-found")
        assert "nobody" in check(viewer.get("/conversations/nobody"), 404, "conversation-not-found")
        assert "nothing" in check(viewer.get("/runs/nothing"), 404, "not-found")
        assert check(viewer.delete("/metrics"), 405, "method-not-allowed")
        stale = owner.put("/settings/metrics", json={"definitions": []}, headers={"If-Match": '"77"'})
        assert check(stale, 412, "revision-conflict")
        (problem,) = check(viewer.get("/metrics", params={"limit": 0}), 422, "invalid-request")
        assert problem.keys() == {"loc", "msg", "type"}
        (problem,) = check(viewer.get("/metrics", params={"sevice_id": "a"}), 422, "invalid-request")
        assert problem["loc"] == ["query", "sevice_id"]
        refused = check(
            owner.put("/settings/metrics", json={"definitions": [{"key": "x"}]}), 422, "definitions-refused"
        )
        assert refused
        assert check(httpx2.get(f"{server.url}/nowhere", timeout=60), 404, "not-found")
        assert check(owner.post("/query", content=b"x" * 9_000_000), 413, "too-large")


def test_a_request_id_is_taken_over_if_it_is_a_plain_token(server: Server, caplog: pytest.LogCaptureFixture) -> None:
    with server.client("viewer") as viewer, caplog.at_level(logging.INFO, "metric_store.api.requests"):
        answer = viewer.get("/metrics", headers={"X-Request-Id": "trace-1.a:B_2"})
        assert answer.headers["x-request-id"] == "trace-1.a:B_2"
        assert viewer.head("/metrics").headers["x-request-id"]
        assert (
            httpx2.get(f"{server.url}/health", timeout=60, headers={"X-Request-Id": "h"}).headers["x-request-id"] == "h"
        )
        for hostile in ("a b", "x" * 129, "<script>", 'a"b', "a%0d", ""):
            made = viewer.get("/metrics", headers={"X-Request-Id": hostile}).headers["x-request-id"]
            assert made != hostile
            assert len(made) == 16
    assert "GET" in caplog.text
    assert "(trace-1.a:B_2)" in caplog.text
    assert "ms_" not in caplog.text


def test_an_answer_that_is_held_or_not_modified_has_the_id_of_its_own_request(server: Server) -> None:
    with server.client("viewer") as viewer:
        first = viewer.get("/metrics", headers={"X-Request-Id": "first"})
        again = viewer.get("/metrics", headers={"X-Request-Id": "again"})
        assert (first.content, again.headers["x-request-id"]) == (again.content, "again")
        same = viewer.get("/metrics", headers={"X-Request-Id": "same", "If-None-Match": first.headers["etag"]})
        assert (same.status_code, same.headers["x-request-id"]) == (304, "same")


def test_what_the_protocol_refuses_has_the_same_shape(server: Server) -> None:
    address = httpx2.URL(server.url)
    with socket.create_connection((address.host, address.port), timeout=30) as connection:
        connection.sendall(b"GET /health HTTP/1.1\r\nHost: a\r\nX-Long: " + b"x" * 70_000 + b"\r\n\r\n")
        answer = b""
        while part := connection.recv(65_536):
            answer += part
    head, _, body = answer.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 431 Request Header Fields Too Large")
    assert b"application/problem+json" in head
    found = httpx2.Response(431, content=body).json()
    assert found.keys() == BASIC
    assert found["type"] == "urn:metric-store:problem:headers-too-large"
    assert found["request_id"].encode() in head
