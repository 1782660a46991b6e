"""Values and events -> what was counted in each hour of each period: the one way into an aggregate."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

import duckdb

from pipeline.aggregate.calendar import Span, joined, ticks_between
from pipeline.aggregate.intervals import register_intervals
from pipeline.aggregate.plan import Plans
from pipeline.errors import LedgerError
from pipeline.extract.events import create_event_values
from pipeline.store import load_sql, run_script
from pipeline.window import ceil_hour, floor_hour

SQL = "pipeline.aggregate.sql"


def enter_values(con: duckdb.DuckDBPyConnection, plans: Plans, spans: Sequence[Span], source: str) -> None:
    """Count what the periods hold.

    Args:
        con: a connection with `periods` (see `scope_hours.sql`), whose macros are installed.
        plans: of the metrics, registered on the connection.
        spans: of the periods, in UTC.
        source: the scripts that say which values and events there are, and in which group each is: `all` or `grouped`.
    """
    parameters: dict[str, object] = {
        "workspace_id": plans.workspace_id,
        "tick": ticks_between(spans),
    }
    run_script(con, "SET VARIABLE workspace_id = $workspace_id; SET VARIABLE tick = $tick", parameters)
    for script in ("tables", f"{source}_values", "entered"):
        run_script(con, load_sql(SQL, script))
    whole = [(floor_hour(start), ceil_hour(end)) for start, end in spans]  # the weight of an hour is that of all of it
    apart = joined(whole)  # an event of last year must not have the whole year read
    for metrics in plans.event_batches():
        create_event_values(con, metrics)
        run_script(con, load_sql(SQL, f"{source}_events"))
        _for_each(con, apart, ["event_observed"])
    for script in plans.counting_scripts:  # one after the other: the sums of powers count from what the first has found
        _for_each(con, apart, [script])
    if con.execute(load_sql(SQL, "left_out")).fetchall():
        run_script(con, load_sql("pipeline.extract.sql", "draw_of"))
        _for_each(con, apart, ["drawn"])
    for script in ("scope", "parts"):
        run_script(con, load_sql(SQL, script))


def finish(con: duckdb.DuckDBPyConnection, plans: Plans) -> None:
    """Merge what was counted into `period_rows`, a row for each period, class and category.

    Args:
        con: a connection on which the metrics' periods were counted.
        plans: of the metrics; what none of them needs is not run.

    Raises:
        LedgerError: a period's eligible values are not the sum of its states.
    """
    run_script(con, load_sql(SQL, "merge"))
    _check_ledger(con)
    for script in ("blank", *plans.merging_scripts, "estimates"):
        run_script(con, load_sql(SQL, script))
    register_intervals(con)
    run_script(con, load_sql(SQL, "finish"))


def instants(con: duckdb.DuckDBPyConnection, query: str) -> list[datetime]:
    """The one column of a query, as instants of UTC."""
    return [instant.astimezone(UTC) for (instant,) in con.execute(query).fetchall()]


def _for_each(con: duckdb.DuckDBPyConnection, spans: Sequence[Span], scripts: Sequence[str]) -> None:
    for since, until in spans:
        parameters: dict[str, object] = {"since": since, "until": until}
        run_script(con, "SET VARIABLE since = $since; SET VARIABLE until = $until", parameters)
        for script in scripts:
            run_script(con, load_sql(SQL, script))


def _check_ledger(con: duckdb.DuckDBPyConnection) -> None:
    broken = con.execute(load_sql(SQL, "unbalanced")).fetchall()
    if broken:
        key, version, period, eligible, states = broken[0]
        raise LedgerError(
            f"{key} ({version[:12]}) has {eligible} eligible values in the period from {period:%Y-%m-%d %H:%M} UTC "
            f"but its states add up to {states}. Nothing was written. Please report it."
        )
