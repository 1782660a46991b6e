"""Input that means harm: a clear 4xx each, the server alive, memory flat."""

from __future__ import annotations

import json
import logging
import os
import socket
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import httpx2
import pytest
from api_server import OURS, Server, conversation, insert, serving

REFUSED_SQL = {
    "two statements": "SELECT 1; SELECT 2",
    "attach": "ATTACH '/tmp/x.duckdb'",
    "copy": "COPY (SELECT 1) TO '/tmp/x.csv'",
    "file function": "SELECT * FROM read_csv('/etc/passwd')",
    "file function in a subquery": "SELECT (SELECT max(content) FROM read_text('/etc/passwd'))",
    "file as a table": "SELECT * FROM '/etc/passwd'",
    "quoted file as a table": 'SELECT * FROM "/etc/passwd"',
    "glob": "SELECT * FROM glob('/*')",
    "keys": "SELECT * FROM api_keys",
    "keys behind a later WITH": "WITH a AS (SELECT * FROM api_keys), api_keys AS (SELECT 1) SELECT * FROM a",
    "keys beside a WITH": "SELECT * FROM api_keys, (WITH api_keys AS (SELECT 1 AS x) SELECT * FROM api_keys) q",
    "keys inside a recursive WITH": "WITH RECURSIVE q AS (SELECT 1 UNION ALL SELECT 1 FROM api_keys) SELECT * FROM q",
    "a schema": "SELECT * FROM main.metric_values",
    "the catalog": "SELECT * FROM information_schema.tables",
    "settings": "SELECT * FROM duckdb_settings()",
    "a setting": "SELECT current_setting('temp_directory')",
    "the environment": "SELECT getenv('HOME')",
    "a query from text": "SELECT * FROM query('SELECT 1')",
    "serialised SQL": "SELECT * FROM json_execute_serialized_sql('x')",
    "pragma": "PRAGMA database_list",
    "set": "SET memory_limit = '100GB'",
    "insert": "INSERT INTO metric_values SELECT * FROM metric_values",
    "delete": "DELETE FROM metric_values",
    "a parameter": "SELECT $1",
    "nothing": ";",
    "no SQL": "hello there",
    "an unclosed quote": "SELECT '",
    "bottomless nesting": "SELECT " + "(" * 5000 + "1" + ")" * 5000,
    "a name that is not there": "SELECT nonsense FROM metric_values",
    "a division of text": "SELECT 'a'::INTEGER",
    "too long": "SELECT " + "1+" * 20_000 + "1",
}


@pytest.fixture
def client(server: Server) -> Iterator[httpx2.Client]:
    with server.client("owner") as owner:
        yield owner
        assert owner.get("/metrics").status_code == 200  # alive after whatever it was


def resident() -> int:
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


@pytest.mark.parametrize("sql", REFUSED_SQL.values(), ids=REFUSED_SQL.keys())
def test_sql_that_is_not_one_harmless_select_is_refused(client: httpx2.Client, sql: str) -> None:
    answer = client.post("/query", json={"sql": sql})
    assert answer.status_code == 422, answer.text
    (problem,) = answer.json()["detail"]
    assert len(problem["msg"]) > 10
    assert "root:" not in answer.text
    assert "secret_hash" not in answer.text


def test_a_ten_way_cross_join_is_stopped(server: Server) -> None:
    tables = ", ".join(f"metric_values v{n}" for n in range(20))
    fast = server.settings.model_copy(
        update={"serve": server.settings.serve.model_copy(update={"sql_seconds": 1.0, "sql_memory": "64MB"})}
    )
    with serving(fast) as url, Server(url, fast, server.store, server.keys).client("viewer") as client:
        before = resident()
        for sql in (
            f"SELECT count(DISTINCT hash(v0.entity_id, v9.entity_id, v19.entity_id, random())) FROM {tables}",
            f"SELECT list(v0) FROM {tables}",
            f"SELECT * FROM {tables} ORDER BY random()",
            "WITH RECURSIVE t AS (SELECT 1 AS a UNION ALL SELECT a + 1 FROM t) SELECT max(a) FROM t",
            "SELECT sum(i) FROM range(1000000000000) t(i)",
        ):
            answer = client.post("/query", json={"sql": sql})
            assert answer.status_code == 422, (sql, answer.text[:200])
            assert "within" in answer.text or "memory" in answer.text or "fails" in answer.text
        assert resident() - before < 300e6
        limited = client.post("/query", json={"sql": "SELECT * FROM range(100000)", "limit": 10}).json()
        assert (len(limited["rows"]), limited["truncated"]) == (10, True)


def test_fifty_megabytes_are_refused_and_not_read(server: Server, client: httpx2.Client) -> None:
    before = resident()
    body = b'{"definitions": [' + b" " * (50 * 2**20) + b"]}"
    headers = {"Content-Type": "application/json"}
    for method, path in (("PUT", "/settings/metrics"), ("POST", "/events"), ("POST", "/query")):
        assert client.request(method, path, content=body, headers=headers).status_code == 413
    chunks = (b" " * 2**20 for _ in range(50))  # without Content-Length
    assert client.post("/events", content=chunks, headers=headers).status_code == 413
    del body
    assert resident() - before < 200e6


@pytest.mark.parametrize(
    "body",
    [
        b'{"definitions": ' + b"[" * 100_000,
        b"[" * 5000 + b"]" * 5000,
        b'{"definitions": [{"key": "\xff\xfe"}]}',
        b"",
        b'{"definitions": [{"valid_range_min": NaN}]}',
        b'{"definitions": [{"key": "\\ud800"}]}',
        b'{"definitions"',
        b"null",
    ],
    ids=["deep", "deep and closed", "invalid UTF-8", "empty", "NaN", "lone surrogate", "cut off", "null"],
)
def test_bodies_that_are_no_json_are_refused(client: httpx2.Client, body: bytes) -> None:
    headers = {"Content-Type": "application/json"}
    for method, path in (
        ("PUT", "/settings/metrics"),
        ("POST", "/events"),
        ("POST", "/query"),
        ("PATCH", "/settings/metrics"),
    ):
        answer = client.request(method, path, content=body, headers=headers)
        assert answer.status_code in (400, 422), (path, answer.text)
        assert answer.json()["detail"]


def test_an_event_nested_too_deeply_does_not_cost_its_neighbours(client: httpx2.Client) -> None:
    one = {"event_id": "flat", "event_type": "agent.turn", "occurred_at": "2026-04-28T21:11:42Z"}
    flat = json.dumps(one)
    for depth in (260, 1000):
        deep = flat[:-1] + ', "data": ' + '{"a":' * depth + "1" + "}" * depth + "}"
        answer = client.post("/events", content=f"[{deep}, {flat}]", headers={"Content-Type": "application/json"})
        assert answer.status_code == 202, answer.text
        assert (answer.json()["accepted"], [each["index"] for each in answer.json()["refused"]]) == (1, [0])


def test_a_filter_nested_too_deeply_is_refused(client: httpx2.Client) -> None:
    for depth in (9, 100, 600):
        text = '{"or":[' * depth + '{"metric":"from_file","op":"exists","value":true}' + "]}" * depth
        assert client.get("/conversations", params={"filter": text}).status_code == 422


def test_what_stands_in_a_path_or_query_is_only_text(client: httpx2.Client) -> None:
    for path in (
        "/metrics?service_id=' OR 1=1 --",
        "/metrics?scope=entity&entity_id=%00",
        "/conversations/%27%20OR%201=1",
        "/conversations/..%2f..%2fetc",
        "/runs/%F0%9F%92%A5",
        "/metrics?service_id=%ff%fe",
        "/metrics/voice_quality_score?date_from=9999-12-31T23:59:59Z",
        "/metrics/voice_quality_score?date_from=0001-01-01T00:00:00Z",
        "/coverage?date_to=0001-01-01T00:00:00Z",
        "/coverage?date_to=9999-12-31T23:59:59Z",
        "/metrics/voice_quality_score/breakdown?date_to=0001-01-01T00:00:00Z",
    ):
        answer = client.get(path)
        assert answer.status_code in (200, 404, 422), (path, answer.status_code)
        assert "call-1" not in answer.text


def test_bytes_that_are_no_http_cost_nothing(server: Server, client: httpx2.Client) -> None:
    address = urlsplit(server.url)
    for junk in (b"\x00" * 1000, b"GET / HTTP/9.9\r\n\r\n", b"POST /v1/ HTTP/1.1\r\nContent-Length: -5\r\n\r\n"):
        with socket.create_connection((address.hostname, address.port), timeout=10) as raw:
            raw.sendall(junk)
            assert b" 500 " not in raw.recv(1000)


def test_no_failure_shows_the_inside_of_the_server(server: Server, client: httpx2.Client) -> None:
    for answer in (
        client.get("/metrics/unknown_key"),
        client.put("/settings/metrics", json={"definitions": [{"key": 1}]}),
        client.post("/query", json={"sql": "SELECT x FROM metric_values"}),
        httpx2.get(f"{server.url}/v1/{OURS}/metrics", timeout=60),
    ):
        text = json.dumps(answer.json())
        assert "Traceback" not in text
        assert str(server.settings.home) not in text


def test_a_bug_is_logged_without_what_was_said(server: Server, caplog: pytest.LogCaptureFixture) -> None:
    with server.store.transaction() as con:
        insert(con, "conversations", [conversation("broken", intelligence='"secret words"')])
    server.store.publish()
    logging.getLogger("uvicorn.error").addHandler(caplog.handler)
    try:
        with server.client("owner") as owner:
            answer = owner.get("/conversations/broken")
    finally:
        logging.getLogger("uvicorn.error").removeHandler(caplog.handler)
    assert answer.status_code == 500
    assert answer.json()["detail"].split()[-1] in caplog.text.replace(")", ".")
    assert "secret words" not in answer.text + caplog.text
