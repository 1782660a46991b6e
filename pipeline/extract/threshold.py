"""Mode `threshold`: a boolean over another metric, whose values of one conversation are folded and then compared.

Values below the conversation are taken where the other metric has them, else its one value. Waiting and missing inputs
count as in a formula.
"""

from __future__ import annotations

from collections.abc import Sequence

import duckdb
import pyarrow as pa

from pipeline.catalog.catalog import Metric
from pipeline.store import load_sql

_SCHEMA = pa.schema(
    [
        ("metric_key", pa.string()),
        ("input_key", pa.string()),
        ("operator", pa.string()),
        ("number", pa.float64()),
        ("text", pa.string()),
        ("truth", pa.bool_()),
        ("fold", pa.string()),
        ("needed", pa.int64()),
    ]
)


def read_thresholds(con: duckdb.DuckDBPyConnection, metrics: Sequence[Metric]) -> None:
    """Add to `reading`, one row for each eligible conversation and threshold."""
    rows = []
    for metric in metrics:
        spec = metric.definition.threshold
        assert spec is not None
        rows.append(
            {
                "metric_key": metric.key,
                "input_key": spec.metric,
                "operator": spec.operator,
                "number": spec.value
                if isinstance(spec.value, (int, float)) and not isinstance(spec.value, bool)
                else None,
                "text": spec.value if isinstance(spec.value, str) else None,
                "truth": spec.value if isinstance(spec.value, bool) else None,
                "fold": spec.fold,
                "needed": spec.count or 1,
            }
        )
    con.register("threshold", pa.Table.from_pylist(rows, schema=_SCHEMA))
    con.execute(load_sql("pipeline.extract.sql", "threshold"))
    con.unregister("threshold")
