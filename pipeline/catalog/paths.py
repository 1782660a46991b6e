"""JSON paths: where DuckDB and jsonpath-ng agree a path runs as SQL, anywhere else through jsonpath-ng.

They agree on names and non-negative indices, with the exceptions that `_sql` leaves out. Documents are taken to have
unique keys, as ingestion stores them. A JSON null is found by both; SQL's text of it is NULL, so both mean "missing".
"""

from __future__ import annotations

import threading
import warnings
from dataclasses import dataclass, field
from functools import cache, lru_cache
from typing import Any

from jsonpath_ng.exceptions import JSONPathError
from jsonpath_ng.ext.parser import ExtendedJsonPathParser
from jsonpath_ng.jsonpath import Child, Fields, Index, JSONPath, Root

from pipeline.errors import ExpressionError

MAX_LENGTH = 1000
MAX_INDEX = 2**31 - 1

_one_at_a_time = threading.Lock()  # a parser keeps the state of the text that it reads


@dataclass(frozen=True)
class Path:
    """A JSON path that can be used.

    Attributes:
        text: as written.
        sql: the same path for DuckDB's JSON functions, None when only jsonpath-ng can follow it.
    """

    text: str
    sql: str | None
    compiled: JSONPath = field(repr=False, compare=False)
    container: JSONPath | None = field(default=None, repr=False, compare=False)

    def find(self, document: Any) -> list[Any]:
        """Every match in a parsed document, in document order; a JSON null is a match."""
        return [match.value for match in self.compiled.find(document)]

    def empty(self, document: Any) -> bool:
        """Whether nothing was found in a list or object that is there: `$.items[*].price` where `items` is `[]`.

        Nothing found in a list that is absent is something else, as is nothing found anywhere (`$..price`).
        """
        if self.container is None:
            return False
        return any(isinstance(match.value, list | dict) for match in self.container.find(document))


@lru_cache(maxsize=4096)
def parse_path(text: str) -> Path:
    """Parse a JSONPath such as `$.conversation_summary.turn_count` or `$.signals[?(@.weight > 0.5)].name`.

    Raises:
        ExpressionError: it does not start at `$`, is malformed, or runs a regular expression.
    """
    if len(text) > MAX_LENGTH:
        raise ExpressionError(f"The path has {len(text):,} characters; write at most {MAX_LENGTH:,}.")
    if not text.startswith("$"):
        raise ExpressionError(f"`{text}` does not start at the document; write `$.{text.lstrip('.@')}`.")
    if "=~" in text or "`sub(" in text:
        # Python's regular expressions can take exponential time on a hostile document.
        raise ExpressionError(f"`{text}` matches a regular expression inside a path; use the mode `pattern`.")
    try:
        with _one_at_a_time, warnings.catch_warnings():
            warnings.simplefilter("error", DeprecationWarning)
            compiled = _parser().parse(text)
    except (JSONPathError, DeprecationWarning, RecursionError) as error:
        reason = str(error).splitlines()[0].strip().rstrip(".") if str(error) else "nested too deeply"
        raise ExpressionError(f"`{text}` is not a JSONPath: {reason}; quote unusual names, as in `$['a b']`.") from None
    return Path(text, _sql(compiled), compiled, _container(compiled))


@cache
def _parser() -> ExtendedJsonPathParser:
    """The parser; making one takes longer than reading a path."""
    return ExtendedJsonPathParser()


def _container(compiled: JSONPath) -> JSONPath | None:
    """The part of a path before the first step that may find several things; None if there is none such step."""
    node, found = compiled, None
    while isinstance(node, Child):
        if _sql_step(node.right) is None:
            found = node.left
        node = node.left
    return found if isinstance(node, Root) else None


def _sql(compiled: JSONPath) -> str | None:
    steps: list[str] = []
    node = compiled
    while isinstance(node, Child):
        step = _sql_step(node.right)
        if step is None:
            return None
        steps.append(step)
        node = node.left
    return "$" + "".join(reversed(steps)) if isinstance(node, Root) else None


def _sql_step(node: JSONPath) -> str | None:
    match node:
        case Fields(fields=(str(name),)) if name not in ("", "*") and not set(name) & {'"', "\\", "\0"}:
            # DuckDB has no path for an empty name, takes a quoted * for a wildcard and knows no escapes.
            return f'."{name}"'
        case Index(indices=(int(index),)) if 0 <= index <= MAX_INDEX:
            return f"[{index}]"
        case _:
            return None
