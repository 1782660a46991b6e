"""Periods compared: quiet weeks stay quiet, real shifts are found, and what is not over is not compared as a total."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import interval_simulation as simulation
import numpy as np
import pytest

from pipeline.aggregate.statistics import rate_interval
from pipeline.cli.app import run
from pipeline.reports.changes import add_changes

DAY = datetime(2026, 3, 10, tzinfo=UTC)
NOW = DAY + timedelta(days=30)
METRICS = 97
KINDS = ("rate", "lognormal, sigma 1", "score, 60 % fives", "normal")
Rows = list[dict[str, Any]]


def a_row(key: str, value: float, low: float | None = None, high: float | None = None, **fields: Any) -> dict[str, Any]:
    """A period row as far as comparisons read it; of 400 conversations, over for long."""
    return {
        "metric_key": key,
        "aggregation": "avg",
        "value": value,
        "interval_low": low,
        "interval_high": high,
        "interval_method": "hall",
        "unit_count": 400,
        "period_end": DAY,
    } | fields


def days_of(rng: np.random.Generator, key: str, kind: str, n: int, days: int, moved: float) -> Rows:
    """Days of one metric; every second one is moved by so many standard errors of the difference of two days."""
    shift = np.where(np.arange(days) % 2 == 1, moved, 0.0)
    if kind == "rate":
        share = 0.3 if moved else (0.05, 0.1, 0.3, 0.5)[n % 4]
        values = rng.binomial(n, np.where(shift > 0, simulation.shifted_share(share, n, moved), share)) / n
        low, high = rate_interval(values, np.full(days, float(n)))
        fields = {"interval_method": "clopper_pearson", "aggregation": "rate"}
    else:
        periods = simulation.CELLS[kind](rng, days, n)
        spread = {"normal": 1.0, "score, 60 % fives": 1.2875**0.5}.get(kind, ((np.e - 1) * np.e) ** 0.5)
        values = periods.estimate = periods.estimate + shift * spread * np.sqrt(2 / n)
        if moved:
            periods.lowest, periods.highest = np.nan, np.nan
        low, high, _ = periods.interval()
        fields = {}
    ends = np.stack([values, low, high], axis=1)
    return [a_row(key, *(None if np.isnan(x) else float(x) for x in day), unit_count=n, **fields) for day in ends]


def lists(seed: int, days: int, moved: float = 0.0) -> list[Rows]:
    """What 97 metrics show on each day; the first of each kind moves by `moved` every second day."""
    rng = np.random.default_rng(seed)
    found = [
        days_of(
            rng,
            f"m{at}",
            KINDS[at % 4],
            (100, 201, 302, 403)[at // 4 % 4] if at >= 4 else 400,
            days,
            moved if at < 4 else 0.0,
        )
        for at in range(METRICS)
    ]
    for day in range(1, days):
        pairs = [(metric[day], metric[day - 1]) for metric in found]
        add_changes(pairs, {row["metric_key"]: "higher" for row, _ in pairs}, NOW)
    return [[metric[day] for metric in found] for day in range(1, days)]


def test_a_quiet_week_has_at_most_one_mark_on_average() -> None:
    """97 metrics that do not change, thirty weeks of seven days; nothing is called bad but what is marked."""
    rows = [row for day in lists(7, 7 * 30 + 1) for row in day]
    assert sum(row["p_value"] is not None for row in rows) > 0.95 * len(rows)
    assert sum(bool(row["stands_out"]) for row in rows) / 30 <= 1
    assert all(row["direction"] == "neutral" for row in rows if row["stands_out"] is False)
    assert sum(row["p_value"] < 0.05 for row in rows if row["p_value"] is not None) > 20 * 30  # unmarked chance


def test_a_shift_of_four_standard_errors_is_found() -> None:
    """Four of 97 metrics move there and back. The share found, by kind, is what `definitions/intervals.md` says."""
    days = lists(8, 200, 4.0)
    found = {kind: np.mean([bool(day[at]["stands_out"]) for day in days]) for at, kind in enumerate(KINDS)}
    assert np.mean(list(found.values())) >= 0.75, found
    assert found["lognormal, sigma 1"] >= 0.6, found
    marked = [day[0] for day in days if day[0]["stands_out"]]
    assert {(row["delta"] > 0, row["direction"]) for row in marked} == {(True, "good"), (False, "bad")}


def changed(row: dict[str, Any], before: dict[str, Any] | None, goal: str = "higher", now: datetime = NOW):
    add_changes([(row, before)], {row["metric_key"]: goal}, now)
    return row


def test_a_total_is_not_compared_before_it_is_over() -> None:
    """At noon half a day's calls are no fall in calls; a mean is compared, and its row says that it is not over."""
    half = {"period_end": DAY + timedelta(hours=12)}
    noon = DAY
    total = changed(
        a_row("calls", 50.0, aggregation="count", **half), a_row("calls", 100.0, aggregation="count"), now=noon
    )
    assert (total["complete"], total["delta"], total["direction"], total["stands_out"]) == (False, None, None, None)
    mean = changed(a_row("m", 5.0, 4.9, 5.1, **half), a_row("m", 4.0, 3.9, 4.1), now=noon)
    assert (mean["complete"], mean["delta"], mean["stands_out"], mean["direction"]) == (False, 1.0, True, "good")


def test_a_total_never_stands_out() -> None:
    """An estimated total's interval says what was left out of that day, not how much days vary."""
    fields = {"aggregation": "sum", "interval_about": "period"}
    row = changed(a_row("s", 120.0, 119.0, 121.0, **fields), a_row("s", 100.0, 99.0, 101.0, **fields))
    assert (row["delta"], row["stands_out"], row["direction"]) == (20.0, None, None)
    assert 18 < row["delta_low"] < 20 < row["delta_high"] < 22
    exact = changed(a_row("s", 120.0, **fields), a_row("s", 100.0, **fields))
    assert (exact["delta"], exact["delta_low"], exact["stands_out"]) == (20.0, None, None)


@pytest.mark.parametrize(("goal", "direction"), [("higher", "bad"), ("lower", "good"), ("neutral", "neutral")])
def test_the_goal_says_what_a_change_means(goal: str, direction: str) -> None:
    fall = changed(a_row("m", 4.0, 3.9, 4.1), a_row("m", 5.0, 4.9, 5.1), goal)
    assert (fall["stands_out"], fall["direction"]) == (True, direction)
    noise = changed(a_row("m", 4.0, 3.9, 4.1), a_row("m", 4.1, 4.0, 4.2), goal)
    assert (noise["stands_out"], noise["direction"]) == (False, "neutral")


def test_without_an_interval_or_a_period_before_nothing_is_said() -> None:
    lone = changed(a_row("m", 4.0, 3.9, 4.1), None)
    assert [lone[name] for name in ("delta", "p_value", "stands_out", "direction")] == [None] * 4
    vague = changed(a_row("m", 4.0), a_row("m", 9.0, 8.9, 9.1))
    assert [vague[name] for name in ("delta", "p_value", "stands_out", "direction")] == [-5.0, None, None, None]


METRIC = """
definitions:
  - {key: speed, name: Speed, metric_type: numerical, source: call_intelligence, event_types: [call_intelligence.row],
     extract_path: $.speed, aggregation: avg, goal: lower}
  - {key: mood, name: Mood, metric_type: numerical, source: call_intelligence, event_types: [call_intelligence.row],
     extract_path: $.mood, aggregation: avg, goal: higher}
"""


def test_the_list_marks_what_changed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any) -> None:
    """Two days of sixty conversations through files and the command line: one metric rises, the other does not."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("METRIC_STORE_HOME", str(tmp_path))
    (tmp_path / "definitions" / "metrics" / "custom").mkdir(parents=True)
    (tmp_path / "definitions" / "metrics" / "custom" / "c.yaml").write_text(METRIC)
    (tmp_path / "landing").mkdir()
    draw, lines = np.random.default_rng(2), []
    for at in range(120):
        started = DAY + timedelta(days=at // 60, minutes=at % 60)
        data = {"speed": 5.0 + 3.0 * (at // 60) + draw.normal(), "mood": draw.normal()}
        for event_type, minutes, content in (("call_intelligence.row", 0, data), ("session.end", 1, {})):
            lines.append(
                {
                    "conversation_id": f"c{at}",
                    "event_type": event_type,
                    "data": content,
                    "occurred_at": (started + timedelta(minutes=minutes)).isoformat(),
                }
            )
    (tmp_path / "landing" / "events.ndjson").write_text("\n".join(map(json.dumps, lines)))
    for day in (0, 1):
        at = (DAY + timedelta(days=day, hours=2)).isoformat()
        assert run(["run", "--at", at, "--metric", "speed", "--metric", "mood"]) == 0
    capsys.readouterr()
    assert run(["list", "--grain", "day", "--json"]) == 0
    rows = {row["metric_key"]: row for row in json.loads(capsys.readouterr().out)}
    speed, mood = rows["speed"], rows["mood"]
    assert (speed["stands_out"], speed["direction"], speed["complete"]) == (True, "bad", True)
    assert speed["delta_low"] < 3 < speed["delta_high"]
    assert (mood["stands_out"], mood["direction"]) == (False, "neutral")
