"""Mode `formula`: arithmetic, comparison and logic over other metrics' values of the same conversation; also gates.

A formula waits (`pending`) while any input may still change. Then its result is its value; without a result it is
`not_applicable` if an input is, else `missing`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import duckdb
import pyarrow as pa

from pipeline.catalog.catalog import Metric
from pipeline.catalog.expressions import parse_formula
from pipeline.catalog.references import KINDS
from pipeline.extract.run_context import RunContext
from pipeline.store import load_sql

_SQL = "pipeline.extract.sql"
_COLUMN = {"numerical": "value_number", "boolean": "value_boolean", "categorical": "value_text"}


def read_formulas(con: duckdb.DuckDBPyConnection, run: RunContext, metrics: Sequence[Metric]) -> None:
    """Add to `reading`, one row for each eligible conversation and formula."""
    evaluate(con, run, {metric.key: metric.definition.formula or "" for metric in metrics})
    con.execute(load_sql(_SQL, "formula_reading"))


def evaluate(con: duckdb.DuckDBPyConnection, run: RunContext, formulas: Mapping[str, str]) -> None:
    """Leave the temporary table `formula_result`: metric_key, conversation_id, value, waiting, inapplicable.

    Raises:
        ExpressionError: a formula cannot be read.
    """
    types = {metric.key: metric.definition.metric_type for metric in run.catalog.metrics}
    kinds = {key: KINDS[metric_type] for key, metric_type in types.items()}
    parsed = {key: parse_formula(text, kinds) for key, text in formulas.items()}
    read = sorted({reference for formula in parsed.values() for reference in formula.references})
    columns = {key: f"input_{place}" for place, key in enumerate(read)}
    inputs = [f"any_value({_COLUMN[types[key]]}) FILTER (metric_key = '{key}') AS {columns[key]}" for key in read]
    results = [f"to_json({formula.to_sql(columns)})" for formula in parsed.values()]
    rows = [
        {"metric_key": key, "place": place, "input_key": reference}
        for place, (key, formula) in enumerate(parsed.items(), start=1)
        for reference in formula.references
    ]
    schema = pa.schema([("metric_key", pa.string()), ("place", pa.int64()), ("input_key", pa.string())])
    con.register("formula_input", pa.Table.from_pylist(rows, schema=schema))
    text = load_sql(_SQL, "formula")
    con.execute(text.replace("/*inputs*/", ", ".join(inputs)).replace("/*results*/", ", ".join(results)))
    con.unregister("formula_input")
