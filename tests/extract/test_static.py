"""Paths over summaries, turns and events: typed values, or the state that says why there is none."""

from __future__ import annotations

from typing import Any

import pytest

FOUND = [
    ("numerical", {}, 3, 3.0),
    ("numerical", {}, "2.5", 2.5),
    ("numerical", {}, "-1e3", -1000.0),
    ("numerical", {}, "three", "wrong_type"),
    ("numerical", {}, "inf", "wrong_type"),
    ("numerical", {}, True, "wrong_type"),
    ("numerical", {}, [1, 2], "wrong_type"),
    ("numerical", {}, {"a": 1}, "wrong_type"),
    ("numerical", {}, 9e124, "out_of_range"),
    ("numerical", {}, -9e124, "out_of_range"),
    ("numerical", {}, None, "missing"),
    ("numerical", {}, "", "missing"),
    ("numerical", {"valid_range_min": 0, "valid_range_max": 10}, 10, 10.0),
    ("numerical", {"valid_range_min": 0, "valid_range_max": 10}, 10.001, "out_of_range"),
    ("numerical", {"valid_range_min": 0, "valid_range_max": 10}, -1, "out_of_range"),
    ("boolean", {}, True, True),
    ("boolean", {}, False, False),
    ("boolean", {}, "FALSE", False),
    ("boolean", {}, 1, "wrong_type"),
    ("boolean", {}, "yes", "wrong_type"),
    ("boolean", {"true_label": "Yes", "false_label": "No"}, "yes", True),
    ("boolean", {"true_label": "Yes", "false_label": "No"}, "NO", False),
    ("boolean", {}, None, "missing"),
    ("categorical", {}, "calm", "calm"),
    ("categorical", {}, 7, "7"),
    ("categorical", {"categories": ["calm", "angry"]}, "angry", "angry"),
    ("categorical", {"categories": ["calm", "angry"]}, "Angry", "unknown_category"),
    ("categorical", {}, ["calm"], "wrong_type"),
    ("categorical", {"multi_label": True}, ["b", "a", "b"], ["a", "b"]),
    ("categorical", {"multi_label": True}, "a", ["a"]),
    ("categorical", {"multi_label": True, "categories": ["a"]}, ["a", "z"], "unknown_category"),
    ("categorical", {"multi_label": True, "max_labels": 1}, ["a", "b"], "out_of_range"),
    ("categorical", {"multi_label": True}, [["a"]], "wrong_type"),
]


def test_every_kind_of_value_ends_in_its_state(bench: Any) -> None:
    """One run over one scan; a definition for each case, so that no case hides another."""
    for start in range(0, len(FOUND), 20):
        cases = list(enumerate(FOUND[start : start + 20], start))
        bench.define(
            *(
                bench.definition(f"case_{n}", metric_type=kind, extract_path=f"$.case.f{n}", **fields)
                for n, (kind, fields, _, _) in cases
            )
        )
        if start == 0:
            bench.add(bench.ended("c", case={f"f{n}": value for n, (_, _, value, _) in enumerate(FOUND)}))
        report = bench.run()
        assert not report.failed
        assert {n: bench.values(f"case_{n}") for n, _ in cases} == {n: {"c": case[3]} for n, case in cases}


def test_a_number_that_is_not_finite_is_never_a_value(bench: Any) -> None:
    """Ingestion refuses NaN; a store filled by other means must not let it through either."""
    bench.define(bench.definition("number", extract_path="$.x"))
    for name, text in {"nan": "NaN", "infinite": "Infinity", "huge": "1e999"}.items():
        bench.add(bench.ended(name, x=0))
        document = '{"x": ' + text + "}"
        bench.sql("UPDATE conversations SET intelligence = ?::JSON WHERE conversation_id = ?", document, name)
    bench.run()
    assert bench.values("number") == dict.fromkeys(["nan", "infinite", "huge"], "out_of_range")


@pytest.mark.both_stores
def test_paths_outside_sql_run_in_the_same_scan(bench: Any) -> None:
    bench.define(
        bench.definition("plain", extract_path="$.signals[0].weight"),
        bench.definition("filtered", extract_path="$.signals[?(@.weight > 0.5)].weight"),
        bench.definition("several", extract_path="$..weight"),
        bench.definition("folded", extract_path="$..weight", fold="sum"),
        bench.definition("counted", extract_path="$..weight", fold="count"),
        bench.definition("labels", metric_type="categorical", multi_label=True, extract_path="$.signals[*].name"),
    )
    signals = [{"name": "b", "weight": 0.25}, {"name": "a", "weight": 0.75}]
    bench.add(bench.ended("two", signals=signals), bench.ended("none"))
    assert not bench.run().failed
    assert bench.values("plain") == {"two": 0.25, "none": "missing"}
    assert bench.values("filtered") == {"two": 0.75, "none": "missing"}
    assert bench.values("several") == {"two": "wrong_type", "none": "missing"}
    assert bench.values("folded") == {"two": 1.0, "none": "missing"}
    assert bench.values("counted") == {"two": 2.0, "none": "missing"}
    assert bench.values("labels") == {"two": ["a", "b"], "none": "missing"}
    bench.add(bench.ended("later", signals=signals))
    assert not bench.run().failed  # another connection of the same process
    assert bench.values("folded") == {"two": 1.0, "none": "missing", "later": 1.0}


def test_a_metric_without_a_path_counts(bench: Any) -> None:
    bench.define(bench.definition("calls", aggregation="count"))
    bench.add(bench.ended("a"), bench.ended("b"))
    bench.run()
    assert bench.values("calls") == {"a": 1.0, "b": 1.0}


def test_turns_and_participants_fold_to_one_value(bench: Any) -> None:
    path = {"extract_path": "$.score"}
    bench.define(
        bench.definition("per_turn", scope="turn", **path),
        bench.definition("per_side", scope="participant", fold="max", **path),
        bench.definition("agent_only", scope="turn", participant_role="agent", fold="sum", **path),
        bench.definition("agent_turns", scope="turn", participant_role="agent", fold="count", aggregation="count"),
    )
    bench.add(
        bench.event("c", "agent.turn", 0, text="Hello", score=1),
        bench.event("c", "user.turn", 1, text="Hi", score=5),
        bench.event("c", "agent.turn", 2, text="Bye", score=3),
        bench.event("c", "user.turn", 3, text="Bye"),
        bench.ended("c"),
        bench.ended("silent"),
    )
    bench.run()
    assert bench.values("per_turn") == {"c": 3.0, "silent": "missing"}
    assert bench.below("per_turn") == [
        ("c", "agent", 0, "ok", 1.0),
        ("c", "agent", 2, "ok", 3.0),
        ("c", "user", 1, "ok", 5.0),
        ("c", "user", 3, "missing", None),
    ]
    assert bench.values("per_side") == {"c": 5.0, "silent": "missing"}
    assert bench.below("per_side") == [("c", "agent", None, "ok", 3.0), ("c", "user", None, "ok", 5.0)]
    assert bench.values("agent_only") == {"c": 4.0, "silent": "missing"}
    assert bench.values("agent_turns") == {"c": 2.0, "silent": 0.0}


def test_events_fold_to_one_value(bench: Any) -> None:
    fields = {"source": "emotion_events", "event_types": ["emotion.event"], "extract_path": "$.valence"}
    folds = ["first", "last", "avg", "min", "max", "sum", "count", "median", "p95"]
    bench.define(
        *(bench.definition(f"valence_{fold}", fold=fold, **fields) for fold in folds),
        bench.definition("strong", fold="count", source_filter="data.valence > 0.5", **fields),
    )
    felt = [
        bench.event("c", "emotion.event", minute, domain="emotion", valence=valence)
        for minute, valence in [(3, 0.9), (1, 0.1), (2, 0.4)]
    ]
    foreign = bench.event("c", "emotion.event", 4, domain="other", valence=9)
    bench.add(felt, foreign, bench.ended("c"), bench.ended("calm"))
    bench.run()
    found = {fold: bench.values(f"valence_{fold}")["c"] for fold in folds}
    assert found == pytest.approx(dict(zip(folds, [0.1, 0.9, 1.4 / 3, 0.1, 0.9, 1.4, 3, 0.4, 0.85], strict=True)))
    assert bench.values("strong") == {"c": 1.0, "calm": 0.0}
    assert bench.values("valence_avg")["calm"] == "missing"


def test_scope_and_source_filter_keep_conversations_out(bench: Any) -> None:
    bench.define(
        bench.definition("voice", channel_scope="voice", aggregation="count"),
        bench.definition("text", channel_scope="text", aggregation="count"),
        bench.definition("inbound", channel_scope="inbound", aggregation="count"),
        bench.definition("triage", applies_to_product_types=["triage"], aggregation="count"),
        bench.definition("long", source_filter="duration_seconds > 60", aggregation="count"),
    )
    one = bench.event("one", "session.end", 5, channel="voice", direction="inbound", tags=["triage", "x"])
    two = bench.event("two", "session.end", 5, channel="webchat", direction="outbound")
    bench.add(one, two, bench.event("one", "call_intelligence.row", 5, duration_seconds=61))
    bench.run()
    for key in ("voice", "inbound", "triage", "long"):
        assert bench.values(key) == {"one": 1.0, "two": "not_applicable"}, key
    assert bench.values("text") == {"one": "not_applicable", "two": 1.0}


def test_a_document_nested_too_deeply_costs_no_other_conversation(bench: Any) -> None:
    bench.define(bench.definition("several", extract_path="$..weight", fold="sum"))
    bench.add(bench.ended("fine", weight=2), bench.ended("deep"))
    nested = '{"a":' * 3000 + '{"weight": 1}' + "}" * 3000
    bench.sql("UPDATE conversations SET intelligence = ?::JSON WHERE conversation_id = 'deep'", nested)
    assert not bench.run().failed
    assert bench.values("several") == {"fine": 2.0, "deep": "wrong_type"}
