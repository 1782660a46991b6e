"""Whatever one answer, usage record or returned value holds, it costs that value alone."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Callable
from random import Random
from typing import Any

import pytest

from pipeline.judge.clean import clean_json, clean_text
from pipeline.sample.judge_server import Reply, SampleJudge

Serve = Callable[..., SampleJudge]
STATES = {"ok", "parse_error", "wrong_type", "out_of_range", "abstained", "not_applicable", "missing", "error"}
GOOD = {"applicability": "answered", "reasoning": "r", "evidence": [], "value": 7, "confidence": 0.9}
ODD: list[Any] = [
    None, True, -1, 0, 10**19, 10**400, 1e308, float("nan"), float("inf"), "", "\ud800", "a\x00b", "\udfff" * 9,
    "x" * 5000, [], {}, [[]], {"value": 7}, [7, 8], "7", "\u202e7", "9" * 400, {"a": {"b": [None]}}, -0.0, "null",
]  # fmt: skip


def nested(depth: int) -> Any:
    found: Any = 7
    for _ in range(depth):
        found = [found]
    return found


def mutated(rng: Random) -> bytes:
    """A response that is wrong in one or several places; some are right all the same."""
    answer: dict[Any, Any] = dict(GOOD)
    for _ in range(rng.randint(0, 3)):
        answer[rng.choice([*GOOD, "Value", "extra"])] = rng.choice([*ODD, nested(rng.choice([3, 150, 900]))])
    if rng.random() < 0.3:
        answer["evidence"] = [
            {"turn": rng.choice(ODD), "quote": rng.choice(ODD)} if rng.random() < 0.8 else rng.choice(ODD)
            for _ in range(rng.randint(0, 30))
        ]
    content: Any = json.dumps(answer)
    match rng.randint(0, 9):
        case 0:
            content = content[: rng.randint(0, len(content))]
        case 1:
            content = "".join(rng.choice(content + '{}[]"\\<>`\x00\ud83d') for _ in range(rng.randint(0, 300)))
        case 2:
            content = rng.choice(ODD)
        case 3:
            content = "<think>" * rng.randint(0, 3) + content + "</think>" * rng.randint(0, 2) + content
        case 4:
            content = "{" * rng.randint(1, 3000)
    message = {"role": "assistant", "content": content, rng.choice(["refusal", "tool_calls", "x"]): rng.choice(ODD)}
    body: dict[str, Any] = {
        "model": rng.choice(["judge-1", *ODD]),
        "choices": [{"message": message, "finish_reason": rng.choice(["stop", "length", *ODD])}],
        "usage": {
            "prompt_tokens": rng.choice([100, *ODD]),
            "completion_tokens": rng.choice([10, *ODD]),
            "prompt_tokens_details": rng.choice([{"cached_tokens": rng.choice(ODD)}, *ODD]),
            "completion_tokens_details": {"reasoning_tokens": rng.choice(ODD)},
        },
    }
    if rng.random() < 0.1:
        body[rng.choice(["choices", "usage"])] = rng.choice([[], [None], [[]], {}, {"prompt_tokens": 10**19}])
    return json.dumps(body).encode()


def hostile(seed: int) -> Callable[[dict[str, Any]], Reply]:
    """Odd answers for odd calls; even calls get 7."""

    def reply(body: dict[str, Any]) -> Reply:
        user = body["messages"][1]["content"]
        found = re.search(r"this is call (\d+)", user)
        assert found
        call = int(found[1])
        good = json.dumps({"choices": [{"message": {"content": json.dumps(GOOD)}, "finish_reason": "stop"}]}).encode()
        text = mutated(Random(f"{seed}:{call}:{'could not be used' in user}")) if call % 2 else good
        return Reply(200, text, {"content-type": "application/json"})

    return reply


def harmless(bench: Any, serve: Serve, number: int, seed: int) -> None:
    judge = serve()
    judge.scripted = hostile(seed)
    bench.ask(judge, usd_in=1.0, usd_out=1.0, budget={"usd_per_day": 1e9}, retry_seconds=1)
    bench.settings = bench.settings.model_copy(update={"cap": number})
    bench.define(bench.score())
    for first in range(0, number, 5000):
        bench.talk(min(5000, number - first), first=first)
    bench.run()
    rows = bench.query("SELECT entity_id, status, value_number, error FROM metric_values WHERE metric_key = 'empathy'")
    assert len(rows) == number
    neighbours = Counter((status, value) for key, status, value, _ in rows if int(key[1:]) % 2 == 0)
    assert neighbours == {("ok", 7.0): number // 2}
    others = [(status, value, error) for key, status, value, error in rows if int(key[1:]) % 2]
    assert {status for status, _, _ in others} <= STATES
    for status, value, error in others:
        assert (value is not None) == (status == "ok")
        assert value is None or 1 <= value <= 10
        assert status in ("ok", "not_applicable") or error
    answered = judge.count.answered
    bench.run()
    assert judge.count.answered - answered <= sum(status == "error" for status, _, _ in others) * 6, "paid once"
    ((money, most),) = bench.query("SELECT sum(cost_usd), max(tokens_in) FROM judge_answers")
    assert 0 <= money < 1e9
    assert most <= 10**9


def test_hostile_answers_cost_their_own_value_only(bench: Any, serve: Serve) -> None:
    harmless(bench, serve, 400, seed=1)


@pytest.mark.long
@pytest.mark.timeout(7200)
def test_a_hundred_thousand_hostile_answers(bench: Any, serve: Serve) -> None:
    harmless(bench, serve, 200_000, seed=2)


def test_an_odd_bill_of_one_endpoint_does_not_harm_another(bench: Any, serve: Serve) -> None:
    odd, plain = serve(), serve()
    usage = {"prompt_tokens": 10**19, "completion_tokens": -3}
    body = {"choices": [{"message": {"content": json.dumps(GOOD)}}], "usage": usage}
    odd.scripted = lambda _: Reply(200, json.dumps(body).encode())
    bench.ask(odd, fast={"model": "judge-2", "base_url": plain.base_url})
    bench.define(bench.score(), bench.score("other", model_tier="fast"))
    bench.talk(10)
    bench.run()
    assert bench.states("empathy") == bench.states("other") == {"ok": 10}
    bench.run()
    assert (odd.count.answered, plain.count.answered) == (10, 10)


RETURNED = [
    "'\\ud800'", "10**400", "'a\\0b'", "{'value': 5, 'reasoning': '\\udfff'}", "float('inf')", "[[[]]]",
    "{'value': 5, 'confidence': 10**400}", "{1: 2}", "'x' * 10**6",
    "__import__('functools').reduce(lambda a, _: [a], range(900), 1)",
    "{'value': 5, 'reasoning': {'a': '\\ud800'}}", "{'status': ['x']}",
]  # fmt: skip


def test_what_one_function_returns_harms_no_other(bench: Any) -> None:
    folder = bench.settings.definitions / "python"
    folder.mkdir(parents=True)
    cases = "".join(f"    if place == {at}: return {found}\n" for at, found in enumerate(RETURNED))
    (folder / "odd.py").write_text(f"def evaluate(c):\n    place = int(c.conversation_id[1:])\n{cases}    return 4\n")
    (folder / "plain.py").write_text("def evaluate(c): return 3\n")
    (folder / "text.py").write_text(
        f"def evaluate(c):\n    place = int(c.conversation_id[1:])\n{cases}    return 'a'\n"
    )
    base = {"extraction_mode": "python", "ai_query_prompt": None, "valid_range_min": None, "valid_range_max": None}
    text = {"metric_type": "categorical", "aggregation": "count"}
    bench.define(
        bench.score("odd", **base, python_file="odd.py"),
        bench.score("text", **base | text, python_file="text.py"),
        bench.score("plain", **base, python_file="plain.py"),
    )
    bench.talk(len(RETURNED) + 3)
    report = bench.run()
    assert not [outcome.failure for outcome in report.outcomes if outcome.failure]
    assert bench.states("plain") == {"ok": len(RETURNED) + 3}
    for key, good in (("odd", 4.0), ("text", "a")):
        assert bench.states(key).total() == len(RETURNED) + 3
        for at in range(len(RETURNED), len(RETURNED) + 3):
            value = bench.value(key, f"c{at:04}")
            assert (value["status"], value["value_number"] if key == "odd" else value["value_text"]) == ("ok", good)


def test_text_is_made_storable_and_nothing_else_is_changed() -> None:
    assert clean_text("caf\u00e9 \U0001f600 \u4e2d") == "caf\u00e9 \U0001f600 \u4e2d"
    assert clean_text("a\ud800b\x00\ud83d\ude00") == "a\ufffdb\ufffd\U0001f600"
    assert clean_json({"\ud800": [10**19, -(10**400), 2**62]}) == {"\ufffd": [1e19, float("-inf"), 2**62]}
    with pytest.raises(ValueError, match="nested"):
        clean_json(nested(200))
