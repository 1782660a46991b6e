"""A store with a history: one day that the pipeline made, and copies of it for the days before."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import duckdb

from pipeline.bench.data import FIRST, SQL, write_events
from pipeline.bench.definitions import catalog_of
from pipeline.bench.stage import Answer, Place
from pipeline.catalog import Catalog, load_catalog
from pipeline.hourly import backfill
from pipeline.settings import Settings
from pipeline.store import Store, load_sql, run_script
from pipeline.window import HOUR, Window

_DAY = timedelta(days=1)
_ATTACH = "ATTACH '/*path*/' AS day (READ_ONLY)"  # takes no parameter
_COPY_TO = "ATTACH '/*path*/' AS copied"
DAY_ENDS = FIRST + _DAY


@dataclass(frozen=True)
class Deployment:
    """A store that can be run on, with its settings and definitions."""

    settings: Settings
    store: Store
    catalog: Catalog


def make_day(at: Place, home: Path, *, definitions: int, conversations: int, length: int) -> Deployment:
    """A deployment after its first 24 hourly runs.

    Args:
        at: where and how much.
        home: folder of the deployment.
        definitions: active metrics, built-ins included.
        conversations: of the day.
        length: events of each conversation.
    """
    settings = at.settings(home, max_custom_metrics=1000)
    catalog = catalog_of(settings, definitions)
    store = Store(settings)
    # The last ones end before the day does.
    span = int(_DAY.total_seconds()) - length * 5 - 600
    path = home / "landing" / "day.ndjson"
    write_events(path, conversations=conversations, length=length, words=8, prefix="day-", span_seconds=span)
    backfill(store, catalog, settings, Window.each_hour(FIRST, DAY_ENDS))
    return Deployment(settings, store, catalog)


def make_history(at: Place, home: Path, day: Deployment, days: int) -> None:
    """The same deployment with that day for so many days, oldest first, as if each had been run when it was over."""
    settings = at.settings(home, max_custom_metrics=1000)
    shutil.copytree(day.settings.definitions, settings.definitions)
    (home / "landing").mkdir()  # what landed has been read; under another path it would be read again
    with Store(settings).transaction() as con:
        con.execute(_ATTACH.replace("/*path*/", str(day.store.path).replace("'", "''")))
        for ago in reversed(range(days)):
            run_script(con, load_sql(SQL, "earlier_day"), {"ago": ago, "over": DAY_ENDS - ago * _DAY})


def write_hour(path: Path, *, conversations: int, length: int) -> None:
    """What lands in the hour after the day."""
    span = int(HOUR.total_seconds()) - length * 5 - 600
    write_events(
        path,
        conversations=conversations,
        length=length,
        words=16,
        prefix="new-",
        first=DAY_ENDS,
        span_seconds=span,
    )


HOUR_AFTER = Window.ending(DAY_ENDS + HOUR)
"""The window of the hourly run that finds them."""


def copy_of(home: Path, at: Place, into: Path) -> Deployment:
    """A deployment that can be changed; the new hour's file is not in it yet."""
    shutil.copytree(home, into, dirs_exist_ok=True)
    settings = at.settings(into, max_custom_metrics=1000)
    return Deployment(settings, Store(settings), load_catalog(settings))


def copy_rows(con: duckdb.DuckDBPyConnection, path: Path) -> None:
    """Copy every live row of the store into a new file, and nothing else."""
    con.execute(_COPY_TO.replace("/*path*/", str(path).replace("'", "''")))
    con.execute("COPY FROM DATABASE metric_store TO copied")
    con.execute("DETACH copied")


def values_found(store: Store) -> Answer:
    """What the metrics say of the conversations of the new hour."""
    with store.write() as con:
        rows = con.execute(load_sql(SQL, "values_found"), {"hour": DAY_ENDS}).fetchall()
    return {name: values for name, *values in rows}
