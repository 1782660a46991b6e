"""Which conversations a run looks at, what it reuses and writes, and that the ledger adds up."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from pipeline.aggregate import aggregate
from pipeline.catalog import Catalog
from pipeline.errors import UnknownMetricError
from pipeline.extract.isolation import describe
from pipeline.store.states import STATES
from pipeline.window import HOUR, Window, floor_hour


def ledger(bench: Any, key: str) -> list[dict[str, Any]]:
    """Rows of the ledger, oldest first, without the counts that are 0."""
    columns = ["eligible", *STATES, "reused"]
    names = ", ".join(f"{name}_count" for name in columns)
    rows = bench.sql(f"SELECT failure, {names} FROM extraction_runs WHERE metric_key = ? ORDER BY rowid", key)
    return [
        ({"failure": row[0]} if row[0] else {}) | {n: c for n, c in zip(columns, row[1:], strict=True) if c}
        for row in rows
    ]


def score(bench: Any, key: str = "score", **fields: Any) -> dict[str, Any]:
    return bench.definition(key, **({"extract_path": "$.score"} | fields))


def test_a_second_run_writes_nothing(bench: Any) -> None:
    bench.define(score(bench), score(bench, "scoped", channel_scope="voice"))
    bench.add(bench.ended("a", score=1), bench.ended("b"), bench.event("c", "user.turn", 719, text="still here"))
    first = bench.run()
    assert [(o.computed, o.reused) for o in first.outcomes] == [(2, 0), (0, 0)]
    assert bench.stale("score") == {bench.START, bench.START + 11 * HOUR}
    before = bench.sql("SELECT * FROM metric_values ORDER BY ALL")
    bench.clean()
    second = bench.run()
    assert bench.sql("SELECT * FROM metric_values ORDER BY ALL") == before
    assert bench.stale("score") == set()
    assert [(o.computed, o.reused) for o in second.outcomes] == [(0, 2), (0, 2)]
    assert ledger(bench, "score") == [
        {"eligible": 3, "ok": 1, "missing": 1, "pending": 1},
        {"eligible": 3, "ok": 1, "missing": 1, "pending": 1, "reused": 2},
    ]


def test_pending_becomes_a_value_when_the_conversation_settles(bench: Any) -> None:
    bench.define(bench.definition("turns", extract_path="$.conversation_summary.turn_count"))
    bench.add(bench.event("a", "user.turn", 718, text="hello"))
    bench.run()
    assert bench.values("turns") == {"a": "pending"}
    bench.run(Window.ending(bench.WINDOW.end + HOUR))
    assert bench.values("turns") == {"a": 1.0}
    bench.run()  # a backfill of the older hour does not undo it
    assert bench.values("turns") == {"a": 1.0}
    assert ledger(bench, "turns")[-1] == {"eligible": 1, "ok": 1, "reused": 1}


def test_a_conversation_that_grows_is_extracted_again(bench: Any) -> None:
    bench.define(bench.definition("turns", extract_path="$.conversation_summary.turn_count"))
    bench.add(bench.said("a", ("user", "hello"), ("agent", "hi")), bench.said("b", ("user", "hello")))
    bench.run()
    bench.clean()
    bench.add(bench.event("a", "user.turn", -90, text="an earlier turn that came late"))
    report = bench.run()
    assert bench.values("turns") == {"a": 3.0, "b": 1.0}
    assert report.outcomes[0].computed == 1
    assert bench.stale("turns") == {bench.START, bench.START - 2 * HOUR}  # the hour it leaves and the hour it enters


def test_late_and_undated_conversations_are_found_by_arrival(bench: Any) -> None:
    bench.define(score(bench))
    bench.add(bench.ended("late", score=1), bench.ended("undated", None, score=2))
    now = datetime.now(UTC)
    arrival = Window.ending(floor_hour(now) + HOUR, hours=2)
    bench.run(arrival, now=now + timedelta(seconds=1))
    assert bench.values("score") == {"late": 1.0, "undated": 2.0}
    assert bench.stale("score") == {bench.START}
    assert bench.sql("SELECT observed_at FROM metric_values WHERE entity_id = 'undated'") == [(None,)]
    bench.run(Window.ending(arrival.end + 48 * HOUR))
    assert ledger(bench, "score")[-1] == {}


def test_what_ended_outside_the_window_is_not_looked_at(bench: Any) -> None:
    bench.define(score(bench))
    edge = (bench.WINDOW.end - bench.START) / timedelta(minutes=1)
    bench.add(bench.ended("inside", edge - 0.1, score=1), bench.ended("at_the_end", edge, score=1))
    bench.add(
        bench.ended("at_the_start", edge - 24 * 60, score=1), bench.ended("before", edge - 24 * 60 - 0.1, score=1)
    )
    bench.run()
    assert set(bench.values("score")) == {"inside", "at_the_start"}


def test_a_definition_fails_alone(bench: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """A filter that passes validation and breaks in the database, as a full type system never quite excludes."""
    bench.define(
        score(bench),
        score(bench, "broken", source_filter="duration_seconds > 1"),
        score(bench, "other", source_filter="duration_seconds > 1"),
        bench.definition("reader", extraction_mode="formula", formula="broken + score"),
        bench.definition("fine", extraction_mode="formula", formula="score + 1"),
    )
    broken = bench.catalog.by_key["broken"]
    odd = broken.definition.model_copy(update={"extract_path": "$[", "source_filter": "nothing ="})
    metrics = [type(broken)(odd, broken.version, "file", "f") if m is broken else m for m in bench.catalog.metrics]
    bench.catalog = Catalog(tuple(metrics))
    bench.add(bench.ended("a", score=1, duration_seconds=2), bench.ended("b", score=1))
    report = bench.run()
    assert [outcome.key for outcome in report.failed] == ["broken"]
    assert bench.values("score") == {"a": 1.0, "b": 1.0}
    assert bench.values("other") == {"a": 1.0, "b": "not_applicable"}
    assert bench.values("fine") == {"a": 2.0, "b": 2.0}
    assert bench.values("reader") == {"a": "pending", "b": "pending"}
    assert bench.values("broken") == {}
    (row,) = ledger(bench, "broken")
    assert row.pop("failure")
    assert row == {"eligible": 2, "error": 2}


def test_cap_and_sampling_leave_named_states(bench: Any) -> None:
    bench.define(
        score(bench, "newest", cap=3, selection="recent"),
        score(bench, "some", cap=4),
        score(bench, "half", sampling_rate=0.5),
        score(bench, "tenth", sampling_rate=0.1),
    )
    bench.add(*(bench.ended(f"c{n:02}", n * 7, score=n) for n in range(60)))
    bench.run()
    newest = {key for key, value in bench.values("newest").items() if value != "over_cap"}
    assert newest == {"c57", "c58", "c59"}
    assert [value == "over_cap" for value in bench.values("some").values()].count(False) == 4
    half = {key for key, value in bench.values("half").items() if value != "not_sampled"}
    tenth = {key for key, value in bench.values("tenth").items() if value != "not_sampled"}
    assert tenth < half
    assert 15 < len(half) < 45
    # The hour has given its places: running it again examines no more, whatever has arrived.
    assert [o.computed for o in bench.run().outcomes] == [0, 0, 0, 0]
    bench.add(bench.ended("new", 500, score=1))
    bench.run()
    assert ledger(bench, "newest")[-1] == {"eligible": 61, "ok": 3, "over_cap": 58, "reused": 3}
    # The next hour has places of its own, and leaves alone what has a value.
    bench.run(Window.ending(bench.WINDOW.end + HOUR))
    found = bench.values("newest")
    assert {key for key in found if found[key] != "over_cap"} == newest | {"new", "c56", "c55"}
    assert ledger(bench, "newest")[-1] == {"eligible": 61, "ok": 6, "over_cap": 55, "reused": 3}


def test_a_dry_run_plans_and_writes_nothing(bench: Any) -> None:
    bench.define(score(bench), bench.definition("twice", extraction_mode="formula", formula="score * 2"))
    bench.add(bench.ended("a", score=1), bench.ended("b", score=2))
    report = bench.run(dry_run=True)
    assert report.dry_run
    assert [(o.key, o.eligible, o.reused, o.computed) for o in report.outcomes] == [
        ("score", 2, 0, 2),
        ("twice", 2, 0, 2),
    ]
    for table in ("metric_values", "extraction_runs", "stale_periods", "metric_definitions"):
        assert bench.sql(f"SELECT * FROM {table}") == []
    bench.run()
    assert [(o.reused, o.computed) for o in bench.run(dry_run=True).outcomes] == [(2, 0), (2, 0)]


def test_keys_select_what_they_read(bench: Any) -> None:
    bench.define(
        score(bench), score(bench, "other"), bench.definition("twice", extraction_mode="formula", formula="score * 2")
    )
    bench.add(bench.ended("a", score=1))
    seen: list[str] = []
    bench.run(keys=["twice"], on_metric=lambda outcome: seen.append(outcome.key))
    assert seen == ["score", "twice"]
    assert bench.values("other") == {}
    with pytest.raises(UnknownMetricError, match="Did you mean score"):
        bench.run(keys=["scor"])


def test_definitions_are_kept_with_the_time_they_were_in_force(bench: Any) -> None:
    def in_force() -> list[tuple[Any, ...]]:
        return bench.sql("SELECT key, valid_to IS NULL FROM metric_definitions ORDER BY valid_from, key, valid_to")

    bench.define(score(bench, aggregation="avg"))
    bench.add(bench.ended("a", score=1))
    bench.run()
    bench.run()
    assert in_force() == [("score", True)]
    bench.clean()
    bench.sql(
        "INSERT INTO metric_periods BY NAME SELECT workspace_id, metric_key, definition_version, "
        "'numerical' metric_type, 'avg' aggregation, traffic, 'hour' granularity, observed_at period_start, "
        "observed_at period_end, 'none' interval_method, 'all' selection, false estimated, "
        "now() computed_at, 1 revision, "
        + ", ".join(f"0 AS {name}_count" for name in ["event", "eligible", *STATES[1:]])
        + " FROM metric_values"
    )
    bench.define(score(bench, aggregation="max"))
    report = bench.run()
    assert report.outcomes[0].reused == 1
    assert len(bench.stale("score")) == 1
    assert in_force() == [("score", False), ("score", True)]
    bench.define(bench.definition("score", metric_type="categorical", extract_path="$.score"), score(bench, "other"))
    report = bench.run()
    assert [outcome.key for outcome in report.failed] == ["score"]
    assert bench.values("score") == {"a": 1.0}
    assert bench.values("other") == {"a": 1.0}


def test_an_edit_made_when_the_clock_had_gone_back_is_made_once(bench: Any) -> None:
    bench.define(score(bench))
    bench.run()
    bench.sql("UPDATE metric_definitions SET valid_from = valid_from + INTERVAL 1 HOUR")
    bench.define(score(bench, extract_path="$.other"))
    bench.run()
    bench.run()
    spans = bench.sql("SELECT valid_from, valid_to FROM metric_definitions ORDER BY valid_from")
    assert len(spans) == 2
    assert spans[0][0] < spans[0][1] == spans[1][0]
    assert spans[1][1] is None


def test_a_version_that_comes_back_is_aggregated_as_it_now_says(bench: Any) -> None:
    bench.define(score(bench))
    bench.add(bench.ended("a", score=3), bench.ended("b", score=5))
    bench.run()
    aggregate(bench.store, bench.catalog, bench.settings)
    bench.define(score(bench, extract_path="$.other"))
    bench.run()
    bench.define(score(bench, aggregation="max"))
    bench.run()
    aggregate(bench.store, bench.catalog, bench.settings)
    rows = bench.sql(
        "SELECT DISTINCT p.aggregation, p.value FROM metric_periods AS p JOIN metric_definitions AS d "
        "ON d.version = p.definition_version AND d.valid_to IS NULL WHERE p.superseded_at IS NULL"
    )
    assert rows == [("max", 5.0)]


def test_a_failure_says_nothing_that_was_quoted(bench: Any, caplog: pytest.LogCaptureFixture) -> None:
    for text in ("Could not convert string 'don't tell anyone' to DOUBLE", 'Malformed: "my pin is\n1234" at 5'):
        assert describe("score", ValueError(text)).endswith(("string … to DOUBLE", "Malformed: … at 5"))
    assert "tell" not in caplog.text
    assert "pin" not in caplog.text
