"""`Idempotency-Key`: what creates something is done once, however often and from however many threads it is sent."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import httpx2
import pytest
from api_server import OURS, Server

from pipeline.errors import RequestInUseError
from pipeline.workspace import idempotency

NEW_KEY = {"name": "once", "role": "viewer"}


def post(client: httpx2.Client, path: str, key: str, **options: object) -> httpx2.Response:
    return client.post(path, headers={"Idempotency-Key": key}, **options)  # type: ignore[arg-type]


def test_the_same_request_is_answered_again_and_not_done_again(server: Server) -> None:
    with server.client("owner") as owner:
        before = len(owner.get("/keys").json()["keys"])
        first = post(owner, "/keys", "make-1", json=NEW_KEY)
        again = post(owner, "/keys", "make-1", json=NEW_KEY)
        assert (first.status_code, again.status_code) == (201, 201), again.text
        assert first.json() == again.json()
        assert "idempotency-replayed" not in first.headers
        assert again.headers["idempotency-replayed"] == "true"
        assert len(owner.get("/keys").json()["keys"]) == before + 1
        with server.client(first.json()["key"]) as new:
            assert new.get("/metrics").status_code == 200
        assert post(owner, "/keys", "make-2", json=NEW_KEY).json() != first.json()


def test_the_key_with_another_request_is_refused(server: Server) -> None:
    with server.client("owner") as owner:
        assert post(owner, "/keys", "other-1", json=NEW_KEY).status_code == 201
        for path, body in (("/keys", {**NEW_KEY, "name": "else"}), ("/conversations/call-1/metrics", {"name": "A"})):
            refused = post(owner, path, "other-1", json=body)
            assert refused.status_code == 422
            assert refused.json()["type"] == "urn:metric-store:problem:idempotency-key-reused"
            assert refused.json()["detail"][0]["loc"] == ["header", "Idempotency-Key"]


def test_another_callers_same_key_is_another_one(server: Server) -> None:
    with server.client("owner") as owner, server.client("admin") as admin:
        body = {"name": "BOOKED"}
        one, other = (post(each, "/conversations/call-2/metrics", "shared", json=body) for each in (owner, admin))
        assert (one.status_code, other.status_code) == (202, 202)
        assert "idempotency-replayed" not in other.headers


def test_a_refused_request_may_be_sent_again(server: Server) -> None:
    with server.client("owner") as owner:
        assert post(owner, "/keys", "mend", json={"name": "", "role": "viewer"}).status_code == 422
        assert post(owner, "/keys", "mend", json=NEW_KEY).status_code == 201
    with server.client("viewer") as viewer:
        assert post(viewer, "/keys", "mend", json=NEW_KEY).status_code == 403


def test_of_many_at_once_one_is_done(server: Server) -> None:
    with server.client("owner") as owner:
        before = len(owner.get("/keys").json()["keys"])
        with ThreadPoolExecutor(8) as pool:
            answers = list(pool.map(lambda _: post(owner, "/keys", "many", json=NEW_KEY), range(8)))
        assert {answer.status_code for answer in answers} <= {201, 409}
        assert len({answer.text for answer in answers if answer.status_code == 201}) == 1
        for answer in answers:
            if answer.status_code == 409:
                assert answer.headers["retry-after"]
                assert answer.json()["type"] == "urn:metric-store:problem:idempotency-key-in-use"
        assert post(owner, "/keys", "many", json=NEW_KEY).status_code == 201
        assert len(owner.get("/keys").json()["keys"]) == before + 1


def test_what_a_killed_server_left_open_is_not_done_again(server: Server) -> None:
    once = idempotency.Once(OURS, "somebody", "", "killed", b"POST /keys")
    now = datetime.now(UTC)
    assert idempotency.begin(server.store, once, now) is None
    with pytest.raises(RequestInUseError, match="see whether it was done"):
        idempotency.begin(server.store, once, now)
    assert idempotency.begin(server.store, once, now + timedelta(hours=25)) is None, "kept for a day"


def test_no_secret_is_stored_in_the_clear(server: Server) -> None:
    with server.client("owner") as owner:
        key = post(owner, "/keys", "secret-1", json=NEW_KEY).json()["key"]
    with server.store.write() as con:
        rows = con.execute("SELECT answer, salt, key_hash, request_hash FROM idempotent_requests").fetchall()
    assert rows
    assert key.encode() not in repr(rows).encode()
    assert b"ms_" not in b"".join(row[0] or b"" for row in rows)


def test_keys_of_other_characters_are_refused_and_questions_need_none(server: Server) -> None:
    with server.client("owner") as owner:
        for key in ("", "with blank", "x" * 256):
            assert post(owner, "/keys", key, json=NEW_KEY).status_code == 422
        sql = {"sql": "SELECT 1 AS one"}
        assert [post(owner, "/query", "q", json=sql).status_code for _ in range(2)] == [200, 200]
