"""The interval of every value: the estimates that SQL leaves, handed to the statistics of their families."""

from __future__ import annotations

import duckdb
import numpy as np
import pyarrow as pa

from pipeline.aggregate.statistics.means import mean_interval
from pipeline.aggregate.statistics.quantiles import quantile_shares
from pipeline.aggregate.statistics.rates import Numbers, rate_interval
from pipeline.aggregate.statistics.spread import spread_interval
from pipeline.store import load_sql, run_script

SQL = "pipeline.aggregate.sql"

METHODS = {
    "mean": "hall",
    "ratio": "hall",
    "sum": "hall",
    "trimmed": "hall",
    "share": "clopper_pearson",
    "count": "clopper_pearson",
    "spread": "bonett",
    "quantile": "order_statistic",
}
"""The name on the row, by family; `definitions/intervals.md` says what each does."""


def register_intervals(con: duckdb.DuckDBPyConnection) -> None:
    """Make `intervals` (period_id, class_id, category, low, high, method) readable, for the rows of `estimates`."""
    table = con.sql("FROM estimates").to_arrow_table()
    columns = {name: _numbers(table, name) for name in _COLUMNS}
    families = np.array(table["family"].to_pylist(), dtype=object)
    low, high = np.full(table.num_rows, np.nan), np.full(table.num_rows, np.nan)
    for family, ends in _ENDS.items():
        chosen = np.flatnonzero(families == family)
        if chosen.size:
            low[chosen], high[chosen] = ends({name: column[chosen] for name, column in columns.items()})
    quantiles = families == "quantile"
    if quantiles.any():
        low[quantiles], high[quantiles] = _of_samples(con, table.filter(pa.array(quantiles)), columns, quantiles)
    known = np.isfinite(low) & np.isfinite(high)
    names = np.array([METHODS[family] for family in families], dtype=object)
    names[(families == "share") & (columns["designed"] > 0)] = METHODS["ratio"]
    method = np.where(known, names, "none").tolist()
    con.register(
        "intervals",
        pa.table(
            {
                "period_id": table["period_id"],
                "class_id": table["class_id"],
                "category": table["category"],
                "low": pa.array(low, mask=~known),
                "high": pa.array(high, mask=~known),
                "method": pa.array(method, pa.string()),
            }
        ),
    )


_COLUMNS = (
    *("estimate", "standard_error", "skewness", "kurtosis", "degrees", "effective_count", "designed", "whole"),
    *("lowest", "highest", "quantile", "spread_count", "spread_kurtosis"),
)
Columns = dict[str, Numbers]


def _mean(c: Columns) -> tuple[Numbers, Numbers]:
    low, high, _ = mean_interval(
        *(c[name] for name in ("estimate", "standard_error", "skewness", "kurtosis", "degrees", "lowest", "highest"))
    )
    return low, high


def _share(c: Columns) -> tuple[Numbers, Numbers]:
    """A simple sample's share is binomial; that of weighted hours, or of events of conversations, is a ratio."""
    low, high = rate_interval(c["estimate"], c["effective_count"])
    designed_low, designed_high = _mean(c)
    designed = c["designed"] > 0
    return np.where(designed, designed_low, low), np.where(designed, designed_high, high)


def _count(c: Columns) -> tuple[Numbers, Numbers]:
    low, high = rate_interval(c["estimate"] / c["whole"], c["effective_count"])
    return np.maximum(low * c["whole"], c["lowest"]), np.minimum(high * c["whole"], c["highest"])


def _spread(c: Columns) -> tuple[Numbers, Numbers]:
    low, high, _ = spread_interval(c["estimate"] ** 2, c["spread_kurtosis"], c["spread_count"])
    return low, high


_ENDS = {
    "mean": _mean,
    "ratio": _mean,
    "sum": _mean,
    "trimmed": _mean,
    "share": _share,
    "count": _count,
    "spread": _spread,
}


def _of_samples(
    con: duckdb.DuckDBPyConnection, asked: pa.Table, columns: Columns, chosen: np.ndarray
) -> tuple[Numbers, Numbers]:
    """The ends of percentiles: values of the sample itself, at two shares of its weight."""
    low, high = quantile_shares(columns["effective_count"][chosen], columns["quantile"][chosen])
    shares = {"low_share": pa.array(low, mask=np.isnan(low)), "high_share": pa.array(high, mask=np.isnan(high))}
    con.register(
        "shares_of_samples", pa.table({"period_id": asked["period_id"], "class_id": asked["class_id"], **shares})
    )
    run_script(con, load_sql(SQL, "sample_intervals"))
    found = con.sql(
        "SELECT i.low, i.high FROM shares_of_samples JOIN sample_intervals AS i USING (period_id, class_id)"
        " ORDER BY period_id, class_id"
    ).to_arrow_table()
    order = np.lexsort((asked["class_id"].to_numpy(), asked["period_id"].to_numpy()))
    ends = []
    for name in ("low", "high"):
        values = np.full(len(order), np.nan)
        values[order] = _numbers(found, name)
        ends.append(values)
    return ends[0], ends[1]


def _numbers(table: pa.Table, name: str) -> Numbers:
    return np.asarray(table[name].cast(pa.float64()).to_numpy(zero_copy_only=False), dtype=np.float64)
