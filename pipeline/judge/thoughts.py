"""Removing what a model thought aloud, in every dialect that is known, so that only its final words are read.

| dialect | example |
|---|---|
| tags | `<think>…</think>`, also thinking, thought, reasoning, reflection, analysis, scratchpad, `seed:think` |
| tags whose first half stands in the prompt | `…</think>answer` |
| brackets | `[THINK]…[/THINK]`, `◁think▷…◁/think▷` |
| special tokens | `<|START_THINKING|>…<|END_THINKING|>`, `<|begin_of_thought|>…<|end_of_thought|>` |
| channels | `<|channel|>analysis<|message|>…<|end|><|start|>assistant<|channel|>final<|message|>answer` |
| channels without their tokens | `analysis…assistantfinal…` |
| a marked answer | `<answer>…</answer>`, also final, final_answer, output, response, solution |
"""

from __future__ import annotations

import re

_NAMES = r"(?:seed:)?(?:think(?:ing)?|thoughts?|reason(?:ing)?|reflection|analysis|scratchpad|inner_monologue|cot)"
_TOKENS = r"(?:thinking|thought|think|reasoning)"
_CLOSING = re.compile(
    rf"</\s*{_NAMES}\s*>|\[/\s*{_NAMES}\s*\]|\u25c1/\s*{_NAMES}\s*\u25b7|<\|\s*end_(?:of_)?{_TOKENS}\s*\|>",
    re.IGNORECASE,
)
_OPENING = re.compile(
    rf"<\s*{_NAMES}\s*>|\[\s*{_NAMES}\s*\]|\u25c1\s*{_NAMES}\s*\u25b7|<\|\s*(?:start|begin)_(?:of_)?{_TOKENS}\s*\|>",
    re.IGNORECASE,
)
_CHANNEL = re.compile(r"<\|channel\|>\s*(\w+)[^<]*(?:<\|[^|]*\|>[^<]*)??<\|message\|>")
_ENDS = re.compile(r"\A(?:\s*(?:<\|\w+\|>|<s>))+|(?:(?:<\|\w+\|>|</s>)\s*)+\Z")
_BARE_FINAL = "assistantfinal"
_MARKED = re.compile(
    r"<(answer|final|final_answer|output|response|solution)>(.*?)</\1>"
    r"|<\|(?:begin_of_solution|START_RESPONSE)\|>(.*?)<\|(?:end_of_solution|END_RESPONSE)\|>",
    re.IGNORECASE | re.DOTALL,
)


def final_words(text: str) -> str | None:
    """What a model wrote as its answer; None when it never came to one, or marked several."""
    if "<|channel|>" in text:
        return _last_channel(text)
    if text.lstrip().startswith("analysis") and _BARE_FINAL in text:
        return text.rpartition(_BARE_FINAL)[2].strip()
    closed = list(_CLOSING.finditer(text))
    rest = text[closed[-1].end() :] if closed else text
    if _OPENING.search(rest):  # it thinks until the end
        return None
    marked = list(_MARKED.finditer(rest))
    if marked and "{" not in rest[: marked[0].start()]:
        found = {(match[2] or match[3] or "").strip() for match in marked}
        return found.pop() if len(found) == 1 else None
    return _ENDS.sub("", rest).strip()


def _last_channel(text: str) -> str | None:
    """The message of the last channel, if that is `final`."""
    heads = list(_CHANNEL.finditer(text))
    if not heads or heads[-1][1] != "final":
        return None
    return re.split(r"<\|(?:end|return|start|call)\|>", text[heads[-1].end() :])[0].strip()
