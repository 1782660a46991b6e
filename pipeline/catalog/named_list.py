"""Reads a user's file that holds one list of named things: checks, policies."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Protocol, TypeVar

from pydantic import ValidationError

from pipeline.catalog.catalog import Problem
from pipeline.catalog.explain import explain
from pipeline.catalog.models import Model
from pipeline.catalog.reading import Place, read_yaml


class _Named(Protocol):
    @property
    def name(self) -> str: ...


T = TypeVar("T", bound=_Named)


def read_named(
    path: Path,
    file: type[Model],
    field: str,
    wrong_of: Callable[[T], Iterable[tuple[Place, str, str]]],
    problems: list[Problem],
) -> dict[str, T]:
    """The things that can be used, by name; none where there is no file, or an empty one.

    Args:
        path: of the file.
        file: its model.
        field: name of the list in it.
        wrong_of: what is wrong with one thing: the place in it, what was found there, what to write instead.
        problems: is appended to; a thing with a problem is left out.
    """
    if not path.is_file():
        return {}
    document = read_yaml(path)
    items: Sequence[T] = ()
    if document.data is not None and not document.problems:
        try:
            items = getattr(file.model_validate(document.data), field)
        except ValidationError as error:
            problems += explain(error, file, document.data, document)
    found: dict[str, T] = {}
    for index, item in enumerate(items):
        wrong = list(wrong_of(item))
        if item.name in found:
            wrong.append((("name",), item.name, "write another name; it is taken"))
        for place, what, advice in wrong:
            document.report((field, index, *place), what, advice)
        if not wrong:
            found[item.name] = item
    problems += [problem for _, problem in document.problems]
    return found
