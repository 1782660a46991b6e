"""Metrics that the agent wrote itself."""

from __future__ import annotations

from typing import Any


def written(bench: Any, key: str, metric_type: str = "numerical", **fields: Any) -> dict[str, Any]:
    return bench.definition(key, metric_type=metric_type, extraction_mode="written", **fields)


def test_repeated_writes(bench: Any) -> None:
    name = {"written_name": "score"}
    bench.define(
        written(bench, "first", repeated="first", **name),
        written(bench, "last", **name),
        written(bench, "total", repeated="sum", **name),
        written(bench, "writes", repeated="count", **name),
        written(bench, "topics", "categorical", multi_label=True, repeated="list", written_name="topic"),
    )
    scores = [
        bench.event("a", "metric.written", at, name="score", value=value) for at, value in [(3, 5), (1, 2), (2, 4)]
    ]
    topics = [bench.event("a", "metric.written", at, name="topic", value=value) for at, value in [(1, "b"), (2, "a")]]
    bench.add(scores, topics, bench.ended("a"), bench.ended("b"))
    bench.run()
    assert bench.values("first") == {"a": 2.0, "b": "missing"}
    assert bench.values("last") == {"a": 5.0, "b": "missing"}
    assert bench.values("total") == {"a": 11.0, "b": "missing"}
    assert bench.values("writes") == {"a": 3.0, "b": 0.0}
    assert bench.values("topics") == {"a": ["a", "b"], "b": "missing"}


def test_write_once_makes_later_writes_void(bench: Any) -> None:
    bench.define(written(bench, "outcome", "categorical"))
    bench.add(
        bench.event("a", "metric.written", 1, name="outcome", value="booked", write_once=True),
        bench.event("a", "metric.written", 2, name="outcome", value="lost"),
        bench.event("a", "metric.written", 3, name="outcome", value="lost", write_once=True),
        bench.event("b", "metric.written", 1, name="outcome", value="draft"),
        bench.event("b", "metric.written", 2, name="outcome", value="booked", write_once=True),
        bench.event("b", "metric.written", 3, name="outcome", value="lost"),
        bench.ended("a"),
        bench.ended("b"),
    )
    bench.run()
    assert bench.values("outcome") == {"a": "booked", "b": "booked"}


def test_a_write_without_a_value_says_that_it_happened(bench: Any) -> None:
    bench.define(
        written(bench, "flag", "boolean", written_name="x"),
        written(bench, "times", repeated="sum", written_name="x"),
        written(bench, "label", "categorical", written_name="x"),
    )
    bench.add(
        bench.event("a", "metric.written", 1, name="x"),
        bench.event("a", "metric.written", 2, name="x", value=None),
        bench.ended("a"),
    )
    bench.run()
    assert bench.values("flag") == {"a": True}
    assert bench.values("times") == {"a": 2.0}
    assert bench.values("label") == {"a": "missing"}
