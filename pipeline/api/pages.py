"""Lists that come in pages: where the next one is."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from fastapi import Request, Response

from pipeline.aggregate.queries import Row


def read_page(read: Callable[[int, int], list[Row]], limit: int, offset: int) -> tuple[list[Row], int]:
    """One page, and how many rows all pages have, which a page past the last one says too.

    Args:
        read: the rows for a limit and an offset, each with the `total` of all pages.
        limit: rows at most.
        offset: rows to skip.
    """
    rows = read(limit, offset)
    counted = rows if rows or not offset else read(1, 0)
    return rows, counted[0]["total"] if counted else 0


def link_next(request: Request, response: Response, *, offset: int, more: bool, **changes: Any) -> None:
    """Set `Link: <…>; rel="next"` (RFC 8288) on an answer that is not the last page.

    Args:
        request: for this page.
        response: for this page.
        offset: at which the next page starts.
        more: whether there is a next page.
        changes: other parameters that its URL must have.
    """
    if more:
        response.headers["Link"] = f'<{request.url.include_query_params(offset=offset, **changes)}>; rel="next"'
