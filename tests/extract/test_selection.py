"""Which conversations a capped metric examines: the cap, the thresholds, and that the sample says the truth."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
from collections import Counter
from datetime import UTC, datetime, timedelta
from pathlib import Path
from statistics import fmean, pstdev
from typing import Any

import pyarrow as pa
import pytest
from sampling import Rule, Talk, stratified, stratified_mean

from pipeline.aggregate import aggregate
from pipeline.catalog import Catalog, load_catalog
from pipeline.extract import extract
from pipeline.hourly import backfill, run_hour
from pipeline.settings import Settings
from pipeline.store import Store, load_sql
from pipeline.window import HOUR, Window

ZERO = datetime(2026, 3, 2, tzinfo=UTC)
SCORE = {"metric_type": "numerical", "source": "call_intelligence", "event_types": ["call_intelligence.row"]}
EXAMINED = "SELECT entity_id FROM metric_values WHERE metric_key = ? AND status = 'ok'"
FILL = """
INSERT INTO conversations BY NAME
SELECT $workspace AS workspace_id, name AS conversation_id, start AS started_at, "end" AS ended_at,
    "end" AS settled_at, arrived AS first_arrival_at, arrived AS last_arrival_at, 'production' AS traffic,
    1 AS event_count, 0 AS turn_count, 0 AS agent_turn_count, 0 AS user_turn_count, 0 AS tool_call_count,
    0 AS tool_failure_count, [] AS turns, json_object('x', outcome) AS intelligence, 'h' AS content_hash
FROM talks
"""


def at(minute: float) -> datetime:
    return ZERO + timedelta(minutes=minute)


def catalog_of(options: Settings, **caps: dict[str, Any]) -> Catalog:
    definitions = [{**SCORE, "extract_path": "$.x", "key": key, "name": key, **more} for key, more in caps.items()]
    catalog = load_catalog(options, api_definitions=definitions)
    assert not catalog.errors, catalog.errors
    return Catalog(tuple(metric for metric in catalog.metrics if metric.key in caps))


def fill(store: Store, talks: list[Talk]) -> None:
    rows = [
        {
            "name": talk.name,
            "start": at(talk.start),
            "end": at(talk.end),
            "arrived": at(talk.arrived),
            "outcome": talk.outcome,
        }
        for talk in talks
    ]
    with store.transaction() as con:
        if rows:
            con.register("talks", pa.Table.from_pylist(rows))
            con.execute(FILL, {"workspace": store.workspace_id})
            con.unregister("talks")


def draws(names: list[str]) -> dict[str, float]:
    """The draw of each name, as SQL computes it."""
    import duckdb

    with duckdb.connect() as con:
        con.execute(load_sql("pipeline.extract.sql", "draw_of"))
        con.register("names", pa.table({"name": names}))
        return dict(con.execute("SELECT name, draw_of(name) FROM names").fetchall())


def drawn(talks: list[Talk]) -> list[Talk]:
    """The talks with the draws that SQL computes."""
    lots = draws([talk.name for talk in talks])
    return [Talk(t.name, t.start, t.end, t.arrived, lots[t.name], t.outcome) for t in talks]


class Deployment:
    """A store that is filled as conversations arrive, and its hourly runs."""

    def __init__(self, home: Path, hours: int, **caps: dict[str, Any]) -> None:
        self.options = Settings(home=home, definitions=home / "none")
        self.store = Store(self.options)
        self.catalog = catalog_of(self.options, **caps)
        self.hours = hours
        self._there: set[str] = set()

    def run(self, hour: int, talks: list[Talk]) -> None:
        """The partition that ends after so many hours, with what has arrived by then."""
        new = [talk for talk in talks if talk.arrived < hour * 60 and talk.name not in self._there]
        self._there |= {talk.name for talk in new}
        fill(self.store, new)
        window = Window.ending(at(hour * 60), self.hours)
        report = extract(self.store, self.catalog, self.options, window, now=at(hour * 60))
        assert not report.failed

    def sql(self, query: str, *parameters: Any) -> list[tuple[Any, ...]]:
        with self.store.write() as con:
            return con.execute(query, list(parameters)).fetchall()

    def examined(self, key: str) -> set[str]:
        return {name for (name,) in self.sql(EXAMINED, key)}


@pytest.mark.parametrize("seed", range(3))
def test_the_database_chooses_as_the_rule_says_and_runs_again_choose_nothing(tmp_path: Path, seed: int) -> None:
    dice = random.Random(seed)
    cap = dice.randint(1, 6)
    talks = []
    for n in range(dice.randint(20, 60)):
        start, length = dice.randrange(4 * 60), dice.choice([0, 3, 20, 110])
        late = dice.choice([0, 0, 1, 30, 150, 300])
        talks.append(Talk(f"{seed}-{n}", start, start + length, start + length + late, 0.0, 1.0))
    talks = drawn(talks)
    deployment = Deployment(tmp_path, 2, lot={"cap": cap}, late={"cap": cap, "selection": "recent"})
    rule = Rule(cap)
    thresholds: dict[int, float] = {}
    for hour in range(1, 9):
        rule.run((hour - 2) * 60, hour * 60, [talk for talk in talks if talk.arrived < hour * 60])
        for _ in range(1 + hour % 2):
            deployment.run(hour, talks)
        assert deployment.examined("lot") == rule.examined
        found = {
            int((start - ZERO) / HOUR): threshold
            for start, threshold in deployment.sql("SELECT hour, threshold FROM sample_thresholds")
        }
        assert found == pytest.approx(rule.thresholds)
        assert all(found[start] >= threshold for start, threshold in thresholds.items())
        thresholds = found
    places = Counter[tuple[str, datetime]]()
    for key, end, count in deployment.sql("SELECT metric_key, window_end, places FROM partition_places"):
        places[key, end] += count
    assert max(places.values(), default=0) <= cap
    for key in ("lot", "late"):
        chosen = sum(count for (metric, _), count in places.items() if metric == key)
        assert chosen == len(deployment.examined(key))
    assert deployment.sql("SELECT count(*) FROM open_places") == [(0,)]


@pytest.mark.parametrize("selection", ["random", "recent"])
def test_a_backfill_chooses_what_hourly_runs_choose(bench: Any, tmp_path: Path, selection: str) -> None:
    bench.define(bench.definition("score", extract_path="$.score", aggregation="avg", cap=3, selection=selection))
    bench.add(*(bench.ended(f"c{n}", n * 5, score=n) for n in range(60)))
    windows = list(Window.each_hour(bench.START, bench.START + 5 * HOUR))
    found = []
    for name in ("hourly", "backfill"):
        options = Settings(
            home=tmp_path / name, definitions=tmp_path / "none", landing=str(bench.settings.home / "landing")
        )
        store = Store(options)
        if name == "hourly":
            for window in windows:
                run_hour(store, bench.catalog, options, window)
        else:
            backfill(store, bench.catalog, options, windows)
        with store.write() as con:
            places = con.execute("SELECT window_end, places FROM partition_places ORDER BY ALL").fetchall()
            assert places == [(window.end, 3) for window in windows]
            found.append((con.execute(EXAMINED + " ORDER BY ALL", ["score"]).fetchall(), places))
    assert found[0] == found[1]
    assert len(found[0][0]) == 15


def test_the_cap_is_what_an_hour_examines_anew_whatever_the_selection(tmp_path: Path) -> None:
    """The same cap once examined 2,120, 319 and 219 conversations of a day, depending on the selection."""
    dice = random.Random(1)
    starts = [dice.uniform(0, 6 * 60) for _ in range(500)]
    talks = drawn([Talk(f"c{n}", start, start + 4, start + 5, 0.0) for n, start in enumerate(starts)])
    names = ("random", "recent", "hash", "stratified")
    deployment = Deployment(tmp_path, 24, **{name: {"cap": 20, "selection": name} for name in names})
    for hour in range(1, 7):
        deployment.run(hour, talks)
    assert {name: len(deployment.examined(name)) for name in names} == dict.fromkeys(names, 120)
    # The draw belongs to the conversation: metrics share their sample, and so one prefix of the prompt.
    assert deployment.examined("random") == deployment.examined("hash") == deployment.examined("stratified")
    covered = Counter(int(talk.start // 60) for talk in talks if talk.name in deployment.examined("random"))
    assert min(covered[hour] for hour in range(5)) >= 8


def test_what_is_late_is_examined_if_it_is_in_the_sample_of_its_hour(tmp_path: Path) -> None:
    talks = [Talk(f"c{n}", n % 60, n % 60 + 1, n % 60 + 1, 0.0) for n in range(100)]
    talks += [Talk(f"late{n}", n % 60, n % 60 + 1, 30 * 60 + 1, 0.0) for n in range(50)]
    talks += [Talk(f"other{n}", 30 * 60 + 2, 30 * 60 + 3, 30 * 60 + 3, 0.0) for n in range(100)]
    talks = drawn(talks)
    deployment = Deployment(tmp_path, 24, lot={"cap": 30})
    deployment.run(1, talks)
    ((threshold,),) = deployment.sql("SELECT threshold FROM sample_thresholds")
    before = deployment.examined("lot")
    deployment.run(31, talks)
    now = deployment.examined("lot") - before
    assert len(before) == len(now) == 30
    late = {talk.name for talk in talks if talk.name.startswith("late")}
    # The hour lies before the window: its threshold stays, or those that are late would outweigh the others.
    assert now & late == {talk.name for talk in talks if talk.name in late and talk.draw < threshold}
    assert len(now & late) > 5
    ledger = "SELECT ok_count, over_cap_count, reused_count FROM extraction_runs ORDER BY started_at DESC LIMIT 1"
    assert deployment.sql(ledger) == [(30, 120, 0)]


def test_more_due_than_places_are_taken_by_lot_and_the_rest_stays_due(tmp_path: Path) -> None:
    """One conversation of an hour is known when its run begins, so that all of the hour is sampled; the others come."""
    talks = [Talk("first", 1, 2, 2, 0.0)]
    talks += [Talk(f"rest{n}", 1, 2, 61, 0.0) for n in range(60)]
    talks += [Talk(f"next{n}", 61, 62, 62, 0.0) for n in range(60)]
    talks = drawn(talks)
    deployment = Deployment(tmp_path, 24, lot={"cap": 20})
    deployment.run(1, talks)
    assert deployment.sql("SELECT threshold FROM sample_thresholds") == [(1.0,)]
    deployment.run(2, talks)
    lots = {talk.name: talk.draw for talk in talks}
    lowest = sorted((name for name in lots if name != "first"), key=lots.__getitem__)
    assert deployment.examined("lot") == {"first", *lowest[:20]}
    assert {name[:4] for name in lowest[:20]} == {"rest", "next"}
    for hour in range(3, 8):
        deployment.run(hour, talks)
    assert deployment.examined("lot") == set(lots)


def test_without_a_model_nothing_is_chosen(bench: Any) -> None:
    judged = {"metric_type": "numerical", "extraction_mode": "ai_query", "valid_range_min": 1, "valid_range_max": 5}
    bench.define(bench.definition("kindness", ai_query_prompt="How kind was the agent?", cap=2, **judged))
    bench.add(*(bench.ended(f"c{n}", n) for n in range(5)))
    (outcome,) = bench.run().outcomes
    assert outcome.states == {"no_model": 5}
    for table in ("sample_thresholds", "partition_places", "open_places"):
        assert bench.sql(f"SELECT count(*) FROM {table}") == [(0,)]


def test_a_dry_run_leaves_no_place_and_a_failed_metric_takes_none(bench: Any) -> None:
    bench.define(bench.definition("score", extract_path="$.score", cap=2))
    bench.add(*(bench.ended(f"c{n}", n, score=n) for n in range(5)))
    (outcome,) = bench.run(dry_run=True).outcomes
    assert (outcome.computed, outcome.states) == (2, {"over_cap": 3})
    metric = bench.catalog.by_key["score"]
    odd = metric.definition.model_copy(update={"extract_path": "$["})
    good, bench.catalog = bench.catalog, Catalog((type(metric)(odd, metric.version, "file", "f"),))
    assert [failed.key for failed in bench.run().failed] == ["score"]
    assert bench.sql("SELECT count(*) FROM sample_thresholds") == bench.sql("SELECT count(*) FROM partition_places")
    assert bench.sql("SELECT count(*) FROM partition_places") == [(0,)]
    bench.catalog = good
    bench.run()
    assert bench.sql("SELECT places FROM partition_places") == [(2,)]


KILLER = """
import os, signal
def evaluate(conversation):
    if os.path.exists({flag!r}) and conversation["intelligence"]["score"] == {score}:
        os.kill(os.getppid(), signal.SIGKILL)
    return float(conversation["intelligence"]["score"])
"""


def test_a_killed_run_goes_on_with_what_it_had_chosen(bench: Any, tmp_path: Path) -> None:
    """The function kills the run that calls it, in the midst of the second hundred."""
    bench.add(*(bench.ended(f"c{n}", n / 10, score=n) for n in range(300)))
    lots = draws([f"c{n}" for n in range(300)])
    order = sorted(range(300), key=lambda n: lots[f"c{n}"])
    found = []
    for killed in (False, True):
        home, flag = tmp_path / str(killed), tmp_path / f"flag{killed}"
        (home / "definitions" / "python").mkdir(parents=True)
        script = KILLER.format(flag=str(flag), score=order[150])
        (home / "definitions" / "python" / "f.py").write_text(script)
        (home / "definitions" / "metrics" / "custom").mkdir(parents=True)
        (home / "definitions" / "metrics" / "custom" / "m.yaml").write_text(
            "definitions:\n  - {key: code, name: Code, metric_type: numerical, source: call_intelligence, "
            "event_types: [call_intelligence.row], extraction_mode: python, python_file: f.py, cap: 200}\n"
        )
        environment = {**os.environ, "METRIC_STORE_LANDING": str(bench.settings.home / "landing")}
        environment |= {"METRIC_STORE_HOME": str(home / "home"), "METRIC_STORE_DEFINITIONS": str(home / "definitions")}
        command = [sys.executable, "-m", "pipeline.cli.app", "run", "--at", "2026-03-02T09:00Z", "--metric", "code"]
        command[1:3] = ["-c", "import sys; from pipeline.cli.app import run; sys.exit(run(sys.argv[1:]))"]
        if killed:
            flag.touch()
            first = subprocess.run(command, env=environment, cwd=home, check=False)
            assert first.returncode == -signal.SIGKILL
            flag.unlink()
        subprocess.run(command, env=environment, cwd=home, check=True)
        store = Store(Settings(home=home / "home", definitions=home / "definitions"))
        with store.write() as con:
            found.append(
                [
                    con.execute(query).fetchall()
                    for query in (
                        EXAMINED.replace("?", "'code'") + " ORDER BY ALL",
                        "SELECT hour, threshold FROM sample_thresholds ORDER BY ALL",
                        "SELECT window_end, places FROM partition_places ORDER BY ALL",
                        "SELECT count(*) FROM open_places",
                    )
                ]
            )
    assert found[0] == found[1]
    assert [len(rows) for rows in found[0]] == [200, 1, 1, 1]
    assert found[0][3] == [(0,)]


def uneven(dice: random.Random, hours: int, busy: int, quiet: int, longer: float = 8) -> list[Talk]:
    """Conversations whose outcome is rare, but not at the end of the hour, and more frequent by day than by night."""
    talks = []
    for hour in range(hours):
        day = 8 <= hour % 24 < 20
        for n in range(busy if day else quiet):
            minute = dice.uniform(0, 60)
            share = (0.03 if minute < 45 else 0.3) * (1.1 if day else 0.5)
            outcome = float(dice.random() < share)
            end = hour * 60 + minute + dice.expovariate(1 / (4 + longer * outcome))  # what goes wrong takes longer
            late = dice.choice([60, 600, 2000]) if dice.random() < 0.05 else 0.5
            talks.append(Talk(f"{hours}-{hour}-{n}-{dice.random()}", hour * 60 + minute, end, end + late, 0.0, outcome))
    return talks


def test_real_runs_tell_the_true_rate_where_the_newest_do_not(tmp_path: Path) -> None:
    talks = drawn(uneven(random.Random(7), 6, busy=0, quiet=200, longer=0))
    deployment = Deployment(tmp_path, 24, lot={"cap": 50}, newest={"cap": 50, "selection": "recent"})
    for hour in range(1, 8):
        deployment.run(hour, talks)
    truth = fmean(talk.outcome for talk in talks)
    rows = deployment.sql(
        "SELECT metric_key, hour(observed_at), count(*), list(value_number) FILTER (status = 'ok') "
        "FROM metric_values WHERE observed_at < ? GROUP BY ALL",
        at(6 * 60),
    )
    estimates = {
        key: stratified({hour: (n, outcomes or []) for metric, hour, n, outcomes in rows if metric == key})
        for key in ("lot", "newest")
    }
    mean, spread = estimates["lot"]
    assert abs(mean - truth) < 2.5 * spread**0.5 < 0.04
    assert estimates["newest"][0] > 1.6 * truth


def test_a_day_that_two_rules_chose_from_says_so_and_has_no_interval(tmp_path: Path) -> None:
    talks = drawn(uneven(random.Random(3), 4, busy=0, quiet=60, longer=0))
    mean = {"aggregation": "avg", "valid_range_min": 0, "valid_range_max": 1}
    deployment = Deployment(tmp_path, 24, edited={**mean, "cap": 15, "selection": "recent"}, lot={**mean, "cap": 15})
    day = (
        "SELECT metric_key, selection, interval_method <> 'none', over_cap_count > 0 FROM current_periods"
        " WHERE granularity = 'day' AND service_id IS NULL ORDER BY ALL"
    )
    for hour in range(1, 6):
        deployment.run(hour, talks)
    aggregate(deployment.store, deployment.catalog, deployment.options)
    assert deployment.sql(day) == [("edited", "recent", False, True), ("lot", "random", True, True)]

    deployment.catalog = catalog_of(deployment.options, edited={**mean, "cap": 16}, lot={**mean, "cap": 16})
    deployment.run(6, talks)
    aggregate(deployment.store, deployment.catalog, deployment.options)
    assert deployment.sql(day) == [("edited", "mixed", False, True), ("lot", "random", True, True)]

    deployment.catalog = catalog_of(deployment.options, edited={**mean, "cap": 500}, lot={**mean, "cap": 500})
    deployment.run(7, talks)
    aggregate(deployment.store, deployment.catalog, deployment.options)
    assert deployment.sql(day) == [("edited", "random", True, False), ("lot", "random", True, False)]


def test_the_rule_is_without_bias_over_many_days() -> None:
    """Three days each; at full length with REPLICATIONS=1000 in the environment."""
    replications = int(os.environ.get("REPLICATIONS", "20"))
    scores = []
    dice = random.Random(11)
    for _ in range(replications):
        talks = [
            Talk(t.name, t.start, t.end, t.arrived, dice.random(), t.outcome)
            for t in uneven(dice, 72, busy=60, quiet=8)
        ]
        rule = Rule(cap=12)
        for hour in range(1, 120):
            start, end = (hour - 24) * 60, hour * 60
            rule.run(
                start, end, [talk for talk in talks if talk.arrived < end and max(talk.end, talk.arrived) >= start]
            )
        mean, spread = stratified_mean(talks, rule.examined)
        truth = fmean(talk.outcome for talk in talks)
        scores.append((mean - truth) / spread**0.5)
    # Of a sample without bias the scores are standard normal.
    assert abs(fmean(scores)) < 3 / replications**0.5, fmean(scores)
    assert 0.75 < pstdev(scores) < 1.3, pstdev(scores)
