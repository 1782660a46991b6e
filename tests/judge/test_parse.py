"""Reading answers: strict by type, with the forms that models really produce."""

from __future__ import annotations

import json
import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.catalog.models import Label, MetricDefinition
from pipeline.judge.expectation import Expectation
from pipeline.judge.judgement import Judgement, join_repeats
from pipeline.judge.parse import UnreadableError, parse_answer, read_single

SCORE = Expectation("number", minimum=1, maximum=10)
TOPICS = ("billing", "billing dispute", "other")
TOPIC = Expectation("label", labels=tuple(Label(label=label) for label in TOPICS))
TAGS = Expectation("labels", labels=TOPIC.labels)
FLAG = Expectation("boolean", true_label="Disclosed", false_label="Not disclosed")


def read(raw: str, expected: Expectation) -> tuple[str, Any]:
    try:
        answer = parse_answer(raw, "single")
    except UnreadableError:
        return "malformed", None
    reading = read_single(answer, expected)
    return reading.status, reading.value


def shaped(value: Any, **fields: Any) -> str:
    return json.dumps({"applicability": "answered", "reasoning": "r", "evidence": [], "value": value, **fields})


@pytest.mark.parametrize(
    ("raw", "expected", "found"),
    [
        (shaped(7), SCORE, ("ok", 7.0)),
        ("7", SCORE, ("ok", 7.0)),
        (" **7** ", SCORE, ("ok", 7.0)),
        ("Score: 7", SCORE, ("ok", 7.0)),
        ("I'd give it 7 out of 10.", SCORE, ("ok", 7.0)),
        ("7/10", SCORE, ("ok", 7.0)),
        (f"Here it is:\n```json\n{shaped(7)}\n```", SCORE, ("ok", 7.0)),
        (f"<think>maybe {{8}}?</think>{shaped(7)}", SCORE, ("ok", 7.0)),
        (f"Sure! {shaped('7')} Anything else?", SCORE, ("ok", 7.0)),
        ("10 out of 10", SCORE, ("ok", 10.0)),
        ("-1", SCORE, ("out_of_range", None)),
        ("\u22123", Expectation("number"), ("ok", -3.0)),
        ("1.234.567", Expectation("number"), ("parse_error", None)),
        ("7/5", SCORE, ("parse_error", None)),
        ("<think>it could be 5", SCORE, ("malformed", None)),
        ("between 6 and 8", SCORE, ("parse_error", None)),
        ("good", SCORE, ("parse_error", None)),
        (shaped("good"), SCORE, ("wrong_type", None)),
        (shaped(True), SCORE, ("wrong_type", None)),
        (shaped(11), SCORE, ("out_of_range", None)),
        (shaped(9.2e124), Expectation("number"), ("out_of_range", None)),
        (shaped(math.inf), Expectation("number"), ("out_of_range", None)),
        (shaped(math.nan), Expectation("number"), ("wrong_type", None)),
        ('{"value": 1e999}', Expectation("number"), ("out_of_range", None)),
        (shaped(None), SCORE, ("abstained", None)),
        (shaped(None, applicability="not_applicable"), SCORE, ("not_applicable", None)),
        (shaped(7, applicability="cannot_tell"), SCORE, ("abstained", None)),
        (shaped(7)[:-20], SCORE, ("malformed", None)),
        ('{"applicability": "answered", "evidence": [{"turn": 1, "quote": "x"}], "val', SCORE, ("malformed", None)),
        ("Yes.", FLAG, ("ok", True)),
        ("Not true", FLAG, ("parse_error", None)),
        ("yes and no", FLAG, ("parse_error", None)),
        ("No, but yes", FLAG, ("parse_error", None)),
        ("Yes, there was no delay", FLAG, ("ok", True)),
        ("It isn\u2019t billing", TOPIC, ("unknown_category", None)),
        ("billing but not other", TAGS, ("unknown_category", None)),
        ("No, because nobody said so", FLAG, ("ok", False)),
        ("NOT DISCLOSED", FLAG, ("ok", False)),
        (shaped("true"), FLAG, ("ok", True)),
        (shaped(1), FLAG, ("wrong_type", None)),
        ("no such thing was asked", FLAG, ("parse_error", None)),
        ('"Billing"', TOPIC, ("ok", "billing")),
        ("The label is Billing_Dispute.", TOPIC, ("ok", "billing dispute")),
        ("not billing", TOPIC, ("unknown_category", None)),
        ("billing or other", TOPIC, ("unknown_category", None)),
        (shaped("fraud"), TOPIC, ("unknown_category", None)),
        (shaped(["billing", "other"]), Expectation("labels", labels=TOPIC.labels), ("ok", ("billing", "other"))),
        (shaped(["billing", "other"]), Expectation("labels", TOPIC.labels, max_labels=1), ("out_of_range", None)),
    ],
)
def test_forms(raw: str, expected: Expectation, found: tuple[str, Any]) -> None:
    assert read(raw, expected) == found


@given(st.integers(1, 10), st.sampled_from(["{}", "{}.", '"{}"', "Score: {}", "`{}`", "{}/10", "{} out of 10"]))
def test_a_score_is_found_in_any_of_the_usual_forms(number: int, form: str) -> None:
    assert read(form.format(number), SCORE) == ("ok", float(number))


@given(st.text(max_size=200))
def test_nothing_that_a_model_writes_raises_or_leaves_the_range(raw: str) -> None:
    for expected in (SCORE, TOPIC, FLAG, Expectation("text")):
        status, value = read(raw, expected)
        assert (status == "ok") == (value is not None)
        if expected is SCORE and value is not None:
            assert 1 <= value <= 10


@given(
    st.recursive(
        st.none() | st.booleans() | st.floats() | st.text(),
        lambda part: st.lists(part) | st.dictionaries(st.text(), part),
    )
)
def test_any_value_of_json_gets_a_state(value: Any) -> None:
    for expected in (SCORE, TOPIC, FLAG, Expectation("labels"), Expectation("text")):
        assert read(json.dumps({"value": value}), expected)[0] in (
            "ok", "abstained", "wrong_type", "out_of_range", "unknown_category"
        )  # fmt: skip


def repeated(metric_type: Any, values: list[Any]) -> Judgement:
    fields = {"valid_range_min": 0, "valid_range_max": 10} if metric_type == "numerical" else {}
    definition = MetricDefinition(
        key="m", name="m", metric_type=metric_type, source="call_intelligence", event_types=("call_intelligence.row",),
        extraction_mode="ai_query", ai_query_prompt="?", repeat=len(values), **fields,
    )  # fmt: skip
    rows = [
        Judgement(value, sample_index=at + 1)
        if value in ("error", "abstained")
        else Judgement("ok", value, sample_index=at + 1)
        for at, value in enumerate(values)
    ]
    return join_repeats(definition, rows)


@pytest.mark.parametrize(
    ("metric_type", "values", "status", "value", "confidence"),
    [
        ("boolean", [True, True, False], "ok", True, 2 / 3),
        ("boolean", [True, False], "abstained", None, None),
        ("categorical", ["a", "a", "a"], "ok", "a", 1.0),
        ("categorical", ["a", "b", "error"], "error", None, None),
        ("categorical", ["a", "abstained", "abstained"], "abstained", None, None),
        ("numerical", [4.0, 6.0], "ok", 5.0, 0.8),
        ("numerical", [0.0, 10.0], "ok", 5.0, 0.0),
        ("numerical", [4.0, "abstained", "abstained"], "abstained", None, None),
    ],
)
def test_repeats(metric_type: Any, values: list[Any], status: str, value: Any, confidence: float | None) -> None:
    joined = repeated(metric_type, values)
    assert (joined.status, joined.value) == (status, value)
    assert joined.confidence == (None if confidence is None else pytest.approx(confidence))
    assert joined.sample_index == 0
