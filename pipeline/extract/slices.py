"""Writing what models and functions returned: one value that cannot be stored costs that value alone."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import duckdb

from pipeline.errors import MetricStoreError
from pipeline.extract.run_context import RunContext
from pipeline.extract.values import copied, write_values
from pipeline.judge.clean import clean_json

logger = logging.getLogger(__name__)

Slice = Sequence[dict[str, Any]]
Also = Callable[[duckdb.DuckDBPyConnection], None]
_FATAL = (MetricStoreError, duckdb.IOException, duckdb.FatalException, duckdb.InterruptException, MemoryError)


def write_slices(run: RunContext, slices: Sequence[Slice], blamed: str, also: Also | None = None) -> dict[int, str]:
    """Write rows, slice by slice, in one transaction.

    A slice that the database does not take is replaced by one row that has no value and says so.

    Args:
        run: the run.
        slices: for each value its row, then those it was folded from.
        blamed: state of a value that cannot be stored: `parse_error` or `error`.
        also: what else is written in the same transaction.

    Returns:
        The reason for each slice that was replaced, by its place.
    """
    cleaned = [[clean_json(row) if _odd(row) else row for row in rows] for rows in slices]
    return _write(run, list(enumerate(cleaned)), blamed, also)


def _write(run: RunContext, slices: Sequence[tuple[int, Slice]], blamed: str, also: Also | None) -> dict[int, str]:
    rows = [row for _, part in slices for row in part]
    if not rows:
        return {}
    try:
        with run.store.transaction("values") as con:
            write_values(con, run, rows)
            if also is not None:
                also(con)
    except _FATAL:
        raise
    except Exception as error:  # the boundary at which one value must not harm its neighbours
        if len(slices) > 1:
            middle = len(slices) // 2
            return _write(run, slices[:middle], blamed, also) | _write(run, slices[middle:], blamed, also)
        ((place, part),) = slices
        if set(part[0]) <= _KEPT:  # nothing is left that could be to blame
            raise
        reason = f"The value cannot be stored ({type(error).__name__})."
        logger.error("%s of %s: %s", part[0]["metric_key"], part[0]["entity_id"], reason)
        _write(run, [(place, [_without_value(part[0], blamed, reason)])], blamed, also)
        return {place: reason}
    return {}


_KEPT = {
    *("metric_key", "definition_version", "entity_id", "sample_index", "status", "attempts", "error", "model"),
    *("observed_at", "first_arrival_at", "traffic", "service_id", "content_hash"),
    *("tokens_in", "tokens_cached", "tokens_out", "cost_usd"),
}


def _without_value(row: Mapping[str, Any], status: str, reason: str) -> dict[str, Any]:
    """The row of a value with nothing in it that a model or a function wrote."""
    names = ("metric_key", "definition_version", "entity_id", "tokens_in", "tokens_cached", "tokens_out", "cost_usd")
    kept = {name: row[name] for name in names if name in row}
    attempts = row.get("attempts", 0) + (status == "error")
    told = {"status": status, "error": reason, "attempts": attempts, "sample_index": 0}
    return {**kept, **copied(row), **told}


def _odd(row: Mapping[str, Any]) -> bool:
    """Whether a text of the row is not plain Unicode."""
    texts = [part for value in row.values() for part in (value if isinstance(value, list) else [value])]
    return any(isinstance(text, str) and not (text.isascii() and "\x00" not in text) for text in texts)
