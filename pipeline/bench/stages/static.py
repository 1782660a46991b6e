"""JSON paths: many definitions, one scan."""

from __future__ import annotations

from collections.abc import Callable

from pipeline.bench.data import SQL
from pipeline.bench.definitions import write_definitions
from pipeline.bench.history import DAY_ENDS, copy_of
from pipeline.bench.stage import Answer, Competitor, Place, Run, Stage, times
from pipeline.catalog import load_catalog
from pipeline.catalog.catalog import Metric
from pipeline.catalog.expressions import CONVERSATION_FILTER_COLUMNS
from pipeline.extract import extract
from pipeline.extract.readers import readers_of
from pipeline.settings import Settings
from pipeline.store import Store, load_sql
from pipeline.window import Window

_FIELDS = 41
_NAIVE_DOCUMENTS = 10_000
_HOT = ("duration_seconds", "quality_score", "turn_count", "agent_turn_count", "user_turn_count", "tool_call_count")
_PATHS = [f"$.summary.field_{at}" if at < _FIELDS // 2 else f"$.field_{at}" for at in range(_FIELDS)]
# The readings of a row are condensed to a number, so that a competitor is not measured by what becomes of them.
_SCAN = "SELECT bit_xor(hash(/*found*/))::VARCHAR FROM conversations"
_SHARE = "SELECT CAST(/*found*/ AS BIGINT[]) FROM conversations ORDER BY rowid LIMIT ?"


def prepare(at: Place) -> None:
    """A store with summaries, and a definition for each of their fields."""
    settings = at.settings(at.folder)
    base = {"metric_type": "numerical", "source": "call_intelligence", "event_types": ["call_intelligence.row"]}
    write_definitions(
        settings.definitions,
        [base | {"key": f"bench_{at}", "name": path, "extract_path": path} for at, path in enumerate(_PATHS)],
    )
    with Store(settings).transaction() as con:
        parameters = {
            "workspace_id": settings.workspace_id,
            "end": DAY_ENDS,
            "conversations": at.scaled(1_000_000),
            "fields": _FIELDS,
        }
        con.execute(load_sql(SQL, "documents"), parameters)


def _metrics(settings: Settings) -> list[Metric]:
    return [metric for metric in load_catalog(settings).metrics if metric.key.startswith("bench_")]


def _scan(found: Callable[[Settings], str], *, same: str = "readings") -> Callable[[Run], Answer]:
    """One query over all documents, with the SQL that makes the list of readings."""

    def work(run: Run) -> Answer:
        settings = run.settings(run.folder)
        expression = found(settings)
        with Store(settings).write() as con:
            with run.clock():
                ((answer,),) = con.execute(_SCAN.replace("/*found*/", expression)).fetchall()
            if same != "readings":
                return {}
            first = con.execute(_SHARE.replace("/*found*/", expression), [_NAIVE_DOCUMENTS]).fetchall()
        return {same: answer, "first": sum(sum(row[0]) for row in first)}

    return work


def _list_of_paths(_: Settings) -> str:
    return f"json_extract(intelligence, {_PATHS!r})"


def _compiled(settings: Settings) -> str:
    return readers_of(_metrics(settings), CONVERSATION_FILTER_COLUMNS).found("intelligence")


def _typed_columns(settings: Settings) -> str:
    one = _metrics(settings)[0]
    hot = [
        Metric(one.definition.model_copy(update={"sql_expression": column, "extract_path": None}), "", "builtin", "")
        for column in _HOT
    ]
    return readers_of(hot, CONVERSATION_FILTER_COLUMNS).found("intelligence")


def extracted(run: Run) -> Answer:
    """What `metric-store run` does with them: values with their states, stored, for those of one window."""
    on = copy_of(run.folder, run, run.scratch)
    with run.clock():
        report = extract(
            on.store, on.catalog, on.settings, Window.ending(DAY_ENDS), keys=[m.key for m in _metrics(on.settings)]
        )
    run.share = max(outcome.eligible for outcome in report.outcomes) / run.scaled(1_000_000)
    return {}


def query_for_each(run: Run) -> Answer:
    """A query for each path."""
    with Store(run.settings(run.folder)).write() as con, run.clock():
        for path in _PATHS:
            con.execute(_SCAN.replace("/*found*/", f"json_extract(intelligence, '{path}')")).fetchall()
    return {}


def path_for_each(run: Run) -> Answer:
    """jsonpath-ng in Python, each path compiled once, each document parsed for each path as a library user would."""
    import orjson
    from jsonpath_ng.ext.parser import parse

    wanted = min(_NAIVE_DOCUMENTS, run.scaled(1_000_000))
    run.share = wanted / run.scaled(1_000_000)
    with Store(run.settings(run.folder)).write() as con, run.clock():
        documents = con.execute("SELECT intelligence FROM conversations ORDER BY rowid LIMIT ?", [wanted]).fetchall()
        total = 0
        for path in map(parse, _PATHS):
            total += sum(match.value for (document,) in documents for match in path.find(orjson.loads(document)))
    return {"first": total}


_FLOOR = "floor: one json_extract of a list"

STAGE = Stage(
    name="static",
    work="41 paths over 1M documents",
    cost="6 minutes, 2 GB",
    prepare=prepare,
    competitors=(
        Competitor(_FLOOR, _scan(_list_of_paths), rounds=5),
        Competitor("compiled definitions", _scan(_compiled), floor=_FLOOR, rounds=5),
        Competitor("six hot fields, typed columns", _scan(_typed_columns, same="hot"), floor=_FLOOR, rounds=5),
        Competitor(
            "extract(): states, types, values stored",
            extracted,
            floor=_FLOOR,
            rounds=3,
            note="a window with a fiftieth of the documents, scaled up",
        ),
        Competitor("naive: one query per path", query_for_each, floor=_FLOOR, rounds=1, warm_up=False),
        Competitor(
            "naive: jsonpath-ng per row",
            path_for_each,
            floor=_FLOOR,
            rounds=1,
            warm_up=False,
            note=f"{_NAIVE_DOCUMENTS:,} documents, scaled up",
        ),
    ),
    bars=(
        times("compiled definitions", _FLOOR, 1.3),
        times("six hot fields, typed columns", _FLOOR, 0.1),
    ),
)
