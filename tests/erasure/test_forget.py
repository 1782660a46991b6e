"""Erasing a conversation: no row, quote or byte of it is left, its numbers restate, and it does not come back."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from calls import PERIODS, VALUES, Deployment, call

from pipeline.aggregate import aggregate
from pipeline.erasure import forget, forget_and_publish
from pipeline.erasure.tables import CONVERSATION_TABLES, OTHER_TABLES
from pipeline.errors import SettingsError
from pipeline.ingest import ingest
from pipeline.store import Store


def _rounded(rows: list[tuple[Any, ...]]) -> list[tuple[Any, ...]]:
    """Sums of other rows in another order differ in the last digits."""
    return [tuple(float(f"{cell:.9g}") if isinstance(cell, float) else cell for cell in row) for row in rows]


def _equal_to_a_store_that_never_saw_them(tmp_path: Path, calls: int, erased: list[int]) -> None:
    some = Deployment(tmp_path / "some")
    some.land("a.ndjson", list(range(calls)))
    some.run()
    forget(some.store, some.settings, ids=[call(n)[0]["conversation_id"] for n in erased], actor="test")
    aggregate(some.store, some.catalog, some.settings)
    never = Deployment(tmp_path / "never")
    never.land("a.ndjson", [n for n in range(calls) if n not in set(erased)])
    never.run()
    assert some.rows(VALUES) == never.rows(VALUES)
    assert _rounded(some.rows(PERIODS)) == _rounded(never.rows(PERIODS))


def test_erasing_leaves_what_a_store_has_that_never_saw_them(tmp_path: Path) -> None:
    """Values and period rows of every metric, over conversations and over single events."""
    _equal_to_a_store_that_never_saw_them(tmp_path, 40, [3, 4, 17, 39])


@pytest.mark.long
def test_erasing_100_of_10000(tmp_path: Path) -> None:
    """As above, at length."""
    _equal_to_a_store_that_never_saw_them(tmp_path, 10_000, list(range(50, 10_000, 100)))


def test_no_byte_is_left_and_it_does_not_come_back(tmp_path: Path) -> None:
    """In neither file; not when its file is read again; and the audit log does not say who it was."""
    deployment = Deployment(tmp_path)
    deployment.land("a.ndjson", [1, 2, 3], '{"event_id": "conv-00002-x/bad", "text": "secret words of conv-00002-x"')
    named = deployment.landing / "conv-00002-x.ndjson"
    named.write_text(json.dumps(call(2)[0]) + "\n")
    deployment.run()
    files = [deployment.settings.database_path, deployment.settings.snapshot_path]
    assert all(b"conv-00002-x" in path.read_bytes() for path in files)
    found = forget_and_publish(deployment.store, deployment.settings, ids=["conv-00002-x"], actor="test")
    assert (found.conversations, found.events) == (1, 6)
    deployment.store.maintain()
    left = [path for path in deployment.settings.home.rglob("*") if path.is_file() and path.suffix != ".ndjson"]
    assert [path.name for path in left if b"conv-00002" in path.read_bytes() or b"caller-2" in path.read_bytes()] == []
    assert deployment.rows("SELECT actor, action, subject, detail FROM audit_log") == [
        ("test", "conversations.forget", None, f'{{"conversations":1,"events":6,"values":{found.values}}}')
    ]
    before = deployment.rows(VALUES), deployment.rows(PERIODS)
    deployment.land("b.ndjson", [2])
    report = ingest(deployment.store, deployment.catalog, deployment.settings)
    assert (report.event_count, report.rejected_count) == (0, 6)
    assert deployment.rows("SELECT DISTINCT reason, record FROM rejected_records WHERE url LIKE '%b.ndjson'") == [
        ("erased", None)
    ]
    deployment.run()
    assert (deployment.rows(VALUES), deployment.rows(PERIODS)) == before
    assert deployment.rows("SELECT conversation_id FROM conversations ORDER BY 1") == [
        ("conv-00001-x",), ("conv-00003-x",)
    ]  # fmt: skip


def test_hours_are_stale_with_the_reason(tmp_path: Path) -> None:
    """What a later revision of a period says about itself."""
    deployment = Deployment(tmp_path)
    deployment.land("a.ndjson", [1, 2, 3])
    deployment.run()
    forget(deployment.store, deployment.settings, participants=["caller-1"], sessions=["CA00003"], actor="test")
    assert deployment.rows("SELECT DISTINCT metric_key, reason FROM stale_periods ORDER BY 1") == [
        (key, "erased") for key in ("orders", "products", "score", "seconds")
    ] or deployment.rows("SELECT DISTINCT reason FROM stale_periods") == [("erased",)]
    assert deployment.rows("SELECT conversation_id FROM conversations") == [("conv-00002-x",)]


def test_an_id_that_was_never_seen_is_refused(tmp_path: Path) -> None:
    """Its delivery may be on its way."""
    deployment = Deployment(tmp_path)
    deployment.land("a.ndjson", [1])
    deployment.run()
    forget(deployment.store, deployment.settings, ids=["conv-00002-x"], actor="test")
    deployment.land("b.ndjson", [2])
    ingest(deployment.store, deployment.catalog, deployment.settings)
    assert deployment.rows("SELECT conversation_id FROM conversations") == [("conv-00001-x",)]


def test_another_key_is_noticed(tmp_path: Path) -> None:
    """Rather than letting in what was erased."""
    deployment = Deployment(tmp_path)
    deployment.land("a.ndjson", [1])
    deployment.run()
    forget(deployment.store, deployment.settings, ids=["conv-00001-x"], actor="test")
    (deployment.settings.home / "hash.key").write_text("0" * 64)
    deployment.land("b.ndjson", [1])
    with pytest.raises(SettingsError, match="another key"):
        ingest(deployment.store, deployment.catalog, deployment.settings)


ANSWER = """
INSERT INTO judge_answers BY NAME
SELECT $workspace AS workspace_id, hash AS request_hash, 'answered' AS outcome, 'a quote of ' || hash
    AS raw, 'm' AS model,
    'u' AS base_url, 'text' AS mode, 1 AS tokens_in, 0 AS tokens_cached, 1 AS tokens_out, 0 AS tokens_reasoning,
    0.25 AS cost_usd, 1.0 AS seconds, now() AS received_at, 'r' AS run_id
FROM (VALUES ('one'), ('two'), ('both'), ('nobody')) AS asked (hash)
"""
ASKED = """
INSERT INTO judge_requests
SELECT $workspace, hash, conversation
FROM (VALUES ('one', 'conv-00001-x'), ('two', 'conv-00002-x'), ('both', 'conv-00001-x'), ('both', 'conv-00002-x'))
    AS asked (hash, conversation)
"""


def test_answers_of_models_lose_their_words_and_keep_their_price(tmp_path: Path) -> None:
    """Those about the conversation, and those of which nobody knows what they are about; the others stay."""
    deployment = Deployment(tmp_path)
    with deployment.store.transaction() as con:
        for statement in (ANSWER, ASKED):
            con.execute(statement, {"workspace": deployment.store.workspace_id})
    forget(deployment.store, deployment.settings, ids=["conv-00002-x"], actor="test")
    assert deployment.rows("SELECT request_hash, outcome, raw FROM judge_answers ORDER BY ALL") == [
        ("erased/both", "erased", ""), ("erased/nobody", "erased", ""), ("erased/two", "erased", ""),
        ("one", "answered", "a quote of one"),
    ]  # fmt: skip
    assert deployment.rows("SELECT sum(cost_usd) FROM judge_answers") == [(1.0,)]
    assert deployment.rows("SELECT request_hash FROM judge_requests") == [("one",)]


SUSPICIOUS = """
SELECT DISTINCT table_name FROM duckdb_columns()
WHERE NOT internal AND database_name = current_database()
    AND table_name NOT IN (SELECT view_name FROM duckdb_views())
    AND (
        regexp_matches(column_name, 'conversation_id|entity_id|participant|session|quote|example|evidence|reasoning')
        OR regexp_matches(column_name, '^(raw|record|text|turns|document|url|body|detail|request_hash(es)?|id_hash)$')
    )
ORDER BY ALL
"""


def test_one_list_names_every_table_that_holds_something_of_a_conversation(store: Store) -> None:
    """A new table with such a column has to be thought about: `forget` empties it, or it says why it holds nothing."""
    with store.write() as con:
        found = {name for (name,) in con.execute(SUSPICIOUS).fetchall()}
        tables = {
            name for (name,) in con.execute("SELECT table_name FROM duckdb_tables() WHERE NOT internal").fetchall()
        }
    known = CONVERSATION_TABLES.keys() | OTHER_TABLES.keys() | {"metric_definitions", "settings_revisions"}
    assert found - known == set()
    assert CONVERSATION_TABLES.keys() | OTHER_TABLES.keys() <= tables
