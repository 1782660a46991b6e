"""A definition that fails fails alone."""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Sequence

import duckdb

from pipeline.catalog.catalog import Metric
from pipeline.errors import InternalError, MetricStoreError

logger = logging.getLogger(__name__)

QUOTED = re.compile(r"['\"`](.*['\"`]|.*)", re.DOTALL)
"""What a message quotes, from the first mark to the last: it may itself hold quotes and lines."""
_FATAL = (InternalError, duckdb.IOException, duckdb.FatalException, duckdb.InterruptException)


def isolate(
    con: duckdb.DuckDBPyConnection, metrics: Sequence[Metric], work: Callable[[Sequence[Metric]], None]
) -> dict[str, str]:
    """Do the work for all metrics at once, or, when that raises, for each half, down to those that are to blame.

    Args:
        con: each attempt is a transaction of its own here, undone when it raises.
        metrics: what the work is about.
        work: does it for some of the metrics.

    Returns:
        One line for each metric that failed, by key.
    """
    if not metrics:
        return {}
    con.execute("BEGIN")
    try:
        work(metrics)
    except _FATAL:
        raise
    except Exception as error:  # the boundary at which one definition must not stop the others
        con.execute("ROLLBACK")
        if len(metrics) == 1:
            return {metrics[0].key: describe(metrics[0].key, error)}
        middle = len(metrics) // 2
        return isolate(con, metrics[:middle], work) | isolate(con, metrics[middle:], work)
    con.execute("COMMIT")
    return {}


def describe(key: str, error: Exception) -> str:
    """One line about a failure, without the data that may be quoted in a database's message."""
    if isinstance(error, MetricStoreError):
        logger.warning("%s failed: %s", key, error)
        return str(error)
    line = (QUOTED.sub("…", str(error)).splitlines() or [""])[0][:300]
    logger.error("%s failed: %s: %s", key, type(error).__name__, line)
    return f"{type(error).__name__}: {line}"
