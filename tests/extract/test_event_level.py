"""Event-level metrics: which hours a run hands to aggregation, and what an event is worth."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from pipeline.extract.events import create_event_values
from pipeline.window import HOUR, Window, floor_hour


def surface(bench: Any, key: str, **fields: Any) -> dict[str, Any]:
    types = {"source": "surface_events", "event_types": ["surface.created", "surface.submitted"]}
    return bench.definition(key, **(types | fields))


def test_hours_become_stale_once_and_again_when_something_arrives(bench: Any) -> None:
    bench.define(surface(bench, "surfaces", aggregation="count"))
    shown = [bench.event("a", "surface.created", minute, domain="surface") for minute in (5, 50, 65)]
    bench.add(
        shown, bench.event("a", "surface.created", 5, domain="other"), bench.event("a", "other", 5, domain="surface")
    )
    report = bench.run()
    assert bench.stale("surfaces") == {bench.START, bench.START + HOUR}
    assert report.outcomes[0].states == {"ok": 3}
    assert bench.values("surfaces") == {}
    bench.clean()
    assert bench.run().outcomes[0].states == {}
    assert bench.stale("surfaces") == set()
    bench.add(bench.event("a", "surface.submitted", 6, domain="surface"))
    bench.run()
    assert bench.stale("surfaces") == {bench.START}


def test_an_event_of_an_earlier_hour_is_found_by_its_arrival(bench: Any) -> None:
    """Like a conversation that arrived late; also by the first run of all."""
    bench.define(surface(bench, "surfaces", aggregation="count"))
    arrival = Window.ending(floor_hour(datetime.now(UTC)) + HOUR)
    bench.add(bench.event("a", "surface.submitted", -24 * 60 * 9, domain="surface"))
    bench.run(arrival)
    assert bench.stale("surfaces") == {bench.START - 9 * 24 * HOUR}
    bench.clean()
    bench.run(arrival)
    bench.run()
    assert bench.stale("surfaces") == set()
    bench.add(bench.event("a", "surface.submitted", -24 * 60 * 9 + 1, domain="surface"))
    bench.run()
    assert bench.stale("surfaces") == set()
    bench.run(arrival)
    assert bench.stale("surfaces") == {bench.START - 9 * 24 * HOUR}


def test_an_hour_of_an_empty_store_is_not_lost(bench: Any) -> None:
    bench.define(surface(bench, "surfaces", aggregation="count"))
    bench.run()
    bench.add(bench.event("a", "surface.created", 5, domain="surface"))
    bench.run()
    assert bench.stale("surfaces") == {bench.START}


def test_an_hour_that_still_runs_waits_for_its_own_run(bench: Any) -> None:
    bench.define(surface(bench, "surfaces", aggregation="count"))
    first = Window.ending(bench.START)
    bench.run(first, now=bench.START)
    bench.add(bench.event("a", "surface.created", 5, domain="surface"))
    bench.run(first, now=bench.START + HOUR / 2)
    assert bench.stale("surfaces") == set()
    bench.run(Window.ending(bench.START + HOUR), now=bench.START + HOUR)
    assert bench.stale("surfaces") == {bench.START}


def test_an_event_has_a_value_or_a_state(bench: Any) -> None:
    bench.define(
        surface(bench, "fields", extract_path="$.fields", aggregation="sum", valid_range_max=10),
        surface(bench, "submitted", source_filter="event_type = 'surface.submitted'", aggregation="count"),
        surface(bench, "voice_only", channel_scope="voice", aggregation="count"),
    )
    bench.add(
        bench.event("a", "surface.created", 1, domain="surface", fields=3, channel="sms"),
        bench.event("a", "surface.created", 2, domain="surface", fields=11, channel="voice"),
        bench.event("a", "surface.submitted", 3, domain="surface", fields="x"),
        bench.event("a", "surface.created", None, domain="surface"),
    )
    with bench.store.write() as con:
        view = create_event_values(con, bench.catalog.metrics)
        found = con.execute(
            f"SELECT metric_key, observed_at, status, value_number FROM {view} ORDER BY metric_key, observed_at"
        ).fetchall()
    minutes = [(key, at and (at.astimezone(UTC) - bench.START).seconds // 60, *rest) for key, at, *rest in found]
    assert minutes == [
        ("fields", 1, "ok", 3.0),
        ("fields", 2, "out_of_range", None),
        ("fields", 3, "wrong_type", None),
        ("fields", None, "missing", None),
        ("submitted", 3, "ok", 1.0),
        ("voice_only", 1, "not_applicable", None),
        ("voice_only", 2, "ok", 1.0),
        ("voice_only", 3, "not_applicable", None),
        ("voice_only", None, "not_applicable", None),
    ]


def test_a_late_event_is_late_for_its_own_version_only(bench: Any) -> None:
    bench.define(surface(bench, "old", aggregation="count"))
    bench.add(bench.event("a", "surface.created", 5, domain="surface"))
    bench.run()
    bench.define(surface(bench, "old", aggregation="count"), surface(bench, "new", aggregation="count"))
    bench.clean()
    bench.run(now=datetime.now(UTC))
    assert bench.stale("old") == set()
    assert bench.stale("new") == {bench.START}


def test_another_workspace_in_the_same_file_is_not_counted(bench: Any) -> None:
    bench.define(surface(bench, "surfaces", aggregation="count"))
    bench.add(bench.event("a", "surface.created", 5, domain="surface"))
    bench.sql("INSERT INTO events BY NAME SELECT * REPLACE ('other' AS workspace_id, 'x' AS event_id) FROM events")
    assert bench.run().outcomes[0].states == {"ok": 1}
