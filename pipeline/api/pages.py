"""Lists that come in pages: where the next one is."""

from __future__ import annotations

from typing import Any

from fastapi import Request, Response


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
