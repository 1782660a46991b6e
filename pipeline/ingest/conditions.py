"""Compiles the conditions of a mapping into functions over a scope."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from pipeline.catalog.source_values import Condition, Match
from pipeline.ingest.paths import MISSING, Items, Read, absent, reader

Test = Callable[[Items], bool]


def compile_condition(spec: Condition | tuple[Condition, ...] | None) -> Test | None:
    """A function that says whether the items match; None when there is no condition."""
    if spec is None:
        return None
    choices = [_all_of(condition) for condition in (spec if isinstance(spec, tuple) else (spec,))]
    return choices[0] if len(choices) == 1 else lambda items: any(choice(items) for choice in choices)


def _all_of(condition: Condition) -> Test:
    parts = [(reader(path), compile_match(match)) for path, match in condition.items()]
    parts += [(_equal(reader(path), reader(match.same_as)), bool) for path, match in condition.items() if match.same_as]
    if len(parts) == 1:
        ((read, test),) = parts
        return lambda items: test(read(items))

    def matches(items: Items) -> bool:
        for read, test in parts:  # noqa: SIM110 - half the time of `all` over a generator, and it runs for every item
            if not test(read(items)):
                return False
        return True

    return matches


def _equal(read: Read, read_other: Read) -> Read:
    return lambda items: same(read(items), None if (other := read_other(items)) is MISSING else other)


def compile_match(match: Match) -> Callable[[Any], bool]:
    """A function that says whether a value is as it must be."""
    if match.model_fields_set == {"equals"} and isinstance(match.equals, str):
        wanted = match.equals
        return lambda value: bool(value == wanted)
    if match.model_fields_set == {"any_of"} and all(isinstance(choice, str) for choice in match.any_of or ()):
        choices = frozenset(match.any_of or ())
        return lambda value: isinstance(value, str) and value in choices
    return _test(match)


def _test(match: Match) -> Callable[[Any], bool]:
    given = match.model_fields_set

    def test(value: Any) -> bool:
        if match.exists is not None and match.exists == absent(value):
            return False
        if "equals" in given and not same(value, match.equals):
            return False
        if match.any_of is not None and not any(same(value, choice) for choice in match.any_of):
            return False
        if match.none_of is not None and any(same(value, choice) for choice in match.none_of):
            return False
        if match.contains is not None and not (isinstance(value, str) and match.contains in value):
            return False
        if match.blank is not None and match.blank != blank(value):
            return False
        if match.at_least is None and match.at_most is None:
            return True
        return (
            isinstance(value, int | float)
            and not isinstance(value, bool)
            and (match.at_least is None or value >= match.at_least)
            and (match.at_most is None or value <= match.at_most)
        )

    return test


def blank(value: Any) -> bool:
    """Whether nothing stands there but blanks."""
    return absent(value) or (isinstance(value, str) and not value.strip())


def same(value: Any, wanted: Any) -> bool:
    """Equality as JSON has it: true is not 1, absent is null."""
    if value is MISSING:
        value = None
    return isinstance(value, bool) == isinstance(wanted, bool) and bool(value == wanted)
