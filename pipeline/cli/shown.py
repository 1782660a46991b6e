"""Which metrics a table shows: first what is wrong and what is the user's own; the rest when it is asked for."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Annotated, Protocol, TypeVar

import typer

from pipeline.catalog.catalog import Catalog, Metric
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
    found = [metric.key for metric in catalog.active if _name(metric) == group.casefold()]
    if not found:
        groups = sorted({metric.definition.group for metric in catalog.active if metric.definition.group})
        raise typer.BadParameter(f"No active metric is in the group {group!r}; there are {', '.join(groups)}.")
    return [*(keys or ()), *found]


def choose(
    rows: Iterable[Row], catalog: Catalog, wrong: Callable[[Row], bool], *, everything: bool
) -> tuple[list[Row], int]:
    """The rows to show, what is wrong first and the user's own next, and how many are left out."""
    all_rows = list(rows)
    bad = [row for row in all_rows if wrong(row)]
    own = [row for row in all_rows if not wrong(row) and _own(catalog, row.key)]
    rest = [row for row in all_rows if not wrong(row) and not _own(catalog, row.key)]
    return [*bad, *own, *(rest if everything else ())], 0 if everything else len(rest)


def tell_left_out(number: int) -> None:
    """Say that there are more metrics than are shown."""
    if number:
        emit(f"{number:,} shipped metrics with which nothing is wrong are not shown; --all shows every one.")


def _own(catalog: Catalog, key: str) -> bool:
    metric = catalog.by_key.get(key)
    return metric is None or not metric.shipped


def _name(metric: Metric) -> str:
    return (metric.definition.group or "").casefold()
