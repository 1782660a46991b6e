"""Values -> period rows, for the periods that the values no longer agree with."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

import duckdb
import pyarrow as pa

from pipeline.aggregate.calendar import Span, local_day_of, local_days, register_spans
from pipeline.aggregate.enter import SQL, enter_values, finish, instants
from pipeline.aggregate.plan import Plans
from pipeline.catalog.catalog import Catalog
from pipeline.settings import Settings
from pipeline.store import Store, load_sql, run_script

_READS = pa.schema(
    [
        ("metric_key", pa.string()),
        ("definition_version", pa.string()),
        ("read_key", pa.string()),
        ("read_version", pa.string()),
    ]
)


@dataclass(frozen=True)
class AggregatedMetric:
    """What one aggregation did to the period rows of one metric version.

    Attributes:
        periods: hours and days recomputed.
        added: rows that had no current row before them.
        changed: rows that got a new revision.
        unchanged: rows left as they were.
        superseded: rows whose group or category has no values any more.
    """

    key: str
    version: str
    periods: int
    added: int
    changed: int
    unchanged: int
    superseded: int


@dataclass(frozen=True)
class AggregateReport:
    """What one aggregation did.

    Attributes:
        metrics: by key and version.
        unknown: metric versions, as (key, version), of which no definition is stored; their hours stay stale.
    """

    metrics: tuple[AggregatedMetric, ...] = ()
    unknown: tuple[tuple[str, str], ...] = ()

    @property
    def periods(self) -> int:
        """Periods recomputed, over all metrics."""
        return sum(metric.periods for metric in self.metrics)

    @property
    def added(self) -> int:
        """Rows added, over all metrics."""
        return sum(metric.added for metric in self.metrics)

    @property
    def changed(self) -> int:
        """Rows with a new revision, over all metrics."""
        return sum(metric.changed for metric in self.metrics)

    @property
    def unchanged(self) -> int:
        """Rows left as they were, over all metrics."""
        return sum(metric.unchanged for metric in self.metrics)

    @property
    def superseded(self) -> int:
        """Rows that ended without a successor, over all metrics."""
        return sum(metric.superseded for metric in self.metrics)


def aggregate(
    store: Store,
    catalog: Catalog,
    settings: Settings,
    *,
    keys: Sequence[str] | None = None,
    now: datetime | None = None,
) -> AggregateReport:
    """Recompute the stale hours, and the local days that they are part of, in one transaction.

    A metric version that the catalog no longer holds is aggregated by its stored definition. When the workspace's zone
    has changed, the days of the old zone are replaced.

    Args:
        store: where values are read and period rows written.
        catalog: the definitions in use.
        settings: `timezone` says where days start.
        keys: only these metrics; the others stay stale.
        now: the instant written as `computed_at` and `superseded_at`.

    Raises:
        LedgerError: a period's eligible values are not the sum of its states; nothing is written.
    """
    with store.transaction("values") as con:
        run_script(con, load_sql(SQL, "macros"))
        plans = _take_stale(con, store.workspace_id, catalog, settings, keys)
        if not plans.plans:
            return AggregateReport(unknown=tuple(plans.unknown))
        _enter(con, plans, settings)
        finish(con, plans)
        instant = _not_before_the_last(con, now or datetime.now(UTC))
        run_script(con, load_sql(SQL, "revise"), {"workspace_id": store.workspace_id, "now": instant})
        rows = con.execute(load_sql(SQL, "report")).fetchall()
    return AggregateReport(tuple(AggregatedMetric(*row) for row in rows), tuple(plans.unknown))


def _take_stale(
    con: duckdb.DuckDBPyConnection, workspace_id: str, catalog: Catalog, settings: Settings, keys: Sequence[str] | None
) -> Plans:
    """Create `taken`, the stale hours to deal with, and `plan`."""
    reads = [
        {
            "metric_key": metric.key,
            "definition_version": metric.version,
            "read_key": read,
            "read_version": catalog.by_key[read].version,
        }
        for metric in catalog.active
        for read in {metric.definition.ratio_numerator_metric, metric.definition.ratio_denominator_metric}
        if metric.definition.aggregation == "ratio" and read in catalog.by_key
    ]
    con.register("reads", pa.Table.from_pylist(reads, _READS))
    zones = con.execute("SELECT timezone FROM period_zones WHERE workspace_id = ?", [workspace_id]).fetchall()
    same_zone = zones == [(settings.timezone,)]
    register_spans(con, "foreign_days", [] if same_zone else _foreign_days(con, workspace_id, settings))
    run_script(con, load_sql(SQL, "stale"), {"workspace_id": workspace_id, "keys": keys and list(keys)})

    plans = Plans(con, workspace_id, catalog)
    plans.add_all(con.execute("SELECT DISTINCT metric_key, definition_version FROM taken ORDER BY ALL").fetchall())
    plans.register()
    if not same_zone and keys is None and not plans.unknown:  # this transaction deals with every foreign day
        con.execute("DELETE FROM period_zones WHERE workspace_id = ?", [workspace_id])
        con.execute("INSERT INTO period_zones VALUES (?, ?)", [workspace_id, settings.timezone])
    return plans


def _foreign_days(con: duckdb.DuckDBPyConnection, workspace_id: str, settings: Settings) -> list[Span]:
    """Days of period rows that the workspace's zone does not have."""
    spans = con.execute(
        "SELECT DISTINCT period_start, period_end FROM metric_periods"
        " WHERE workspace_id = ? AND granularity = 'day' AND superseded_at IS NULL",
        [workspace_id],
    ).fetchall()
    days = [(start.astimezone(UTC), end.astimezone(UTC)) for start, end in spans]
    return [day for day in days if local_day_of(day[0], settings.zone) != day]


def _enter(con: duckdb.DuckDBPyConnection, plans: Plans, settings: Settings) -> None:
    """Create `periods`, the stale hours and the days that they are part of, and count what they hold."""
    hours = instants(con, "SELECT DISTINCT hour FROM taken SEMI JOIN plan USING (metric_key, definition_version)")
    days = local_days(hours, settings.zone)
    register_spans(con, "days", days)
    run_script(con, load_sql(SQL, "scope_hours"))
    enter_values(con, plans, days, "all")


def _not_before_the_last(con: duckdb.DuckDBPyConnection, now: datetime) -> datetime:
    """A clock that went back must not write a row that is older than the one it replaces."""
    (last,) = con.execute("SELECT max(computed_at) FROM metric_periods").fetchall()[0]
    return now if last is None else max(now, last)
