"""One fold for every mode: what is counted, what an absent path is, what the range is held against."""

from __future__ import annotations

from typing import Any

import duckdb
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.catalog.models import PLAUSIBLE, MetricDefinition
from pipeline.judge.judgement import Judgement, fold
from pipeline.store import load_sql
from pipeline.store.states import BY_WEIGHT, STATES

TURN = {"scope": "turn", "extract_path": "$.score", "valid_range_min": 1, "valid_range_max": 50}


def turns(bench: Any, conversation: str, *data: dict[str, Any], role: str = "agent") -> list[dict[str, Any]]:
    spoken = [bench.event(conversation, f"{role}.turn", at, text="x", **one) for at, one in enumerate(data)]
    return [*spoken, bench.event(conversation, "session.end", 20)]


def test_a_fold_takes_what_is_usable(bench: Any) -> None:
    """Of 4, 4, 99 (out of range), a word and nothing, two readings can be used, whatever they are folded into."""
    folds = ("count", "sum", "avg", "min", "max", "median", "first", "last", "p95")
    bench.define(*(bench.definition(f"f_{name}", fold=name, **TURN) for name in folds))
    bench.add(turns(bench, "c", {"score": 4}, {"score": 4}, {"score": 99}, {"score": "four"}, {}))
    bench.run()
    assert {name: bench.values(f"f_{name}")["c"] for name in folds} == dict.fromkeys(folds, 4.0) | {
        "count": 2.0,
        "sum": 8.0,
    }


@pytest.mark.parametrize(
    ("data", "count", "total"),
    [
        ([], 0.0, "missing"),
        ([{}, {}], "missing", "missing"),
        ([{}, {"score": 99}], "out_of_range", "out_of_range"),
        ([{"score": 99}, {"score": "four"}], "wrong_type", "wrong_type"),
        ([{"score": 30}, {"score": 30}], 2.0, 60.0),
    ],
    ids=["nothing to look at", "absent", "beyond", "worst of two", "a sum beyond the range of a turn"],
)
def test_without_a_usable_reading_the_state_says_why(
    bench: Any, data: list[dict[str, Any]], count: float | str, total: float | str
) -> None:
    bench.define(bench.definition("count", fold="count", **TURN), bench.definition("sum", fold="sum", **TURN))
    bench.add(turns(bench, "c", *data))
    bench.run()
    assert (bench.values("count")["c"], bench.values("sum")["c"]) == (count, total)


def test_an_absent_list_is_missing_and_an_empty_one_is_zero(bench: Any) -> None:
    paths = {"each": "$.items[*].price", "plain": "$.items", "dear": "$.items[?(@.price > 5)]", "anywhere": "$..price"}
    bench.define(
        *(bench.definition(key, extract_path=path, fold="count") for key, path in paths.items() if key != "dear"),
        bench.definition("dear", extract_path=paths["dear"] + ".price", fold="count"),
    )
    bench.add(
        bench.ended("absent"),
        bench.ended("null", items=None),
        bench.ended("empty", items=[]),
        bench.ended("cheap", items=[{"price": 1}, {"price": 2}]),
        bench.ended("unpriced", items=[{"name": "a"}]),
    )
    bench.run()
    assert bench.values("each") == {"absent": "missing", "null": "missing", "empty": 0, "cheap": 2, "unpriced": 0}
    assert bench.values("dear") == {"absent": "missing", "null": "missing", "empty": 0, "cheap": 0, "unpriced": 0}
    assert bench.values("plain")["empty"] == 0
    assert bench.values("anywhere") == {
        "absent": "missing", "null": "missing", "empty": "missing", "cheap": 2, "unpriced": "missing"
    }  # fmt: skip


@pytest.mark.parametrize("name", ["count", "sum"])
def test_counts_and_sums_of_participants_add_up(bench: Any, name: str) -> None:
    bench.define(bench.definition("n", scope="participant", fold=name, extract_path="$.n"))
    bench.add(
        turns(bench, "c", {"n": 2}, {"n": 2}, {"n": "?"}, role="agent")[:-1], turns(bench, "c", {"n": 2}, role="user")
    )
    bench.run()
    whole = bench.values("n")["c"]
    assert [row[4] for row in bench.below("n")] == ([2.0, 1.0] if name == "count" else [4.0, 2.0])
    assert whole == sum(row[4] for row in bench.below("n"))


def test_one_limit_in_every_mode(bench: Any) -> None:
    folder = bench.settings.definitions / "python"
    folder.mkdir(parents=True)
    (folder / "same.py").write_text("def evaluate(conversation):\n    return conversation.intelligence['x']\n")
    bench.define_in_files(
        bench.definition("static", extract_path="$.x"),
        bench.definition("python", extraction_mode="python", python_file="same.py"),
    )
    found = {"big": 5e15, "least": -PLAUSIBLE, "most": PLAUSIBLE, "beyond": 1.01e100, "below": -2e100}
    bench.add(*(bench.ended(key, x=x) for key, x in found.items()))
    bench.run()
    assert bench.values("static") == bench.values("python")
    assert bench.values("static") == found | {"beyond": "out_of_range", "below": "out_of_range"}


def test_a_threshold_folds_as_a_metric_does(bench: Any) -> None:
    folds = ("avg", "min", "max", "sum", "median", "p95", "p99", "first", "last")
    turn = {"scope": "turn", "extract_path": "$.n"}
    bench.define(
        *(bench.definition(f"f_{name}", fold=name, **turn) for name in folds),
        *(
            bench.definition(
                f"t_{name}",
                metric_type="boolean",
                extraction_mode="threshold",
                threshold={"metric": "f_avg", "operator": operator, "value": value, "fold": name},
            )
            for name, operator, value in [
                ("avg", "==", 4), ("min", "==", 1), ("max", "==", 9), ("sum", "==", 12), ("median", "==", 2),
                ("p95", ">", 8), ("p99", ">", 8.8), ("first", "==", 9), ("last", "==", 1), ("any", "==", 1),
                ("all", ">=", 1), ("each", ">=", 1),
            ]
        ),
    )  # fmt: skip
    bench.add(turns(bench, "c", {"n": 9}, {"n": 2}, {"n": "?"}, {"n": 1}))
    assert not bench.run().failed
    for name in (*folds, "any", "all", "each"):
        assert bench.values(f"t_{name}") == {"c": True}, name


def test_the_states_are_weighed_alike_in_sql_and_python() -> None:
    assert set(BY_WEIGHT) == set(STATES) - {"ok"}
    with duckdb.connect() as con:
        con.execute(load_sql("pipeline.extract.sql", "fold_macros"))
        ranked = [con.execute("SELECT weight(?)", [state]).fetchall()[0][0] for state in BY_WEIGHT]
    assert ranked == list(range(1, len(BY_WEIGHT) + 1))


_FOLDING = duckdb.connect()
_READ = st.lists(
    st.one_of(
        st.floats(-1e6, 1e6, allow_subnormal=False),
        st.sampled_from(["missing", "not_applicable", "out_of_range", "wrong_type"]),
    ),
    min_size=1,
    max_size=8,
)


@settings(max_examples=60, deadline=None)
@given(readings=_READ, name=st.sampled_from(["first", "last", "count", "avg", "min", "max", "median", "p95", "p99"]))
def test_judged_values_fold_as_the_others_do(readings: list[float | str], name: str) -> None:
    """The one fold in Python, of what a model said about each turn, has the values and states of the one in SQL."""
    definition = MetricDefinition(
        key="k", name="k", metric_type="numerical", source="call_intelligence", scope="turn", fold=name,
        event_types=("call_intelligence.row",),
    )  # fmt: skip
    rows = [Judgement("ok", value=found) if isinstance(found, float) else Judgement(found) for found in readings]
    judged = fold(definition, rows)
    with _FOLDING.cursor() as con:
        con.execute(load_sql("pipeline.extract.sql", "fold_macros"))
        con.execute(
            "CREATE OR REPLACE TABLE unit (metric_key VARCHAR, conversation_id VARCHAR, participant VARCHAR, "
            "metric_type VARCHAR, "
            "scope VARCHAR, fold VARCHAR, position BIGINT, place BIGINT, status VARCHAR, value_number DOUBLE, "
            "value_text VARCHAR, value_boolean BOOLEAN, value_list VARCHAR[])"
        )
        for at, row in enumerate(rows):
            con.execute(
                "INSERT INTO unit VALUES ('k', 'c', NULL, 'numerical', 'turn', ?, ?, 1, ?, ?, NULL, NULL, NULL)",
                [name, at, row.status, row.value],
            )
        ((status, value),) = con.execute("SELECT status, value_number FROM fold_units('unit', FALSE)").fetchall()
    assert (judged.status, judged.value) == (status, None if value is None else pytest.approx(value, rel=1e-12))


def test_integers_beyond_a_double_keep_their_digits(bench: Any) -> None:
    """2^53 + 1 is no double; beside the nearest one stand its digits, whichever mode and fold it came through."""
    folder = bench.settings.definitions / "python"
    folder.mkdir(parents=True)
    (folder / "same.py").write_text("def evaluate(conversation):\n    return int(conversation.intelligence['id'])\n")
    ids = {f"c{at}": 10**18 + at for at in range(4)}
    bench.define_in_files(
        bench.definition("plain", extract_path="$.id", aggregation="count_distinct"),
        bench.definition("written", extract_path="$.text", aggregation="count_distinct"),
        bench.definition("greatest", extract_path="$.all[*]", fold="max", aggregation="count_distinct"),
        bench.definition("least", extract_path="$.all[*]", fold="min", aggregation="count_distinct"),
        bench.definition("last", extract_path="$.all[*]", fold="last", aggregation="count_distinct"),
        bench.definition("python", extraction_mode="python", python_file="same.py", aggregation="count_distinct"),
    )
    bench.add(
        *(
            bench.ended(key, id=found, text=f"+00{found}", all=[7, found - 1, found] if n % 2 else [found])
            for n, (key, found) in enumerate(ids.items())
        ),
        bench.ended("exact", id=2**53, text=str(2**60), all=[2**53]),
    )
    bench.run()
    rows = bench.sql("SELECT metric_key, entity_id, value_text FROM metric_values WHERE status = 'ok'")
    kept = {(key, entity): text for key, entity, text in rows}
    for key in ("plain", "written", "greatest", "last", "python"):
        assert {entity: int(kept[key, entity] or 10**18) for entity in ids} == ids, key
        assert kept[key, "exact"] is None
    assert [kept["least", f"c{at}"] for at in range(4)] == [None, None, str(10**18 + 2), None]


def test_a_letter_is_one_letter_however_it_is_written(bench: Any) -> None:
    """Unicode writes é as one character or as two; keywords, regular expressions, labels and categories know both."""
    composed, apart = "Caf\u00e9", "Cafe\u0301"
    for definitions, data in ((composed, apart), (apart, composed)):
        pattern = {"extraction_mode": "pattern", "metric_type": "boolean"}
        label = {"metric_type": "categorical", "extract_path": "$.topic"}
        bench.define(
            bench.definition("word", pattern={"keywords": [definitions.lower()]}, **pattern),
            bench.definition("regex", pattern={"regex": f"^{definitions}$"}, **pattern),
            bench.definition("known", categories=[definitions, "Bar"], **label),
            bench.definition("labels", metric_type="categorical", multi_label=True, extract_path="$.topics"),
            bench.definition("yes", metric_type="boolean", true_label=definitions, extract_path="$.topic"),
            bench.definition(
                "same", metric_type="boolean", extraction_mode="formula", formula=f"known = '{definitions}'"
            ),
            bench.definition(
                "equal", metric_type="boolean", extraction_mode="threshold",
                threshold={"metric": "known", "operator": "==", "value": definitions},
            ),
        )  # fmt: skip
        name = f"of {definitions!a}"
        bench.add(
            bench.event(name, "user.turn", 0, text=data),
            bench.ended(name, topic=data, topics=[data, definitions]),
        )
        assert not bench.run().failed
        found = {key: bench.values(key)[name] for key in ("word", "regex", "known", "labels", "yes", "same", "equal")}
        assert found == dict.fromkeys(found, True) | {"known": composed, "labels": [composed]}
        (stored,) = bench.sql("SELECT turns[1].text FROM conversations WHERE conversation_id = ?", name)
        assert stored == (data,)
