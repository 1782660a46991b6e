"""What a call can fail with."""

from __future__ import annotations

from typing import Any

from pipeline.errors import UserError


class RefusedError(UserError):
    """The server answered that it will not do it.

    Attributes:
        status: HTTP status.
        problems: with 422, everything that is wrong, as `{loc, msg, type}`.
        retry_after: with 429 and 503, seconds to wait.
    """

    def __init__(self, status: int, detail: Any, retry_after: float | None) -> None:
        self.status = status
        self.problems: list[dict[str, Any]] = detail if isinstance(detail, list) else []
        self.retry_after = retry_after
        lines = [f"{'.'.join(map(str, each['loc']))}: {each['msg']}" for each in self.problems] or [str(detail)]
        super().__init__(f"The server refused ({status}): {'; '.join(lines)}")


class UnreachableError(UserError):
    """No whole answer of a metric store came: the address is wrong, the server is down, or the network is."""
