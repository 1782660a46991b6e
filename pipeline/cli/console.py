"""Talking to people and to programs: tables and JSON on standard output, progress and complaints on standard error."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Annotated, Any

import orjson
import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table
from rich.text import Text

BROKEN_PIPE = 141
_WIDTH = 200
"""Columns where no terminal says how many there are."""

Json = Annotated[bool, typer.Option("--json", help="JSON on standard output, for programs.")]


class _Output(Console):
    def on_broken_pipe(self) -> None:
        raise typer.Exit(BROKEN_PIPE)


def _console(*, stderr: bool) -> Console:
    stream = sys.stderr if stderr else sys.stdout
    return _Output(stderr=stderr, width=None if stream.isatty() else _WIDTH, highlight=False, soft_wrap=False)


def emit(text: str | Text) -> None:
    """Print lines for people, as they are."""
    _console(stderr=False).print(text, markup=False, soft_wrap=True)


def emit_json(document: Any) -> None:
    """Print one JSON document; instants are RFC 3339 in UTC."""
    text = orjson.dumps(document, option=orjson.OPT_INDENT_2 | orjson.OPT_UTC_Z, default=_plain).decode()
    try:
        sys.stdout.write(f"{text}\n")
        sys.stdout.flush()
    except BrokenPipeError:  # typer would make it exit code 1
        raise typer.Exit(BROKEN_PIPE) from None


def emit_table(
    columns: Sequence[str], rows: Iterable[Sequence[Any]], *, title: str | None = None, spare: Sequence[str] = ()
) -> None:
    """Print a table; numbers stand to the right, missing values are empty, a column without any value is left out.

    Args:
        columns: their names.
        rows: their cells.
        title: a line above.
        spare: columns that are left out, the first one first, where the terminal is too narrow for all.
    """
    cells = [list(row) for row in rows]
    shown = [name for at, name in enumerate(columns) if not cells or any(row[at] is not None for row in cells)]
    console = _console(stderr=False)
    unlimited = console.options.update(max_width=10_000)
    for name in (*spare, None):
        table = _table(shown, [[row[columns.index(name)] for name in shown] for row in cells])
        if name is None or console.measure(table, options=unlimited).maximum <= console.width:
            break
        shown = [other for other in shown if other != name]
    if title is not None:
        emit(title)
    console.print(table)


def _table(columns: Sequence[str], cells: Sequence[Sequence[Any]]) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold")
    for index, name in enumerate(columns):
        numeric = any(isinstance(row[index], int | float) for row in cells)
        table.add_column(name, justify="right" if numeric else "left", overflow="fold", no_wrap=numeric)
    for row in cells:
        table.add_row(*(Text(_shown(value)) for value in row))
    return table


def complain(text: str) -> None:
    """Print one line on standard error."""
    line = " ".join(text.split())
    _console(stderr=True).print(Text.assemble(("metric-store: ", "bold red"), line), soft_wrap=True)


def note(text: str) -> None:
    """Tell a person something on standard error, where it cannot spoil output for programs."""
    _console(stderr=True).print(text, markup=False, soft_wrap=True)


@contextmanager
def progress() -> Iterator[Progress]:
    """A progress display on standard error; nothing is drawn where standard error is not a terminal."""
    console = _console(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as display:
        yield display


@contextmanager
def working(text: str) -> Iterator[None]:
    """Say on standard error what is being done; on a terminal, with a spinner until it is done."""
    console = _console(stderr=True)
    if console.is_terminal:
        with console.status(text):
            yield
    else:
        note(f"{text}…")
        yield


def _shown(value: Any) -> str:
    match value:
        case None:
            return ""
        case bool():
            return "yes" if value else "no"
        case float():
            return f"{value:,.4g}" if abs(value) < 1000 else f"{value:,.0f}"
        case int():
            return f"{value:,}"
        case list() | tuple() | set() | frozenset():
            return ", ".join(map(_shown, value))
        case _:
            return str(value)


def _plain(value: Any) -> Any:
    if isinstance(value, set | frozenset | tuple):
        return list(value)
    return str(value)
