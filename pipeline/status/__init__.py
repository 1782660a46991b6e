"""What is done, missing and failing: the ledger read against the hours that should be there."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime

from pipeline.catalog.catalog import Catalog, Metric, Problem
from pipeline.errors import UserError
from pipeline.settings import Settings
from pipeline.status.freshness import Freshness, freshness
from pipeline.store import Store, load_sql
from pipeline.window import HOUR, Window, ceil_hour, floor_hour

_SQL = "pipeline.status.sql"


@dataclass(frozen=True)
class MetricStatus:
    """The ledger of one definition version over the hours that were asked for.

    Attributes:
        done: start of each hour whose window was extracted.
        failing: hours that were only tried in vain; `last_failure` says why.
        missing: hours that no run has looked at.
        freshness: whether the newest hour is done in time, now.
        group: of the definition.
        shipped: whether the definition came with the project.
    """

    key: str
    version: str
    group: str | None
    shipped: bool
    done: tuple[datetime, ...]
    failing: tuple[datetime, ...]
    missing: tuple[datetime, ...]
    last_failure: str | None
    freshness: Freshness


@dataclass(frozen=True)
class Rejected:
    """Records refused for one reason."""

    reason: str
    records: int
    last_at: datetime


@dataclass(frozen=True)
class FailedFile:
    """A file that could not be read to its end."""

    url: str
    failure: str
    at: datetime


@dataclass(frozen=True)
class Status:
    """The state of a deployment as of its last published snapshot.

    Attributes:
        date_from: start of the first hour.
        date_to: end of the last hour.
        contradictions: facts about which the events of one conversation disagree, with the number of conversations.
        hidden: number of rows by field (`failed_files`, `problems`) that whoever asks may not read.
    """

    date_from: datetime
    date_to: datetime
    conversations: int
    conversations_without_instant: int
    stale_conversations: int
    stale_periods: int
    contradictions: dict[str, int]
    metrics: tuple[MetricStatus, ...]
    rejected: tuple[Rejected, ...]
    failed_files: tuple[FailedFile, ...]
    problems: tuple[Problem, ...]
    hidden: dict[str, int]


def hours_asked(
    settings: Settings, first: datetime | None, last: datetime | None, now: datetime
) -> tuple[datetime, datetime]:
    """The range of a status: the hours of a run's window before `last`, which is the end of the hour in progress.

    Raises:
        OverflowError: the start would lie before all time.
    """
    last = last or floor_hour(now) + HOUR
    return first or last - settings.window_hours * HOUR, last


def read_status(
    store: Store,
    catalog: Catalog,
    settings: Settings,
    first: datetime | None = None,
    last: datetime | None = None,
    now: datetime | None = None,
) -> Status:
    """Read the ledger of the hourly partitions in `[first, last)` for every active definition.

    Args:
        store: the database.
        catalog: the definitions.
        settings: of the deployment.
        first: start of the first hour; default the length of a run's window before `last`.
        last: end of the last hour; default that of the hour in progress.
        now: the instant for which freshness is told; default the present one.

    Raises:
        UserError: no hour starts in the range.
        StoreUnavailableError: nothing has been published yet.
    """
    now = now or datetime.now(UTC)
    first, last = hours_asked(settings, first, last, now)
    if ceil_hour(last) <= ceil_hour(first):
        raise UserError("No UTC hour starts in the range; it must end at least an hour after it starts.")
    windows = list(Window.each_hour(first, last, settings.window_hours))
    workspace = {"workspace_id": store.workspace_id}
    with store.read() as con:
        ledger = con.execute(load_sql(_SQL, "ledger"), {**workspace, "first": first, "last": last}).fetchall()
        rejected = con.execute(load_sql(_SQL, "rejected"), workspace).fetchall()
        files = con.execute(load_sql(_SQL, "files"), workspace).fetchall()
        fresh = freshness(con, store.workspace_id, catalog.active, now)
        contradictions = con.execute(load_sql(_SQL, "contradictions"), workspace).fetchall()
        totals = con.execute(load_sql(_SQL, "totals"), workspace).fetchall()[0]
    rows = {(key, version): (set(done), set(failing), why) for key, version, done, failing, why in ledger}
    conversations, without_instant, stale_conversations, stale_periods = totals
    return Status(
        date_from=first.astimezone(UTC),
        date_to=last.astimezone(UTC),
        conversations=conversations,
        conversations_without_instant=without_instant,
        stale_conversations=stale_conversations,
        stale_periods=stale_periods,
        contradictions=dict(contradictions),
        metrics=tuple(
            _metric(metric, windows, fresh[metric.key], *rows.get((metric.key, metric.version), (set(), set(), None)))
            for metric in catalog.active
        ),
        rejected=tuple(Rejected(*row) for row in rejected),
        failed_files=tuple(FailedFile(*row) for row in files),
        problems=catalog.problems,
        hidden={},
    )


def _metric(
    metric: Metric,
    windows: list[Window],
    fresh: Freshness,
    done: set[datetime],
    failing: set[datetime],
    why: str | None,
) -> MetricStatus:
    return MetricStatus(
        metric.key,
        metric.version,
        metric.definition.group,
        metric.shipped,
        done=tuple(window.hour for window in windows if window.end in done),
        failing=tuple(window.hour for window in windows if window.end in failing),
        missing=tuple(window.hour for window in windows if window.end not in done | failing),
        last_failure=why,
        freshness=fresh,
    )
