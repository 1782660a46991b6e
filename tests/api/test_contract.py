"""The published contract: paths, names, limits, defaults, row shapes and status codes."""

from __future__ import annotations

import time
from datetime import timedelta
from itertools import pairwise
from typing import Any

import httpx2
import pytest
from api_server import NOW, TODAY, Server

CONTRACT_FIELDS = {
    *("metric_key", "metric_type", "value", "period_start", "period_end", "event_count", "source", "entity_type"),
    *("entity_id", "service_id", "run_id", "session_id", "avg_confidence", "unit", "computed_at"),
}


def get(client: httpx2.Client, path: str, **params: Any) -> Any:
    answer = client.get(path, params=params)
    assert answer.status_code == 200, answer.text
    return answer.json()


def test_latest_has_the_newest_row_of_a_metric_over_all_services(viewer: httpx2.Client) -> None:
    (row,) = get(viewer, "/metrics")["metrics"]
    assert row.keys() >= CONTRACT_FIELDS
    assert (row["metric_key"], row["metric_type"], row["source"], row["entity_id"], row["service_id"]) == (
        "voice_quality_score",
        "numerical",
        "production",
        None,
        None,
    )
    assert row["period_end"] == NOW.isoformat().replace("+00:00", "Z")
    assert row["interval"] == {"low": 1.0, "high": 9.0, "method": "hall"}
    assert (row["event_count"], row["eligible_count"], row["coverage"], row["revision"]) == (8, 10, 0.8, 1)
    assert sum(row["states"].values()) == row["eligible_count"]


def test_scope_entity_gives_one_row_for_each_call(viewer: httpx2.Client) -> None:
    rows = get(viewer, "/metrics", scope="entity")["metrics"]
    assert sorted(row["value"] for row in rows) == [60.0 + n for n in range(8)]
    assert {(row["entity_type"], row["event_count"]) for row in rows} == {("call", 1)}
    assert all(row["session_id"] == f"CA-{row['entity_id']}" for row in rows)
    start = {row["period_start"] for row in rows}
    assert start <= {(TODAY - timedelta(days=n)).isoformat().replace("+00:00", "Z") for n in (0, 1)}
    (one,) = get(viewer, "/metrics", scope="entity", session_id="CA-call-3", entity_type="call")["metrics"]
    assert one["entity_id"] == "call-3"


def test_scope_all_pages_through_aggregates_and_calls_alike(viewer: httpx2.Client) -> None:
    whole = get(viewer, "/metrics", scope="all")["metrics"]
    paged = [
        row
        for offset in range(0, 12, 4)
        for row in get(viewer, "/metrics", scope="all", limit=4, offset=offset)["metrics"]
    ]
    assert whole == paged
    assert len(whole) == 9


def test_an_aggregate_belongs_to_no_session(viewer: httpx2.Client) -> None:
    assert get(viewer, "/metrics", session_id="CA-call-3")["metrics"] == []


def test_history_is_newest_first_and_bounded(viewer: httpx2.Client) -> None:
    rows = get(viewer, "/metrics/voice_quality_score", granularity="day")["metrics"]
    assert [row["value"] for row in rows] == [80.0, 81.0, 83.0, 90.0]
    bounds = {"date_from": (TODAY - timedelta(days=3)).isoformat(), "date_to": TODAY.isoformat()}
    assert [
        row["value"] for row in get(viewer, "/metrics/voice_quality_score", granularity="day", **bounds)["metrics"]
    ] == [
        81.0,
        83.0,
    ]
    assert len(get(viewer, "/metrics/voice_quality_score", granularity="day", limit=2)["metrics"]) == 2
    simulated = get(viewer, "/metrics/voice_quality_score", granularity="day", source="simulation")["metrics"]
    assert [(row["value"], row["source"]) for row in simulated] == [(33.0, "simulation")]
    served = get(viewer, "/metrics/voice_quality_score", granularity="day", service_id="front_desk")["metrics"]
    assert [(row["value"], row["service_id"]) for row in served] == [(50.0, "front_desk")]


def test_a_trend_has_every_day_and_says_what_changed(viewer: httpx2.Client) -> None:
    answer = get(viewer, "/metrics/voice_quality_score/trend", days=5)
    rows = answer["metrics"]
    assert [row["value"] for row in rows] == [None, 83.0, None, 81.0, 80.0]
    assert [row["event_count"] for row in rows] == [0, 8, 0, 8, 8]
    assert [row["delta"] for row in rows] == [None, None, None, None, -1.0]
    assert (rows[-1]["direction"], rows[-1]["stands_out"]) == ("neutral", False), "within the noise"
    starts = [row["period_start"] for row in rows]
    assert starts == sorted(starts)
    assert answer["timezone"] == "UTC"


@pytest.mark.parametrize("zone", ["Europe/Berlin", "Asia/Kolkata", "America/St_Johns", "Pacific/Apia"])
@pytest.mark.parametrize("grain", ["day", "week", "month"])
def test_trends_in_any_zone_and_grain_have_no_gap(viewer: httpx2.Client, zone: str, grain: str) -> None:
    rows = get(viewer, "/metrics/voice_quality_score/trend", days=9, timezone=zone, granularity=grain)["metrics"]
    assert all(one["period_end"] == next_["period_start"] for one, next_ in pairwise(rows))
    assert sum(row["event_count"] for row in rows) > 0


@pytest.mark.parametrize("zone", ["Asia/Kolkata", "Asia/Kathmandu"])
def test_hours_add_up_to_a_day_of_another_zone(viewer: httpx2.Client, zone: str) -> None:
    """Neither is stored, so both are made of values: the hours of these zones start at half past or quarter to."""
    by_hour = get(viewer, "/metrics/voice_quality_score/trend", days=2, granularity="hour", timezone=zone)["metrics"]
    by_day = get(viewer, "/metrics/voice_quality_score/trend", days=2, timezone=zone)["metrics"]
    assert sum(day["event_count"] for day in by_day) == 8
    for day in by_day:
        inside = [
            row
            for row in by_hour
            if day["period_start"] <= row["period_start"] < day["period_end"] and row["event_count"]
        ]
        assert day["event_count"] == sum(row["event_count"] for row in inside)
        if inside:
            assert day["value"] == pytest.approx(
                sum(row["value"] * row["event_count"] for row in inside) / day["event_count"]
            )


def test_a_trend_in_any_zone_and_a_breakdown_are_one_number(viewer: httpx2.Client) -> None:
    (whole,) = get(viewer, "/metrics/voice_quality_score/breakdown", by="none")["groups"]
    for zone in ("Asia/Kolkata", "America/New_York"):
        rows = get(viewer, "/metrics/voice_quality_score/trend", days=5, granularity="month", timezone=zone)["metrics"]
        filled = [row for row in rows if row["event_count"]]
        assert sum(row["eligible_count"] for row in filled) == whole["metric"]["eligible_count"] == 9
        if len(filled) == 1:
            for name in ("value", "interval", "states", "coverage"):
                assert filled[0][name] == whole["metric"][name], (zone, name)


def test_single_values_carry_reasoning_and_the_reason_for_none(viewer: httpx2.Client) -> None:
    answer = get(viewer, "/metrics/voice_quality_score/values", status="all")
    assert answer["total"] == 9
    missing = [row for row in answer["values"] if row["status"] == "missing"]
    assert [(row["value"], row["entity_id"]) for row in missing] == [(None, "call-8")]
    assert answer["values"][0]["reasoning"] == "said so clearly"
    assert answer["values"][0]["evidence"] == [{"quote": "so sorry", "turn": 1}]


def test_breakdown_agrees_with_the_values(viewer: httpx2.Client) -> None:
    (group,) = get(viewer, "/metrics/voice_quality_score/breakdown", by="channel")["groups"]
    values = [60.0 + n for n in range(8)]
    assert (group["group"], group["metric"]["value"], group["metric"]["eligible_count"]) == (
        "voice",
        sum(values) / 8,
        9,
    )
    assert (group["minimum"], group["maximum"], group["percentiles"]["p50"]) == (60.0, 67.0, 63.5)
    assert group["metric"]["coverage"] == pytest.approx(8 / 9)
    assert group["metric"]["interval"]["low"] < group["metric"]["value"] < group["metric"]["interval"]["high"]


def test_a_call_has_its_values_by_id_and_by_sid(viewer: httpx2.Client) -> None:
    for call in ("call-2", "CA-call-2"):
        (row,) = get(viewer, f"/calls/{call}/metrics")["metrics"]
        assert (row["entity_id"], row["value"]) == ("call-2", 62.0)
    assert get(viewer, "/calls/nobody/metrics")["metrics"] == []


def test_conversations_by_outcome(viewer: httpx2.Client) -> None:
    def found(outcome: str, **more: Any) -> list[str]:
        answer = get(viewer, "/conversations", filter=outcome, **more)
        assert answer["total"] >= len(answer["conversations"])
        return [row["conversation_id"] for row in answer["conversations"]]

    high = '{"metric": "voice_quality_score", "op": "gte", "value": 65}'
    assert sorted(found(high)) == ["call-5", "call-6", "call-7"]
    not_six = '{"or": [{"metric": "voice_quality_score", "op": "in", "value": [61, 67]}, {"and": [HIGH]}]}'.replace(
        "HIGH", high
    )
    assert sorted(found(not_six)) == ["call-1", "call-5", "call-6", "call-7"]
    assert found('{"metric": "voice_quality_score", "op": "exists", "value": false}') == ["call-8"]
    sample = found(high, sample="random", seed="a", limit=2)
    assert sample == found(high, sample="random", seed="a", limit=2)
    assert len(sample) == 2


def test_one_conversation_has_turns_values_and_the_metrics_map(viewer: httpx2.Client) -> None:
    answer = get(viewer, "/conversations/call-4")
    assert answer["metrics"] == {"voice_quality_score": 64.0}
    assert answer["turns"][0]["text"] == "secret words"
    assert [row["status"] for row in answer["values"]] == ["ok"]


def test_runs_and_coverage_read_the_ledger(viewer: httpx2.Client) -> None:
    (run,) = get(viewer, "/runs")["runs"]
    assert (run["run_id"], run["eligible_count"], sum(run["states"].values())) == ("run-1", 10, 10)
    (row,) = get(viewer, "/runs/run-1")["rows"]
    assert row["metric_key"] == "voice_quality_score"
    rows = {row["metric_key"]: row for row in get(viewer, "/coverage", date_to=NOW.isoformat())["metrics"]}
    quality = rows["voice_quality_score"]
    assert (quality["hours"], quality["done"], quality["missing"], quality["failing"]) == (24, 1, 23, 0)
    assert [interval["end"] for interval in quality["missing_intervals"]] == [
        (NOW - timedelta(hours=1)).isoformat().replace("+00:00", "Z")
    ]


def test_answers_can_be_revalidated_and_are_compressed(viewer: httpx2.Client) -> None:
    first = viewer.get("/metrics")
    again = viewer.get("/metrics", headers={"If-None-Match": first.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")
    assert viewer.get("/metrics?limit=7", headers={"If-None-Match": first.headers["etag"]}).status_code == 200
    dated = viewer.get("/metrics", headers={"If-Modified-Since": first.headers["last-modified"]})
    assert dated.status_code == 304
    assert viewer.get("/metrics/catalog").headers["content-encoding"] == "gzip"


def test_a_new_publication_changes_the_etag_without_a_restart(server: Server, viewer: httpx2.Client) -> None:
    before = viewer.get("/metrics").headers["etag"]
    server.store.publish()
    after = viewer.get("/metrics", headers={"If-None-Match": before})
    assert after.status_code == 200
    assert after.headers["etag"] != before


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/metrics?limit=0", 422),
        ("/metrics?limit=501", 422),
        ("/metrics?limit=1000000000", 422),
        ("/metrics?offset=-1", 422),
        ("/metrics?source=real", 422),
        ("/metrics/nothing_here", 404),
        ("/metrics/Not-A-Key", 422),
        ("/metrics/voice_quality_score?limit=366", 422),
        ("/metrics/voice_quality_score?date_from=2026-02-01T00:00:00Z&date_to=2026-01-01T00:00:00Z", 422),
        ("/metrics/voice_quality_score?date_from=2026-02-01T00:00:00", 422),
        ("/metrics/voice_quality_score/trend?days=366", 422),
        ("/metrics/voice_quality_score/trend?timezone=Mars/Base", 422),
        ("/metrics/voice_quality_score/trend?timezone=../../etc/passwd", 422),
        ("/metrics/voice_quality_score/trend?days=365&granularity=hour", 422),
        ("/conversations?filter={", 422),
        ('/conversations?filter={"metric":"voice_quality_score","op":"gt","value":"a"}', 422),
        ('/conversations?filter={"metric":"no_such_metric","op":"gt","value":1}', 404),
        ("/conversations/nobody", 404),
        ("/runs/none", 404),
    ],
)
def test_what_cannot_be_asked_is_refused_with_a_reason(viewer: httpx2.Client, path: str, status: int) -> None:
    answer = viewer.get(path)
    assert answer.status_code == status, answer.text
    detail = answer.json()["detail"]
    assert all(problem["msg"] for problem in detail) if status == 422 else detail


def test_a_workspace_id_that_is_no_uuid_is_422(server: Server) -> None:
    with server.client() as client:
        assert client.get(f"{server.url}/v1/not-a-uuid/metrics").status_code == 422


def test_a_changed_file_is_seen_by_those_who_ask_by_date(server: Server, viewer: httpx2.Client) -> None:
    path = server.settings.definitions / "metrics" / "custom" / "file.yaml"
    text = path.read_text()
    before = viewer.get("/metrics/catalog").headers["last-modified"]
    try:
        path.write_text(text.replace("From a file", "Renamed"))
        deadline = time.monotonic() + 120
        while (answer := viewer.get("/metrics/catalog", headers={"If-Modified-Since": before})).status_code == 304:
            assert time.monotonic() < deadline
        assert "Renamed" in answer.text
    finally:
        path.write_text(text)
