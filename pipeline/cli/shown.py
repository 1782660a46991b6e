"""Which metrics a table shows: first what is wrong and what is the user's own; the rest when it is asked for."""

from __future__ import annotations

from collections.abc import Callable, Container, Iterable, Mapping, Sequence
from typing import Annotated, Protocol, TypeVar

import typer

from pipeline.catalog.catalog import Catalog
from pipeline.cli.console import emit

All = Annotated[bool, typer.Option("--all", help="Show every metric, also shipped ones with which nothing is wrong.")]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="Say only what is wrong, on standard error.")]
Group = Annotated[str | None, typer.Option("--group", help="Only the metrics of this group, and what they read.")]


class Keyed(Protocol):
    """A row about one metric."""

    @property
    def key(self) -> str:
        """The metric's key."""
        ...


Row = TypeVar("Row", bound=Keyed)


def of_group(catalog: Catalog, group: str | None, keys: Sequence[str] | None) -> list[str] | None:
    """The keys that `--metric` and `--group` name together; None when neither was given.

    Raises:
        typer.BadParameter: no active metric is in the group.
    """
    if group is None:
        return None if keys is None else list(keys)
    found = in_group(group, {metric.key: metric.definition.group for metric in catalog.active})
    return [*(keys or ()), *found]


def in_group(group: str, groups: Mapping[str, str | None]) -> list[str]:
    """The keys of one group, among the groups of active metrics by key.

    Raises:
        typer.BadParameter: none is in it.
    """
    found = [key for key, name in groups.items() if (name or "").casefold() == group.casefold()]
    if not found:
        names = sorted({name for name in groups.values() if name})
        raise typer.BadParameter(f"No active metric is in the group {group!r}; there are {', '.join(names)}.")
    return found


def choose(
    rows: Iterable[Row], shipped: Container[str], wrong: Callable[[Row], bool], *, everything: bool
) -> tuple[list[Row], int]:
    """The rows to show, what is wrong first and the user's own next, and how many are left out.

    Args:
        rows: of which to choose.
        shipped: keys of the metrics that came with the project.
        wrong: whether something is wrong with a row.
        everything: whether to leave out none.
    """
    all_rows = list(rows)
    bad = [row for row in all_rows if wrong(row)]
    own = [row for row in all_rows if not wrong(row) and row.key not in shipped]
    rest = [row for row in all_rows if not wrong(row) and row.key in shipped]
    return [*bad, *own, *(rest if everything else ())], 0 if everything else len(rest)


def tell_left_out(number: int) -> None:
    """Say that there are more metrics than are shown."""
    if number:
        emit(f"{number:,} shipped metrics with which nothing is wrong are not shown; --all shows every one.")
