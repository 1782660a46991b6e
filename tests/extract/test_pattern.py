"""Keywords, regular expressions and triggers with outcomes over turns."""

from __future__ import annotations

import re
from typing import Any

import pytest


def pattern(bench: Any, key: str, *, metric_type: str = "boolean", **fields: Any) -> dict[str, Any]:
    spec = {name: value for name, value in fields.items() if name not in ("scope", "participant_role", "fold")}
    rest = {name: value for name, value in fields.items() if name not in spec}
    return bench.definition(key, metric_type=metric_type, extraction_mode="pattern", pattern=spec, **rest)


def test_keywords_and_expressions(bench: Any) -> None:
    bench.define(
        pattern(bench, "refund", keywords=["refund", "money back"]),
        pattern(bench, "by_user", keywords=["refund"], role="user"),
        pattern(bench, "cased", keywords=["Refund"], case_sensitive=True),
        pattern(bench, "number", regex=r"\b\d{4}\b"),
        pattern(bench, "umlaut", keywords=["über"]),
        pattern(bench, "symbol", keywords=["c++"]),
        pattern(bench, "turns", regex="e", result="count", metric_type="numerical"),
        pattern(bench, "offset", keywords=["refund"], result="first_offset", metric_type="numerical"),
    )
    bench.add(
        bench.said("a", ("user", "Hello, über 1234 things"), ("agent", "Your REFUND: c++!")),
        bench.said("b", ("user", "refunds übermorgen 12345"), ("agent", "your money  back")),
        bench.said("c", ("user", "   ")),
        bench.ended("d"),
    )
    bench.run()
    silent = {"c": "missing", "d": "missing"}
    assert bench.values("refund") == {"a": True, "b": True} | silent
    assert bench.values("by_user") == {"a": False, "b": False} | silent
    assert bench.values("cased") == {"a": False, "b": False} | silent
    assert bench.values("number") == {"a": True, "b": False} | silent
    assert bench.values("umlaut") == {"a": True, "b": False} | silent
    assert bench.values("symbol") == {"a": True, "b": False} | silent
    assert bench.values("turns") == {"a": 2.0, "b": 2.0} | silent
    assert bench.values("offset") == {"a": 60.0, "b": "not_applicable"} | silent


def test_expressions_do_not_bear_on_each_other(bench: Any) -> None:
    """They are tried together first: flags, alternatives and anchors of one must not leak into the next."""
    expressions = {
        "either": "cat|dog",
        "flagged": "(?i)bird",
        "anchored": "^fish$",
        "cased": "Cow",
        "many_lines": "(?s)a.b",
        "empty": "x*",
        "end": r"end\z",
    }
    texts = ["CAT", "cat", "hotdog", "BIRD", "fish", "a fish", "Cow", "cow", "a\nb", "a b", "at the end", "end of it"]
    bench.define(
        *(pattern(bench, key, regex=each, case_sensitive=True) for key, each in expressions.items()),
        pattern(bench, "uncased", regex="DOG"),
    )
    bench.add(*(bench.said(f"c{at}", ("user", text)) for at, text in enumerate(texts)))
    assert not bench.run().failed
    compiled = {key: re.compile(each.replace(r"\z", r"\Z")) for key, each in expressions.items()}
    for key, each in (compiled | {"uncased": re.compile("DOG", re.IGNORECASE)}).items():
        assert bench.values(key) == {f"c{at}": bool(each.search(text)) for at, text in enumerate(texts)}, key


def test_a_trigger_counts_when_its_outcome_comes_in_time(bench: Any) -> None:
    ends = {"keywords": ["cancel"], "role": "user", "outcome": {"keywords": ["sorry"], "role": "agent"}}
    bench.define(
        pattern(bench, "soon", within_turns=1, **ends),
        pattern(bench, "later", within_turns=3, **ends),
        pattern(bench, "in_time", within_seconds=60, **ends),
        pattern(bench, "how_often", within_turns=3, result="count", metric_type="numerical", **ends),
        pattern(bench, "when", within_turns=3, result="first_offset", metric_type="numerical", **ends),
    )
    bench.add(
        bench.said("at_once", ("agent", "sorry"), ("user", "cancel"), ("agent", "sorry")),
        bench.said("slow", ("user", "cancel"), ("user", "cancel please"), ("user", "well?"), ("agent", "sorry")),
        bench.said("never", ("agent", "sorry"), ("user", "cancel"), ("user", "sorry")),
    )
    timeless = [
        bench.event("timeless", kind, None, text=text, sequence=n)
        for n, (kind, text) in enumerate([("user.turn", "cancel"), ("agent.turn", "sorry")])
    ]
    bench.add(timeless, bench.event("timeless", "session.end", 9, sequence=9))
    bench.run()
    assert bench.values("soon") == {"at_once": True, "slow": False, "never": False, "timeless": True}
    assert bench.values("later") == {"at_once": True, "slow": True, "never": False, "timeless": True}
    assert bench.values("in_time") == {"at_once": True, "slow": False, "never": False, "timeless": "missing"}
    assert bench.values("how_often") == {"at_once": 1.0, "slow": 2.0, "never": 0.0, "timeless": 1.0}
    assert bench.values("when") == {"at_once": 60.0, "slow": 0.0, "never": "not_applicable", "timeless": "missing"}


def test_turn_and_participant_scope(bench: Any) -> None:
    bench.define(
        pattern(bench, "per_turn", keywords=["ok"], scope="turn"),
        pattern(
            bench, "per_side", keywords=["ok"], result="count", metric_type="numerical", scope="participant", fold="max"
        ),
        pattern(bench, "all_user_turns", keywords=["ok"], scope="turn", participant_role="user", fold="all"),
    )
    bench.add(bench.said("c", ("user", "ok"), ("agent", "ok"), ("agent", "ok"), ("user", "bye")))
    bench.run()
    assert bench.values("per_turn") == {"c": True}
    assert [row[4] for row in bench.below("per_turn")] == [True, True, True, False]
    assert bench.values("per_side") == {"c": 2.0}
    assert bench.below("per_side") == [("c", "agent", None, "ok", 2.0), ("c", "user", None, "ok", 1.0)]
    assert bench.values("all_user_turns") == {"c": False}


@pytest.mark.timeout(60)
def test_a_hostile_expression_takes_linear_time(bench: Any) -> None:
    bench.define(pattern(bench, "evil", regex="(a*)*(a*)*b$"))
    bench.add(bench.said("c", ("user", "a" * 100_000)))
    report = bench.run()
    assert not report.failed
    assert bench.values("evil") == {"c": False}
