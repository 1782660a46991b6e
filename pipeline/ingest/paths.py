"""JSONPath over Python objects. Plain paths become a fast getter; the rest runs through jsonpath-ng, compiled once."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from functools import cache
from typing import Any, Final

from pipeline.catalog.paths import parse_path
from pipeline.catalog.source_values import SCOPED_PATH
from pipeline.ingest.refusal import RefusedError

_STEP = re.compile(r"""\.([A-Za-z_][\w-]*)|\['([^'\\]*)'\]|\["([^"\\]*)"\]|\[(\d+)\]|(\[\*\])""")


class Missing:
    """The type of `MISSING`: nothing stands at the path, which is not the same as null."""

    def __bool__(self) -> bool:
        return False


MISSING: Final = Missing()

Find = Callable[[Any], Iterator[tuple[str, Any]]]

Items = Mapping[str, Any]
"""What paths are read from: the item itself under an empty name, and the named items of enclosing rules."""

Read = Callable[[Items], Any]


def absent(value: Any) -> bool:
    """Whether nothing stands there, or null."""
    return value is MISSING or value is None


@cache
def compile_path(text: str) -> tuple[str | None, Find]:
    """Scope that the path is read from (None: the item itself) and a function that yields (place, match) pairs.

    A place is the path of the match below its item, for example `.Events[3]`.
    """
    parts = SCOPED_PATH.fullmatch(text)
    assert parts is not None  # the model has checked it
    steps = _plain_steps(parts["rest"])
    return parts["scope"], _general("$" + parts["rest"]) if steps is None else lambda item: _walk(item, steps, 0, "")


@cache
def compile_first(text: str) -> tuple[str | None, Callable[[Any], Any]]:
    """Like `compile_path`, for the first match only, or MISSING."""
    scope, find = compile_path(text)
    parts = SCOPED_PATH.fullmatch(text)
    assert parts is not None
    steps = _plain_steps(parts["rest"])
    if steps is None or None in steps:
        return scope, lambda item: next((match for _, match in find(item)), MISSING)
    keys = tuple(steps)

    def get(item: Any) -> Any:
        for key in keys:
            if isinstance(item, dict):
                item = item.get(key, MISSING)
            elif isinstance(key, int) and isinstance(item, list | tuple) and key < len(item):
                item = item[key]
            else:
                return MISSING
        return item

    return scope, get


def reader(path: str) -> Read:
    """A function that reads the first match in the scope that the path names, or MISSING."""
    scope, get = compile_first(path)
    if scope is None:
        return lambda items: get(items[""])
    return lambda items: get(items.get(scope, MISSING))


def _plain_steps(rest: str) -> list[str | int | None] | None:
    """Keys, indexes and None for `[*]`; None when the path needs more than that."""
    steps: list[str | int | None] = []
    position = 0
    while position < len(rest):
        step = _STEP.match(rest, position)
        if step is None:
            return None
        name, single, double, index, star = step.groups()
        steps.append(
            None if star else int(index) if index else next(x for x in (name, single, double) if x is not None)
        )
        position = step.end()
    return steps


def _walk(item: Any, steps: list[str | int | None], at: int, place: str) -> Iterator[tuple[str, Any]]:
    while at < len(steps):
        step = steps[at]
        at += 1
        if step is None:
            if isinstance(item, list):
                for index, child in enumerate(item):
                    yield from _walk(child, steps, at, f"{place}[{index}]")
            return
        if isinstance(step, int) and isinstance(item, list) and step < len(item):
            item, place = item[step], f"{place}[{step}]"
        elif isinstance(step, str) and isinstance(item, dict) and step in item:
            item, place = item[step], f"{place}.{step}"
        else:
            return
    yield place, item


def _general(path: str) -> Find:
    compiled = parse_path(path).compiled

    def find(item: Any) -> Iterator[tuple[str, Any]]:
        try:
            matches = [] if item is MISSING else compiled.find(item)
        except (TypeError, ValueError, AttributeError, RecursionError) as error:
            raise RefusedError("bad_path", f"{path} fails on this document: {type(error).__name__}") from None
        for match in matches:
            yield f".{match.full_path}", match.value

    return find
