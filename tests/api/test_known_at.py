"""Numbers as they stood at an earlier instant, with the distribution of that instant."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import httpx2
import pytest
from api_server import NOW, OURS, TODAY, Server, insert, period

KEY = "sentiment_then"
CORRECTED = NOW - timedelta(hours=1)
pytestmark = pytest.mark.both_stores


@pytest.fixture(scope="module", autouse=True)
def corrected(server: Server) -> None:
    """A day whose most frequent label was `glad` until it was corrected to `sad`."""
    body = f'{{"key": "{KEY}", "period_granularity": "daily"}}'
    definition = {"key": KEY, "version": "v1", "metric_type": "categorical", "managed_by": "file", "body": body}
    category: dict[str, Any] = {"metric_type": "categorical", "aggregation": "count", "unit": "count"}
    start = TODAY - timedelta(days=1)
    rows = []
    for label, n, since, until in (("glad", 5.0, 9, CORRECTED), ("sad", 8.0, 1, None)):
        state = {**category, "computed_at": NOW - timedelta(hours=since), "superseded_at": until}
        rows.append(period(KEY, "v1", start, n, value_text=label, **state))
        rows.append(period(KEY, "v1", start, n, category=label, share=1.0, **state))
    with server.store.transaction() as con:
        whole = {"workspace_id": OURS, **definition, "valid_from": NOW - timedelta(days=9)}
        insert(con, "metric_definitions", [whole])
        insert(con, "metric_periods", rows)
    server.store.publish()
    with server.client("owner") as owner:
        metric = {
            "key": KEY,
            "name": "Sentiment",
            "metric_type": "categorical",
            "source": "call_intelligence",
            "event_types": ["call_intelligence.row"],
            "extract_path": "$.sentiment",
        }
        assert owner.put("/settings/metrics", json={"definitions": [metric]}).status_code == 200


@pytest.mark.parametrize("path", ["/metrics", f"/metrics/{KEY}"])
@pytest.mark.parametrize(("hours", "label"), [(5, "glad"), (1, "sad"), (0, "sad"), (None, "sad"), (10, None)])
def test_rows_and_their_distribution_are_of_one_instant(
    viewer: httpx2.Client, path: str, hours: int | None, label: str | None
) -> None:
    params = {} if hours is None else {"as_known_at": (NOW - timedelta(hours=hours)).isoformat()}
    answer = viewer.get(path, params=params)
    assert answer.status_code == 200, answer.text
    rows = [row for row in answer.json()["metrics"] if row["metric_key"] == KEY]
    assert [(row["value"], [share["category"] for share in row["distribution"]]) for row in rows] == (
        [] if label is None else [(label, [label])]
    )


def test_a_page_beyond_the_period_rows_starts_in_the_calls(viewer: httpx2.Client) -> None:
    whole = viewer.get("/metrics", params={"scope": "all"}).json()["metrics"]
    for offset in (1, 2, 3, 9):
        page = viewer.get("/metrics", params={"scope": "all", "offset": offset, "limit": 2}).json()["metrics"]
        assert page == whole[offset : offset + 2]
    assert viewer.get("/metrics", params={"scope": "all", "offset": 10_000_000}).json()["metrics"] == []
