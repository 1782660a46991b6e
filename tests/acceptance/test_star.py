"""STAR, end to end: files → events → values → period rows give the counts of its README, whatever the order."""

from __future__ import annotations

import shutil
import tarfile
from collections.abc import Callable
from datetime import UTC, timedelta
from pathlib import Path

import duckdb
import pytest
from star import TABLES, Row, assert_same, deployment, rows, this_hour

from pipeline.aggregate import aggregate
from pipeline.catalog import Catalog
from pipeline.extract import extract
from pipeline.hourly import run_hour
from pipeline.ingest import ingest
from pipeline.settings import Settings
from pipeline.store import STATES, Store


def one(store: Store, query: str, *parameters: object) -> tuple[object, ...]:
    with store.write() as con:
        return con.execute(query, list(parameters)).fetchall()[0]


@pytest.fixture(scope="module")
def star(shared_data: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Store, Settings, Catalog]:
    """All of STAR, ingested once and run once for the hour in which it arrived."""
    settings, store, catalog, keys = deployment(tmp_path_factory.mktemp("star"))
    report = ingest(store, catalog, settings, urls=[str(shared_data / "star")])
    assert not report.failed
    run_hour(store, catalog, settings, this_hour(), keys=keys, ingest_first=False)
    return store, settings, catalog


def test_the_counts_of_the_readme_come_out_of_the_values(star: tuple[Store, Settings, Catalog]) -> None:
    store, *_ = star
    with store.read() as con:
        found = dict(
            con.execute(
                "SELECT metric_key, coalesce(sum(value_number), count_if(value_boolean)) FROM metric_values "
                "WHERE status = 'ok' AND participant IS NULL AND segment_from IS NULL GROUP BY metric_key"
            ).fetchall()
        )
    assert found["star_conversation_count"] == 3326
    assert found["star_complete"] == 2929
    assert found["star_agent_turns"] == 27_113
    assert found["star_user_turns"] == 27_253
    assert found["star_tool_calls"] == 10_991


def test_conversations_without_any_instant_are_counted_and_in_no_period(star: tuple[Store, Settings, Catalog]) -> None:
    store, *_ = star
    undated = one(
        store,
        "SELECT count(*) FROM metric_values WHERE metric_key = 'star_conversation_count' AND observed_at IS NULL",
    )
    assert undated == (53,)
    for granularity in ("hour", "day"):
        dated = one(
            store,
            "SELECT sum(value) FROM metric_periods WHERE metric_key = 'star_conversation_count' AND granularity = ? "
            "AND service_id IS NULL AND superseded_at IS NULL",
            granularity,
        )
        assert dated == (3326 - 53,)


@pytest.mark.parametrize("granularity", ["hour", "day"])
@pytest.mark.parametrize("key", ["star_agent_turns", "star_user_turns", "star_tool_calls"])
def test_period_rows_and_undated_values_make_the_whole(
    star: tuple[Store, Settings, Catalog], key: str, granularity: str
) -> None:
    store, *_ = star
    whole, dated = one(
        store,
        "SELECT (SELECT sum(value_number) FROM metric_values WHERE metric_key = $1), "
        "(SELECT sum(value) FROM metric_periods WHERE metric_key = $1 AND granularity = $2 AND service_id IS NULL "
        "AND superseded_at IS NULL) + (SELECT sum(value_number) FROM metric_values "
        "WHERE metric_key = $1 AND observed_at IS NULL)",
        key,
        granularity,
    )
    assert dated == pytest.approx(whole, rel=1e-9)


def test_two_ways_of_counting_tool_calls_agree_for_what_has_an_instant(star: tuple[Store, Settings, Catalog]) -> None:
    """Calls land in the hour in which they were made, conversations in the hour in which they began."""
    store, *_ = star
    (calls,) = one(
        store,
        "SELECT sum(value) FROM metric_periods WHERE metric_key = 'star_tool_call_events' AND granularity = 'day' "
        "AND service_id IS NULL AND superseded_at IS NULL",
    )
    (undated,) = one(store, "SELECT count(*) FROM events WHERE event_type = 'tool.call' AND occurred_at IS NULL")
    assert calls + undated == 10_991


def test_every_row_of_the_ledger_and_of_the_periods_is_reconciled(star: tuple[Store, Settings, Catalog]) -> None:
    store, *_ = star
    others = " + ".join(f"{state}_count" for state in STATES if state != "ok")
    for table, ok in (("extraction_runs", "ok_count"), ("metric_periods", "event_count")):
        where = "" if table == "extraction_runs" else "AND category IS NULL"
        assert (
            one(store, f"SELECT count(*), count_if(eligible_count <> {ok} + {others}) FROM {table} WHERE true {where}")[
                1
            ]
            == 0
        )


def test_a_second_run_over_the_same_window_computes_nothing(star: tuple[Store, Settings, Catalog]) -> None:
    store, settings, catalog = star
    before = rows(store, "metric_values")
    report = extract(store, catalog, settings, this_hour(), keys=["star_agent_turns", "star_thanks"])
    assert {outcome.computed for outcome in report.outcomes} == {0}
    assert {outcome.reused for outcome in report.outcomes} == {3326}
    assert rows(store, "metric_values") == before


SHARES = [pytest.param(1, marks=pytest.mark.long), 12]
"""Every dialogue, and every twelfth."""


def as_they_are(files: list[Path]) -> list[list[Path]]:
    """All in one run."""
    return [files]


def twice(files: list[Path]) -> list[list[Path]]:
    """All, and all again."""
    return [files, files]


def backwards(files: list[Path]) -> list[list[Path]]:
    """The last one first."""
    return [files[::-1]]


def in_ten_runs(files: list[Path]) -> list[list[Path]]:
    """Every tenth dialogue in each of ten runs."""
    return [files[start::10] for start in range(10)]


def run_in(
    order: Callable[[list[Path]], list[list[Path]]], share: int, shared_data: Path, home: Path
) -> dict[str, list[Row]]:
    settings, store, catalog, keys = deployment(home)
    with tarfile.open(shared_data / "star" / "dialogues.tar.gz") as tar:
        tar.extractall(home / "star", filter="data")
    for batch in order(sorted((home / "star" / "dialogues").glob("*.json"))[::share]):
        ingest(store, catalog, settings, urls=[str(path) for path in batch], source="star")
        run_hour(store, catalog, settings, this_hour(), keys=keys, ingest_first=False)
    return {table: rows(store, table) for table in TABLES}


@pytest.mark.parametrize("share", SHARES)
def test_the_same_data_in_any_order_gives_the_same_rows(share: int, shared_data: Path, tmp_path: Path) -> None:
    reference = run_in(as_they_are, share, shared_data, tmp_path / "reference")
    for order in (twice, backwards, in_ten_runs):
        found = run_in(order, share, shared_data, tmp_path / order.__name__)
        for table in TABLES:
            assert_same(found[table], reference[table])


def test_a_day_begins_where_the_workspace_is(star: tuple[Store, Settings, Catalog], tmp_path: Path) -> None:
    """A store whose zone is another one now: its days of the old zone are replaced."""
    _, settings, catalog = star
    shutil.copytree(settings.home, tmp_path / "moved")
    settings = settings.model_copy(update={"timezone": "Asia/Kolkata", "home": tmp_path / "moved"})
    store = Store(settings)
    aggregate(store, catalog, settings)
    with store.write() as con:
        starts = con.execute(
            "SELECT DISTINCT period_start, period_end FROM metric_periods "
            "WHERE granularity = 'day' AND superseded_at IS NULL"
        ).fetchall()
        (total,) = con.execute(
            "SELECT sum(value) FROM metric_periods WHERE metric_key = 'star_conversation_count' "
            "AND granularity = 'day' AND service_id IS NULL AND superseded_at IS NULL"
        ).fetchall()[0]
    assert {(start.astimezone(UTC).hour, start.astimezone(UTC).minute) for start, _ in starts} == {(18, 30)}
    assert {end - start for start, end in starts} == {timedelta(days=1)}
    assert total == 3326 - 53


def test_the_snapshot_answers_in_plain_sql(star: tuple[Store, Settings, Catalog]) -> None:
    store, *_ = star
    with duckdb.connect(str(store.snapshot_path), read_only=True) as con:
        share = con.execute(
            "SELECT sum(value) FROM metric_periods WHERE metric_key = 'star_completion_level' "
            "AND category = 'Complete' AND granularity = 'day' AND service_id IS NULL AND superseded_at IS NULL"
        ).fetchall()
    assert 2900 < share[0][0] <= 2929
