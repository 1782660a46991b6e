"""Regular expressions over turns: many definitions, one scan."""

from __future__ import annotations

import re
from datetime import UTC, datetime

from pipeline.bench.data import SQL, write_events
from pipeline.bench.definitions import PATTERNS, write_definitions
from pipeline.bench.history import DAY_ENDS, Deployment, copy_of
from pipeline.bench.stage import Answer, Competitor, Place, Run, Stage, times
from pipeline.catalog import load_catalog
from pipeline.extract import extract
from pipeline.extract.pattern import read_patterns
from pipeline.extract.planning import find_todo, plan
from pipeline.extract.planning import prepare as prepare_run
from pipeline.extract.run_context import RunContext
from pipeline.ingest import ingest
from pipeline.store import Store, load_sql
from pipeline.window import Window

_LENGTH = 20
_TURNS = 15  # of a conversation of 20 events
_NAIVE_CONVERSATIONS = 2_000
_KEYS = [f"bench_{at}" for at in range(len(PATTERNS))]
_WINDOW = Window.ending(DAY_ENDS)


def prepare(at: Place) -> None:
    """A store with conversations of a day, and a definition for each expression: in how many turns it is found."""
    settings = at.settings(at.folder)
    base = {
        "metric_type": "numerical",
        "source": "call_intelligence",
        "event_types": ["call_intelligence.row"],
        "extraction_mode": "pattern",
    }
    write_definitions(
        settings.definitions,
        [
            base | {"key": key, "name": regex, "pattern": {"regex": regex, "result": "count"}}
            for key, regex in zip(_KEYS, PATTERNS, strict=True)
        ],
    )
    file = at.folder / "turns.ndjson"
    write_events(file, conversations=at.scaled(1_000_000) // _TURNS, length=_LENGTH, words=16, span_seconds=20 * 3600)
    ingest(Store(settings), load_catalog(settings), settings, urls=[str(file)])


def one_scan(run: Run) -> Answer:
    """One RE2 expression with all of them as alternatives: says that a turn matches, not what."""
    with Store(run.settings(run.folder)).write() as con:
        scan = load_sql(SQL, "pattern_scan")
        with run.clock():
            con.execute(scan, {"expression": f"(?i){'|'.join(PATTERNS)}"}).fetchall()
        return {"found": sum(con.execute(scan, {"expression": f"(?i){each}"}).fetchall()[0][0] for each in PATTERNS)}


def read(run: Run) -> Answer:
    """What extraction does to match them: role, turn and time of each match of each definition."""
    on = copy_of(run.folder, run, run.scratch)
    metrics = on.catalog.select(_KEYS)
    context = RunContext(on.store, on.settings, on.catalog, _WINDOW, "bench", datetime.now(UTC), None, None)
    with on.store.write() as con:
        prepare_run(con, context, metrics)
        plan(con, context, metrics)
        find_todo(con, metrics)
        with run.clock():
            read_patterns(con, metrics)
        ((found,),) = con.execute("SELECT sum(value::BIGINT)::BIGINT FROM reading").fetchall()
    return {"found": found}


def extracted(run: Run) -> Answer:
    """What `metric-store run` does with them: values with their states, stored."""
    on = copy_of(run.folder, run, run.scratch)
    with run.clock():
        extract(on.store, on.catalog, on.settings, _WINDOW, keys=_KEYS)
    return _found(on)


def _found(on: Deployment) -> Answer:
    with on.store.write() as con:
        ((found, first),) = con.execute(
            "SELECT sum(value_number)::BIGINT, sum(value_number) FILTER (entity_id[2:]::BIGINT < ?)::BIGINT"
            " FROM metric_values",
            [_NAIVE_CONVERSATIONS],
        ).fetchall()
    return {"found": found, "first": first}


def turn_by_turn(run: Run) -> Answer:
    """Every expression on every turn, in Python."""
    total = run.scaled(1_000_000) // _TURNS
    wanted = min(_NAIVE_CONVERSATIONS, total)
    run.share = wanted / total
    expressions = [re.compile(each, re.IGNORECASE) for each in PATTERNS]
    with Store(run.settings(run.folder)).write() as con, run.clock():
        turns = con.execute(load_sql(SQL, "first_turns"), {"conversations": wanted}).fetchall()
        return {"first": sum(expression.search(text) is not None for (text,) in turns for expression in expressions)}


_FLOOR = "floor: one scan with the alternation"

STAGE = Stage(
    name="pattern",
    work="20 regular expressions over 1M turns",
    cost="6 minutes, 2 GB",
    prepare=prepare,
    competitors=(
        Competitor(_FLOOR, one_scan),
        Competitor("definitions matched", read, floor=_FLOOR),
        Competitor("extract(): states, types, values stored", extracted, floor=_FLOOR),
        Competitor(
            "naive: re per turn",
            turn_by_turn,
            floor=_FLOOR,
            rounds=1,
            warm_up=False,
            note=f"{_NAIVE_CONVERSATIONS:,} conversations, scaled up",
        ),
    ),
    bars=(times("definitions matched", _FLOOR, 3),),
)
