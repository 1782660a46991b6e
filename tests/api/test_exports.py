"""Downloads: whole files, only what the key may see, and no more of them at once than the server can sort."""

from __future__ import annotations

import io
import json
from datetime import UTC, datetime
from typing import Any

import httpx2
import pyarrow.csv
import pyarrow.parquet
import pytest
from api_server import NOW, OURS, THEIRS, Server, insert, value

from pipeline.workspace.keys import create_key

pytestmark = pytest.mark.both_stores

KEY = "voice_quality_score"


def lines(client: httpx2.Client, path: str) -> list[dict[str, Any]]:
    found = client.get(path)
    assert found.status_code == 200, found.text
    assert found.headers["content-type"] == "application/x-ndjson"
    return [json.loads(line) for line in found.text.splitlines()]


def test_a_conversation_has_its_values_or_why_it_has_none(viewer: httpx2.Client) -> None:
    found = {row["conversation_id"]: row for row in lines(viewer, "/exports/conversations")}
    assert found.keys() == {f"call-{n}" for n in range(9)}
    assert found["call-3"]["metrics"] == {KEY: 63.0}
    assert found["call-3"]["metric_status"] == {}
    assert found["call-8"]["metrics"] == {}
    assert found["call-8"]["metric_status"] == {KEY: "missing"}
    assert found["call-3"]["session_id"] == "CA-call-3"
    assert datetime.fromisoformat(found["call-3"]["started_at"]).tzinfo is not None
    assert "secret words" not in json.dumps(list(found.values()))


@pytest.mark.parametrize("kind", ["conversations", "periods", "values"])
def test_every_format_has_the_same_rows(viewer: httpx2.Client, kind: str) -> None:
    rows = lines(viewer, f"/exports/{kind}?source=all")
    parquet = viewer.get(f"/exports/{kind}?source=all&format=parquet")
    csv = viewer.get(f"/exports/{kind}?source=all&format=csv")
    assert parquet.headers["content-disposition"] == f'attachment; filename="{kind}.parquet"'
    assert csv.headers["content-type"] == "text/csv; charset=utf-8"
    assert csv.headers["x-undated-count"] == "0"
    frame = pyarrow.parquet.read_table(io.BytesIO(parquet.content))
    sheet = pyarrow.csv.read_csv(io.BytesIO(csv.content))
    assert rows
    assert list(rows[0]) == frame.column_names == sheet.column_names
    assert len(rows) == frame.num_rows == sheet.num_rows
    assert [frame.column(0)[n].as_py() for n in range(len(rows))] == [next(iter(row.values())) for row in rows]


def test_periods_are_all_columns_of_what_counts_at_present(viewer: httpx2.Client, server: Server) -> None:
    rows = lines(viewer, f"/exports/periods?metric_key={KEY}")
    with server.store.read() as con:
        columns = [name for name, *_ in con.execute("DESCRIBE metric_periods").fetchall()]
        expected = con.execute(
            "SELECT count(*) FROM current_periods WHERE workspace_id = ? AND traffic = 'production'", [OURS]
        ).fetchall()
    assert list(rows[0]) == columns
    assert [(len(rows),)] == expected
    assert {row["workspace_id"] for row in rows} == {OURS}
    front_desk = lines(viewer, "/exports/periods?service_id=front_desk")
    assert [row["value"] for row in front_desk] == [50.0]


def test_a_key_exports_only_the_metrics_and_words_that_it_may_read(server: Server) -> None:
    now = datetime.now(UTC)
    secret = create_key(
        server.store, "narrow", "viewer", actor="cli", now=now, metrics=["from_file"], transcripts=False
    )[1]
    deaf = create_key(server.store, "deaf", "viewer", actor="cli", now=now, transcripts=False)[1]
    with server.client(secret) as narrow:
        assert all(row["metrics"] == row["metric_status"] == {} for row in lines(narrow, "/exports/conversations"))
        assert lines(narrow, "/exports/values") == lines(narrow, "/exports/periods") == []
        assert narrow.get(f"/exports/values?metric_key={KEY}").status_code == 404
    with server.client(deaf) as client:
        rows = lines(client, "/exports/values")
        assert len(rows) == 9
        assert all(row["reasoning"] is row["evidence"] is row["error"] is None for row in rows)
    with server.client("viewer") as client:
        assert {row["reasoning"] for row in lines(client, "/exports/values")} == {"said so clearly"}
    with server.client("theirs") as client:
        client.base_url = f"{server.url}/v1/{THEIRS}"
        assert {row["conversation_id"] for row in lines(client, "/exports/conversations")} == {"theirs-1", "call-1"}


def test_several_labels_are_a_list_and_types_are_kept(server: Server) -> None:
    with server.store.transaction() as con:
        (version,) = con.execute("SELECT version FROM metric_definitions LIMIT 1").fetchall()[0]
        labels = value(KEY, version, "call-0", None, status="ok", value_list=["billing", "a,b"], sample_index=0)
        con.execute("DELETE FROM metric_values WHERE entity_id = 'call-0'")
        insert(con, "metric_values", [labels, {**labels, "sample_index": 1, "value_list": ["other"]}])
    server.store.publish()
    with server.client("viewer") as client:
        first = {row["conversation_id"]: row for row in lines(client, "/exports/conversations")}["call-0"]
        assert first["metrics"] == {KEY: ["billing", "a,b"]}
        csv = pyarrow.csv.read_csv(io.BytesIO(client.get("/exports/values?format=csv").content)).to_pylist()
    assert [json.loads(row["value_list"]) for row in csv if row["entity_id"] == "call-0"] == [
        ["billing", "a,b"],
        ["other"],
    ]


def test_what_cannot_be_asked(viewer: httpx2.Client, server: Server) -> None:
    assert viewer.get("/exports/audit").status_code == 422
    assert viewer.get("/exports/values?format=xlsx").status_code == 422
    late = {"date_from": NOW.isoformat(), "date_to": "2020-01-01T00:00:00Z"}
    assert viewer.get("/exports/values", params=late).status_code == 422
    assert lines(viewer, "/exports/conversations?date_to=2020-01-01T00:00:00Z") == []
