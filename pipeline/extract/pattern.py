r"""Mode `pattern`: keywords or a regular expression (RE2) over the text of turns, and a trigger followed by an outcome.

All expressions of all definitions are matched in one scan over the turns: together, and one by one only in turns in
which one of them is found. A keyword is a whole word of any script, so boundaries are spelled out (RE2's `\b` knows
ASCII only); scripts that do not separate words have none. A conversation without any text is `missing`. Without a match
`first_offset` is `not_applicable`: there is nothing whose time could be told. With `outcome`, a trigger counts when the
next outcome in a later turn comes within the limits, from the start of one turn to that of the other.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

import duckdb
import pyarrow as pa

from pipeline.catalog.catalog import Metric
from pipeline.catalog.models import PatternEnd
from pipeline.store import load_sql, run_script

_SCHEMA = pa.schema(
    [
        ("metric_key", pa.string()),
        ("result", pa.string()),
        ("trigger_place", pa.int64()),
        ("trigger_role", pa.string()),
        ("outcome_place", pa.int64()),
        ("outcome_role", pa.string()),
        ("within_seconds", pa.float64()),
        ("within_turns", pa.int64()),
    ]
)


def read_patterns(con: duckdb.DuckDBPyConnection, metrics: Sequence[Metric]) -> None:
    """Add to `reading`: one row for each conversation, participant or turn with text, as the scope asks."""
    expressions: list[str] = []
    rows = []
    for metric in metrics:
        spec = metric.definition.pattern
        assert spec is not None
        rows.append(
            {
                "metric_key": metric.key,
                "result": spec.result,
                "trigger_place": _place(expressions, spec, spec.case_sensitive),
                "trigger_role": spec.role,
                "outcome_place": spec.outcome and _place(expressions, spec.outcome, spec.case_sensitive),
                "outcome_role": spec.outcome and spec.outcome.role,
                "within_seconds": spec.within_seconds,
                "within_turns": spec.within_turns,
            }
        )
    con.register("pattern", pa.Table.from_pylist(rows, schema=_SCHEMA))
    # A parameter is a constant to DuckDB, so each expression is compiled once.
    names = {f"expression_{place}": expression for place, expression in enumerate(expressions)}
    matches = ", ".join(f"regexp_matches(text, ${name})" for name in names)
    parameters = {**names, "any": "|".join(f"(?:{each})" for each in expressions), "count": len(expressions)}
    run_script(con, load_sql("pipeline.extract.sql", "pattern").replace("/*matches*/", matches), parameters)
    con.unregister("pattern")


def _place(expressions: list[str], end: PatternEnd, case_sensitive: bool) -> int:
    """1-based place of the end's regular expression among all of the batch."""
    expression = end.regex if end.regex is not None else whole_words(end.keywords)
    if not case_sensitive:
        expression = f"(?i){expression}"
    if expression not in expressions:
        expressions.append(expression)
    return expressions.index(expression) + 1


def whole_words(keywords: Sequence[str]) -> str:
    """RE2 expression that matches any of the keywords as whole words.

    Spaces in a keyword match any white space and an apostrophe matches a curly one, too. A keyword with letters of a
    script that does not separate words, or glues particles to them, is found inside words as well.
    """
    glued = [keyword for keyword in keywords if _GLUED.search(keyword)]
    apart = [keyword for keyword in keywords if keyword not in glued]
    parts = [_any_of(glued)] if glued else []
    if apart:
        parts.append(rf"(?:^|[^\pL\pN_]){_any_of(apart)}(?:$|[^\pL\pN_])")
    return "|".join(parts)


_GLUED = re.compile(r"[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af]")
"""Thai, Lao, Burmese, Khmer, Japanese, Chinese, Korean."""


def _any_of(keywords: Sequence[str]) -> str:
    texts = [r"\s+".join(map(re.escape, keyword.split())).replace("'", "['\u2019]") for keyword in keywords]
    return f"(?:{'|'.join(texts)})"
