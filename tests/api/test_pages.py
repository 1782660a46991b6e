"""Lists in pages: `Link` leads through all of them, and the total is the same on each, past the last one too."""

from __future__ import annotations

from typing import Any

import httpx2
import pytest
from api_server import Server

LISTS = [
    ("/metrics", {"scope": "all"}, "metrics", 9),
    ("/metrics", {"scope": "entity"}, "metrics", 8),
    ("/metrics/voice_quality_score/values", {"status": "all"}, "values", 9),
    ("/conversations", {}, "conversations", 9),
    ("/conversations", {"sample": "random"}, "conversations", 9),
    ("/runs", {}, "runs", 1),
]


@pytest.mark.parametrize("limit", [1, 2, 3, 9, 10])
@pytest.mark.parametrize(("path", "params", "name", "count"), LISTS)
def test_following_links_gives_every_row_once(
    viewer: httpx2.Client, path: str, params: dict[str, Any], name: str, count: int, limit: int
) -> None:
    answer = viewer.get(path, params={**params, "limit": limit})
    rows, pages = answer.json()[name], 1
    while link := answer.links.get("next"):
        answer = viewer.get(link["url"])
        assert answer.json()[name], "a link to an empty page"
        assert answer.json().get("total", count) == count
        rows, pages = rows + answer.json()[name], pages + 1
    assert (len(rows), pages) == (count, -(-count // limit))
    assert len({str(row) for row in rows}) == count


def test_an_answer_that_is_held_has_its_link(viewer: httpx2.Client) -> None:
    first, again = (viewer.get("/conversations", params={"limit": 4}) for _ in range(2))
    assert first.headers["etag"] == again.headers["etag"]
    assert first.headers["link"] == again.headers["link"]


def test_past_the_last_page_there_is_a_total_and_no_link(server: Server) -> None:
    with server.client("viewer") as viewer:
        for path, params, name, count in LISTS[2:]:
            answer = viewer.get(path, params={**params, "offset": 1000})
            assert (answer.json()[name], answer.json()["total"]) == ([], count)
            assert "link" not in answer.headers
