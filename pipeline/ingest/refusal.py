"""Why something gave no event."""

from __future__ import annotations


class RefusedError(Exception):
    """A record or an item of it cannot be used; becomes a row of `rejected_records`, never reaches the caller.

    Args:
        reason: code, for example `wrong_type`.
        detail: what was found and what to write instead.
    """

    def __init__(self, reason: str, detail: str) -> None:
        super().__init__(detail)
        self.reason = reason
        self.detail = detail
