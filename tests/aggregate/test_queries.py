"""Reading period rows from the published snapshot."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from pipeline.aggregate.queries import history, hour_rows, latest, trend
from pipeline.errors import UnknownMetricError

NOON = datetime(2026, 3, 10, 12, 10, tzinfo=UTC)
DAY = timedelta(days=1)


@pytest.fixture
def filled(bench):
    """Three days of a numerical metric with a late value, a gap on the second day; a categorical one by the hour."""
    score = bench.metric("score", aggregation="sum")
    topic = bench.metric("topic", metric_type="categorical", aggregation="count", period_granularity="hourly")
    bench.define(score, topic)
    bench.put(
        [
            bench.value(1.0, key="score", service_id="s1"),
            bench.value(2.0, key="score", at=NOON + 2 * DAY),
            bench.value(50.0, key="score", at=NOON + 2 * DAY, traffic="simulation"),
            bench.value("a", key="topic"),
            bench.value("b", key="topic", at=NOON + timedelta(hours=1)),
        ]
    )
    bench.aggregate(score, topic, now=NOON + 3 * DAY)
    bench.put([bench.value(10.0, key="score")])
    bench.aggregate(score, topic, now=NOON + 5 * DAY)
    return bench


def test_latest_is_the_newest_period_of_each_metric_at_its_own_granularity(filled):
    with filled.publish() as con:
        rows = latest(con, filled.store.workspace_id)
    found = [(r["metric_key"], r["granularity"], r["period_start"], r["value"], r["value_text"]) for r in rows]
    assert found == [
        ("score", "day", datetime(2026, 3, 12, tzinfo=UTC), 2.0, None),
        ("topic", "hour", datetime(2026, 3, 10, 13, tzinfo=UTC), 1.0, "b"),
    ]


def test_latest_can_be_filtered_and_paged(filled):
    workspace = filled.store.workspace_id
    with filled.publish() as con:
        assert [row["traffic"] for row in latest(con, workspace, keys=["score"], traffic="all")] == [
            "production",
            "simulation",
        ]
        assert [row["value"] for row in latest(con, workspace, service_id="s1")] == [1.0]
        assert [row["granularity"] for row in latest(con, workspace, granularity="day")] == ["day", "day"]
        assert [row["metric_key"] for row in latest(con, workspace, limit=1, offset=1)] == ["topic"]
        assert latest(con, "another workspace") == []


def test_hour_rows_are_those_of_all_services_production_in_the_span(filled):
    noon = datetime(2026, 3, 10, 12, tzinfo=UTC)
    with filled.publish() as con:
        both = hour_rows(con, filled.store.workspace_id, ["score", "topic"], (noon, noon + 3 * DAY))
        assert {place: row["value"] for place, row in both.items()} == {
            ("score", noon): 11.0,
            ("score", noon + 2 * DAY): 2.0,
            ("topic", noon): 1.0,
            ("topic", noon + timedelta(hours=1)): 1.0,
        }
        # The hour's own counts stand beside its value.
        counts = {place: (row["event_count"], row["eligible_count"]) for place, row in both.items()}
        assert counts[("score", noon)] == (2, 2)
        assert {counts[place] for place in counts if place != ("score", noon)} == {(1, 1)}
        until = hour_rows(con, filled.store.workspace_id, ["topic"], (noon, noon + timedelta(hours=1)))
        assert {place: row["value"] for place, row in until.items()} == {("topic", noon): 1.0}


def test_history_is_newest_first_and_says_what_was_known(filled):
    workspace = filled.store.workspace_id
    with filled.publish() as con:
        assert [(row["value"], row["revision"]) for row in history(con, workspace, "score")] == [(2.0, 1), (11.0, 2)]
        then = history(con, workspace, "score", as_known_at=NOON + 4 * DAY)
        assert [(row["value"], row["revision"]) for row in then] == [(2.0, 1), (1.0, 1)]
        assert history(con, workspace, "score", as_known_at=NOON) == []
        assert [row["value"] for row in history(con, workspace, "score", limit=1)] == [2.0]
        early = history(con, workspace, "score", granularity="hour", date_to=NOON + DAY)
        assert [row["period_start"].hour for row in early] == [12]
        late = history(con, workspace, "score", date_from=NOON + DAY, traffic="all")
        assert [row["value"] for row in late] == [2.0, 50.0]


def test_a_period_belongs_to_the_range_that_it_starts_in(filled):
    """Of two ranges that meet, a day is in one, whatever it holds."""
    workspace, midnight = filled.store.workspace_id, datetime(2026, 3, 10, tzinfo=UTC)

    def days(**between):
        with filled.publish() as con:
            return [row["period_start"] for row in history(con, workspace, "score", **between)]

    later = midnight + 2 * DAY
    assert days(date_from=midnight) == [later, midnight]
    assert days(date_from=midnight + timedelta(microseconds=1)) == [later]
    assert days(date_to=midnight) == []
    assert days(date_to=midnight + timedelta(microseconds=1)) == [midnight]
    assert days(date_from=midnight + timedelta(hours=12), date_to=later + timedelta(hours=1)) == [later]


def test_history_limits_periods_not_rows(filled):
    with filled.publish() as con:
        rows = history(con, filled.store.workspace_id, "topic", categories=True, limit=1)
    assert [(row["category"], row["value"], row["share"]) for row in rows] == [
        (None, 2, None),
        ("a", 1, 0.5),
        ("b", 1, 0.5),
    ]


def test_a_new_version_hides_the_rows_of_the_old_one_but_keeps_them(filled):
    workspace = filled.store.workspace_id
    new = filled.metric("score", version="v2", aggregation="sum")
    with filled.store.transaction() as con:
        con.execute("UPDATE metric_definitions SET valid_to = $1 WHERE key = 'score'", [NOON + 6 * DAY])
    filled.define(new, since=NOON + 6 * DAY)
    filled.put([filled.value(7.0, key="score", definition_version="v2")])
    filled.aggregate(new, now=NOON + 7 * DAY)
    with filled.publish() as con:
        assert [row["value"] for row in history(con, workspace, "score")] == [7.0]
        assert [row["value"] for row in history(con, workspace, "score", version="v1")] == [2.0, 11.0]
        then = history(con, workspace, "score", as_known_at=NOON + 5 * DAY)
        assert {row["definition_version"] for row in then} == {"v1"}


def test_trend_has_every_day_and_a_gap_is_not_a_zero(filled):
    with filled.publish() as con:
        rows = trend(
            con, filled.store.workspace_id, "score", zone=ZoneInfo("UTC"), days=4, now=NOON + 2 * DAY, traffic="all"
        )
    found = [(row["period_start"].day, row["traffic"], row["value"], row["event_count"]) for row in rows]
    assert found == [
        (9, "production", None, 0), (9, "simulation", None, 0),
        (10, "production", 11.0, 2), (10, "simulation", None, 0),
        (11, "production", None, 0), (11, "simulation", None, 0),
        (12, "production", 2.0, 1), (12, "simulation", 50.0, 1),
    ]  # fmt: skip


def test_a_key_that_was_never_defined_is_named(filled):
    workspace = filled.store.workspace_id
    with filled.publish() as con:
        with pytest.raises(UnknownMetricError, match="'scores'"):
            history(con, workspace, "scores")
        with pytest.raises(UnknownMetricError, match="'scores'"):
            trend(con, workspace, "scores", zone=ZoneInfo("UTC"))
