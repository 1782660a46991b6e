"""Formulas, thresholds and gates over other metrics' values."""

from __future__ import annotations

from typing import Any

import pytest


def formula(bench: Any, key: str, text: str, metric_type: str = "boolean") -> dict[str, Any]:
    return bench.definition(key, metric_type=metric_type, extraction_mode="formula", formula=text)


def threshold(bench: Any, key: str, metric: str, operator: str, value: Any, **fields: Any) -> dict[str, Any]:
    spec = {"metric": metric, "operator": operator, "value": value, **fields}
    return bench.definition(key, metric_type="boolean", extraction_mode="threshold", threshold=spec)


def test_formulas_over_formulas(bench: Any) -> None:
    bench.define(
        bench.definition("score", extract_path="$.score"),
        bench.definition("solved", metric_type="boolean", extract_path="$.solved"),
        bench.definition("mood", metric_type="categorical", extract_path="$.mood"),
        formula(bench, "doubled", "score * 2", "numerical"),
        formula(bench, "good", "doubled > 10 AND solved"),
        formula(bench, "calm", "mood = 'calm' OR good"),
        formula(bench, "per_score", "1 / score", "numerical"),
    )
    bench.add(
        bench.ended("a", score=6, solved=True, mood="angry"),
        bench.ended("b", score=0, solved=False, mood="calm"),
        bench.ended("c", solved=True),
        bench.ended("d", solved=False),
    )
    report = bench.run()
    assert not report.failed
    assert bench.values("doubled") == {"a": 12.0, "b": 0.0, "c": "missing", "d": "missing"}
    assert bench.values("good") == {"a": True, "b": False, "c": "missing", "d": False}
    assert bench.values("calm") == {"a": True, "b": True, "c": "missing", "d": "missing"}
    assert bench.values("per_score") == {"a": 1 / 6, "b": "missing", "c": "missing", "d": "missing"}


def test_a_formula_waits_for_its_inputs(bench: Any) -> None:
    bench.define(
        bench.definition(
            "rated", extraction_mode="ai_query", ai_query_prompt="Rate 1 to 10: {data}", aggregation="avg"
        ),
        bench.definition("voice", metric_type="boolean", extract_path="$.voice", channel_scope="voice"),
        formula(bench, "high", "rated > 7"),
        formula(bench, "not_voice", "NOT voice"),
        threshold(bench, "rated_low", "rated", "<", 3),
    )
    bench.add(bench.ended("a", voice=True))
    bench.run()
    assert bench.values("rated") == {"a": "no_model"}
    assert bench.values("high") == {"a": "pending"}
    assert bench.values("rated_low") == {"a": "pending"}
    assert bench.values("not_voice") == {"a": "not_applicable"}
    bench.sql("UPDATE metric_values SET status = 'ok', value_number = 8 WHERE metric_key = 'rated'")
    bench.run()
    assert bench.values("high") == {"a": True}
    assert bench.values("rated_low") == {"a": False}


FOLDS = [
    ("each", None, ">", 1, False),
    ("each", None, ">=", 1, True),
    ("any", None, ">", 3, True),
    ("all", None, "<", 5, True),
    ("count", 2, ">", 1, True),
    ("count", 3, ">", 1, False),
    ("avg", None, ">", 2.5, True),
    ("min", None, "==", 1, True),
    ("max", None, "<", 4, False),
    ("sum", None, "==", 8, True),
    ("median", None, "==", 3, True),
    ("p95", None, ">", 3.8, True),
    ("p99", None, ">", 3.99, False),
    ("first", None, "==", 1, True),
    ("last", None, "!=", 4, False),
]


def test_every_fold_of_a_threshold(bench: Any) -> None:
    bench.define(
        bench.definition("score", extract_path="$.score", scope="turn"),
        *(
            threshold(bench, f"t{n}", "score", operator, value, fold=fold, count=needed)
            for n, (fold, needed, operator, value, _) in enumerate(FOLDS)
        ),
    )
    turns = [bench.event("c", "user.turn", minute, text="x", score=score) for minute, score in enumerate([1, 3, 4])]
    bench.add(turns, bench.event("c", "user.turn", 3, text="no score"), bench.ended("c"), bench.ended("silent"))
    bench.run()
    for n, (*_, expected) in enumerate(FOLDS):
        found = bench.values(f"t{n}")
        assert found["c"] is expected, FOLDS[n]
        if FOLDS[n][0] != "count":
            assert found["silent"] == "missing"


@pytest.mark.parametrize(("operator", "value", "expected"), [("==", "calm", True), ("!=", "calm", False)])
def test_a_threshold_over_a_category(bench: Any, operator: str, value: str, expected: bool) -> None:
    bench.define(
        bench.definition("mood", metric_type="categorical", extract_path="$.mood"),
        threshold(bench, "t", "mood", operator, value),
    )
    bench.add(bench.ended("a", mood="calm"))
    bench.run()
    assert bench.values("t") == {"a": expected}


def test_a_gate_decides_first(bench: Any) -> None:
    bench.define(
        bench.definition("risk", extract_path="$.risk"),
        bench.definition("detail", metric_type="categorical", extract_path="$.detail", gate="risk > 5"),
    )
    bench.add(
        bench.ended("high", risk=6, detail="x"),
        bench.ended("low", risk=1, detail="x"),
        bench.ended("unknown", detail="x"),
    )
    bench.run()
    assert bench.values("detail") == {"high": "x", "low": "not_applicable", "unknown": "not_applicable"}
