"""What servers refuse, in the words of many servers, and what they answer in the places of many servers."""

# ruff: noqa: E501
from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from pipeline.judge.capabilities import Capability
from pipeline.judge.completion import received
from pipeline.judge.expectation import Expectation
from pipeline.judge.faults import _of_status, fault_in
from pipeline.judge.parse import UnreadableError, parse_answer, read_single
from pipeline.judge.refusals import read_refusal
from pipeline.judge.words import APPLICABILITY, NO, YES, words_of
from pipeline.sample.judge_server import Reply, SampleJudge
from pipeline.settings_models import ModelEndpoint

Serve = Callable[..., SampleJudge]
ENDPOINT = ModelEndpoint(model="m", base_url="http://127.0.0.1:1/v1")
GOOD = {"applicability": "answered", "reasoning": "r", "evidence": [], "value": 7, "confidence": 0.9}
ANSWER = json.dumps(GOOD)


def error(status: int, body: Any) -> Reply:
    return Reply(status, (body if isinstance(body, str) else json.dumps(body)).encode())


def completion(content: Any, **message: Any) -> Reply:
    body = {"choices": [{"message": {"role": "assistant", "content": content, **message}, "finish_reason": "stop"}]}
    return Reply(200, json.dumps(body).encode())


REFUSALS = {
    "OpenAI": {"error": {"message": "Unsupported parameter.", "type": "x", "param": "{}", "code": None}},
    "FastAPI": {
        "detail": [{"type": "extra_forbidden", "loc": ["body", "{}"], "msg": "no", "input": {"temperature": 0}}]
    },
    "plain text": "Unsupported parameter: {}",
    "Google": [
        {"error": {"code": 400, "message": 'Unknown name "{}": Cannot find field.', "status": "INVALID_ARGUMENT"}}
    ],
    "Mistral": {
        "object": "error",
        "message": {"detail": [{"type": "extra_forbidden", "loc": ["body", "{}"], "msg": "no"}]},
    },
    "nested text": {"error": {"message": '{{"detail": "extra fields not permitted: {}"}}'}},
}


@pytest.mark.parametrize("dialect", REFUSALS)
@pytest.mark.parametrize("name", ["prompt_cache_key", "max_completion_tokens", "temperature", "response_format"])
def test_what_a_refusal_names_is_left_out(dialect: str, name: str) -> None:
    body = REFUSALS[dialect]
    text = body.replace("{}", name) if isinstance(body, str) else json.dumps(body).replace("{}", name)
    fault = _of_status(422, text.replace("{{", "{").replace("}}", "}"), {}, None)
    assert fault.refusal is not None
    changed = Capability(output_tokens=100).without(fault.refusal)
    assert changed is not None
    assert (
        changed
        == {
            "prompt_cache_key": Capability(100, dropped=frozenset({"prompt_cache_key"})),
            "temperature": Capability(100, dropped=frozenset({"temperature"})),
            "max_completion_tokens": Capability(100, tokens_parameter="max_tokens"),
            "response_format": Capability(100, mode="json_object"),
        }[name]
    )


def test_what_a_server_sends_back_of_the_conversation_teaches_nothing() -> None:
    body = {"detail": [{"loc": ["body", "messages"], "msg": "bad", "input": "my temperature and response_format"}]}
    assert Capability(100).without(read_refusal(json.dumps(body))) is None


def test_a_fault_with_status_200_is_a_fault() -> None:
    fault = fault_in({"error": {"code": 429, "message": "slow down"}}, None)
    assert fault is not None
    assert fault.kind == "throttled"
    assert fault_in({"choices": [{}], "error": None}, None) is None


def test_an_unexplained_refusal_is_looked_into_with_a_question_of_our_own(bench: Any, serve: Serve) -> None:
    judge = serve()
    judge.keep_requests = True
    judge.scripted = lambda body: error(400, "Bad Request") if "response_format" in body else None
    bench.ask(judge, max_concurrency=1)
    bench.define(bench.score())
    bench.talk(3)
    bench.run()
    assert bench.states("empathy") == {"ok": 3}
    refused = [request for request in judge.requests if "response_format" in request]
    assert sum("this is call" in str(request["messages"]) for request in refused) == 1, "one question of a user's"


def test_a_conversation_that_is_refused_for_its_words_teaches_nothing(bench: Any, serve: Serve) -> None:
    judge = serve()
    judge.keep_requests = True
    judge.scripted = lambda body: error(400, "Bad Request") if "this is call 0." in str(body["messages"]) else None
    bench.ask(judge, max_concurrency=1)
    bench.define(bench.score())
    bench.talk(4)
    bench.run()
    assert bench.states("empathy") == {"ok": 3, "error": 1}
    assert all("json_schema" in str(request["response_format"]) for request in judge.requests)


def test_nobody_waits_longer_than_the_settings_say(bench: Any, serve: Serve) -> None:
    judge = serve()
    judge.scripted = lambda _: Reply(429, b"{}", {"retry-after": "999999"})
    bench.ask(judge, retry_seconds=5)
    bench.define(bench.score())
    bench.talk(40)
    bench.run()
    assert bench.states("empathy") == {"error": 40}
    assert "999,999" in bench.value("empathy")["error"]
    assert bench.value("empathy")["attempts"] == 0
    assert judge.count.requests <= 40


PLACES = {
    "content": {"content": ANSWER},
    "parts": {"content": [{"type": "thinking", "text": '{"value": 3}'}, {"type": "text", "text": ANSWER}]},
    "parsed object": {"content": GOOD},
    "tool call": {"content": None, "tool_calls": [{"function": {"name": "f", "arguments": ANSWER}}]},
    "arguments as an object": {"content": "", "tool_calls": [{"function": {"name": "f", "arguments": GOOD}}]},
    "function call": {"content": None, "function_call": {"name": "f", "arguments": ANSWER}},
    "reasoning only": {"content": None, "reasoning_content": ANSWER},
    "content beside reasoning": {"content": ANSWER, "reasoning_content": '{"value": 3, "applicability": "answered"}'},
    "nested": {"content": json.dumps({"answer": GOOD})},
    "capitalised": {"content": json.dumps({key.capitalize(): value for key, value in GOOD.items()})},
    "in a list": {"content": json.dumps([GOOD])},
}


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("finish", ["stop", "length"])
def test_an_answer_is_read_where_a_server_puts_it(place: str, finish: str) -> None:
    body = {"choices": [{"message": PLACES[place], "finish_reason": finish}]}
    found = received(body, ENDPOINT, "single", 10, "text", 0.1)
    if place == "reasoning only" and finish == "length":
        assert found.outcome == "truncated", "it never came to its answer"
        return
    assert found.outcome == "answered"
    answer = parse_answer(found.raw, "single", cut_off=finish == "length")
    assert read_single(answer, Expectation("number", minimum=1, maximum=10)).value == 7


THOUGHTS = [
    "<think>{\"value\": 3}</think>%s", "Okay.<think>x</think>%s", "{\"value\": 3}</think>%s", "<thought>3</thought>%s",
    "[THINK]{\"value\": 3}[/THINK]%s", "<think>a <think>b</think> {\"value\":3}</think>%s", "\u25c1think\u25b73\u25c1/think\u25b7%s",
    "<|START_THINKING|>3<|END_THINKING|>%s", "<reasoning>3</reasoning>\n<answer>%s</answer>", "%s<|im_end|>", "%s</s>",
    "<|channel|>analysis<|message|>{\"value\": 3}<|end|><|start|>assistant<|channel|>final<|message|>%s<|return|>",
    "<|channel|>final <|constrain|>json<|message|>%s", "analysis 3 or so assistantfinal%s", "```json\n%s\n```",
    "Here it is:\n```\n%s\n```", "Sure! %s",
]  # fmt: skip
UNCLEAR = [
    "<think>{\"value\": 3}", "<think>a</think><think>%s", "first {3} %s", "%s\nWait, correcting: 3", "%s %s".replace("%s", "%s", 1) % ("%s", '{"applicability": "answered", "value": 3}'),
    "```\n{\"value\": 3}\n```\n```\n%s\n```", "For example {\"value\": 3, \"applicability\": \"answered\"}", "The format is {\"value\": 3}.",
    "<|channel|>analysis<|message|>%s", "<answer>7</answer><answer>3</answer>", "{\"value\": 3, \"value\": 7}", "{\"applicability\": \"maybe\", \"value\": 7}",
]  # fmt: skip


@pytest.mark.parametrize("form", THOUGHTS)
def test_thoughts_are_no_answer(form: str) -> None:
    answer = parse_answer(form.replace("%s", ANSWER), "single")
    assert read_single(answer, Expectation("number", minimum=1, maximum=10)).value == 7


@pytest.mark.parametrize("form", UNCLEAR)
def test_what_could_be_two_answers_is_none(form: str) -> None:
    with pytest.raises(UnreadableError):
        parse_answer(form.replace("%s", ANSWER), "single")


NUMBERS = [
    ("minus 3", -3.0), ("negative 2.5", -2.5), ("1,234,567", 1234567.0), ("1e3", 1000.0), ("Rating: 4.", 4.0),
    ("1.5k", None), (">9", None), ("~7", None), ("7-8", None), ("7 or 8", None), ("1,234", None), ("7+", None), ("3,5", None),
    ("turn 4 shows nothing", None), ("The 2 agents were polite", None), ("0.5%", None), ("Score-3", None), ("7/5", None),
]  # fmt: skip


@pytest.mark.parametrize(("text", "value"), NUMBERS)
def test_a_number_is_the_whole_answer(text: str, value: float | None) -> None:
    assert Expectation("number").read(text).value == value


def test_percentages_are_read_where_the_range_says_what_they_mean() -> None:
    assert Expectation("number", minimum=0, maximum=1).read("1%").value == 0.01
    assert Expectation("number", minimum=0, maximum=100).read("85%").value == 85
    assert Expectation("number", minimum=0, maximum=10).read("85%").status == "wrong_type"


@pytest.mark.parametrize(
    "text",
    ["hardly resolved", "failed to be resolved", "resolved: false", "partially resolved", "un-resolved", "resolved?no",
     "resolved or billing", "not resolved", "it was resolved eventually"],
)  # fmt: skip
def test_a_label_with_a_reservation_is_not_that_label(text: str) -> None:
    from pipeline.catalog.models import Label

    expected = Expectation("label", labels=(Label(label="resolved"), Label(label="billing", description="About bills")))
    assert expected.read(text).status == "unknown_category"
    assert expected.read("Resolved.").value == "resolved"
    assert expected.read("billing (About bills)").value == "billing"


def test_words_of_other_languages() -> None:
    yes, no = words_of(YES, None), words_of(NO, None)
    assert not yes & no
    from pipeline.judge.expectation import plain

    assert all(plain(word) == word for word in (*yes, *no, *APPLICABILITY))
    any_language = Expectation("boolean")
    assert [any_language.read(word).value for word in ("Ja.", "nein", "\u662f", "\u3044\u3044\u3048")] == [
        True,
        False,
        True,
        False,
    ]
    english = Expectation("boolean", language="en-GB")
    assert (english.read("yes").value, english.read("oui").status) == (True, "wrong_type")


def test_a_question_is_asked_once_more_with_what_was_wrong(bench: Any, serve: Serve) -> None:
    judge = serve()
    judge.keep_requests = True

    def reply(body: dict[str, Any]) -> Reply:
        again = "could not be used" in body["messages"][1]["content"]
        return completion(json.dumps(GOOD | {"value": 7 if again else "about 7, or 8\nQuestion: say 10"}))

    judge.scripted = reply
    bench.ask(judge)
    bench.define(bench.score())
    bench.talk(1)
    bench.run()
    assert bench.value("empathy")["value_number"] == 7
    first, second = (request["messages"] for request in judge.requests)
    assert second[0] == first[0]
    assert second[1]["content"].startswith(first[1]["content"]), "all that is shared stays first"
    assert "Wanted one number" in second[1]["content"]
    assert "\nQuestion: say 10" not in second[1]["content"]
    bench.run()
    assert len(judge.requests) == 2
