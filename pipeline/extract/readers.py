"""How the readings of many definitions are taken from one row in one pass.

Every distinct path of a group goes into one list: `json_extract(document, [all SQL paths])`, then the paths that only
jsonpath-ng understands (the document is parsed once for all of them), then compiled SQL expressions. Each definition
knows its place in that list and in the list of compiled filters.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from itertools import count
from typing import Any

import duckdb
import pyarrow as pa

from pipeline.catalog.catalog import Metric
from pipeline.catalog.expressions import parse_filter, parse_sql_expression
from pipeline.catalog.expressions.filters import ColumnType
from pipeline.catalog.paths import Path, parse_path

_NUMBERS = count()

Search = tuple[Path, bool]
"""A path for jsonpath-ng, and whether its matches are folded."""


@dataclass
class Readers:
    """The readings of a group of definitions.

    Attributes:
        columns: names that filters and SQL expressions of the group may use.
    """

    columns: Mapping[str, ColumnType]
    _paths: list[str] = field(default_factory=list)
    _searches: list[Search] = field(default_factory=list)
    _expressions: list[str] = field(default_factory=list)
    _filters: list[str] = field(default_factory=list)
    _places: list[tuple[str, tuple[list[str] | list[Search], int] | None, int | None]] = field(default_factory=list)
    # A name of its own: connections to a lake share what one of them has brought, and none can take it back.
    _search: str = field(default_factory=lambda: f"search_json_{next(_NUMBERS)}")

    def add(self, metric: Metric) -> None:
        """Take one definition in.

        Raises:
            ExpressionError: its path, filter or expression cannot be compiled.
        """
        definition = metric.definition
        reading: tuple[list[str] | list[Search], int] | None = None
        if definition.sql_expression is not None:
            expression = parse_sql_expression(definition.sql_expression, self.columns)
            reading = (self._expressions, _place(self._expressions, f"to_json({expression})"))
        elif definition.extract_path is not None:
            path = parse_path(definition.extract_path)
            if path.sql is not None:
                reading = (self._paths, _place(self._paths, path.sql))
            else:
                # Several matches are folded; then none in a list that is there is an empty list, and not absent.
                search = (path, definition.fold is not None and not definition.multi_label)
                reading = (self._searches, _place(self._searches, search))
        condition = None
        if definition.source_filter is not None:
            condition = _place(self._filters, parse_filter(definition.source_filter, self.columns).to_sql())
        self._places.append((metric.key, reading, condition))

    def install(self, con: duckdb.DuckDBPyConnection) -> None:
        """Create the temporary table `reader` (metric_key, reading_index, filter_index; from 1) and the search."""
        offsets = {
            id(self._paths): 0,
            id(self._searches): len(self._paths),
            id(self._expressions): len(self._paths) + len(self._searches),
        }
        rows = [
            {
                "metric_key": key,
                "reading_index": reading and offsets[id(reading[0])] + reading[1],
                "filter_index": condition,
            }
            for key, reading, condition in self._places
        ]
        schema = pa.schema([("metric_key", pa.string()), ("reading_index", pa.int64()), ("filter_index", pa.int64())])
        con.register("reader_rows", pa.Table.from_pylist(rows, schema=schema))
        con.execute("CREATE OR REPLACE TEMP TABLE reader AS FROM reader_rows")
        con.unregister("reader_rows")
        if self._searches:
            con.create_function(self._search, _searcher(self._searches), ["VARCHAR"], "VARCHAR[]")

    def found(self, document: str) -> str:
        """SQL of the list of readings (JSON[]) taken from the JSON column `document`."""
        parts = [f"json_extract({document}, [{', '.join(map(_literal, self._paths))}])"] if self._paths else []
        if self._searches:
            parts.append(f"{self._search}({document}::VARCHAR)::JSON[]")
        if self._expressions:
            parts.append(f"[{', '.join(self._expressions)}]::JSON[]")
        return " || ".join(parts) or "[]::JSON[]"

    @property
    def passes(self) -> str:
        """SQL of the list of filter results (BOOLEAN[])."""
        return f"[{', '.join(self._filters)}]::BOOLEAN[]"


def readers_of(metrics: Iterable[Metric], columns: Mapping[str, ColumnType]) -> Readers:
    """The readers of a group of definitions whose filters and expressions may use `columns`."""
    readers = Readers(columns)
    for metric in metrics:
        readers.add(metric)
    return readers


def _place(entries: list[Any], entry: Any) -> int:
    """1-based place of an entry in a list without repetitions."""
    if entry not in entries:
        entries.append(entry)
    return entries.index(entry) + 1


def _searcher(searches: list[Search]) -> Callable[[str], list[str | None]]:
    """One JSON text for each search: the match, a list of several matches, or None."""

    def search(document: str) -> list[str | None]:
        try:
            tree = json.loads(document)
            return [_found(path.find(tree), folded and path.empty(tree)) for path, folded in searches]
        except RecursionError:  # nested too deeply to search: an object is of the wrong type for every metric
            return ["{}"] * len(searches)

    return search


def _found(hits: list[Any], empty: bool) -> str | None:
    if not hits:
        return "[]" if empty else None
    return json.dumps(hits[0] if len(hits) == 1 else hits)


def _literal(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"
