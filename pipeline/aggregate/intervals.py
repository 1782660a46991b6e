"""Quantiles that SQL lacks, as small tables that the SQL joins."""

from __future__ import annotations

import duckdb
import pyarrow as pa
import pyarrow.compute as pc

from pipeline.aggregate.plan import QUANTILES

_TAIL = 0.025  # of a two-sided 95 % interval


def register_student(con: duckdb.DuckDBPyConnection) -> None:
    """Make `student` (df, t) readable on the connection, for the numbers of values in `merged`.

    `t` is the 97.5 % quantile of Student's distribution.
    """
    from scipy.special import stdtrit  # scipy.stats takes three times as long to import

    degrees = _numbers(
        con,
        "WITH sizes AS (SELECT unnest([event_count, examined_count]) AS size FROM merged JOIN periods USING (period_id)"
        " JOIN plan USING (plan_id) WHERE aggregation IN ('avg', 'sum'))"
        " SELECT DISTINCT size - 1 FROM sizes WHERE size > 1",
    )
    con.register("student", pa.table({"df": degrees, "t": pa.array(stdtrit(degrees, 1 - _TAIL), pa.float64())}))


def register_ranks(con: duckdb.DuckDBPyConnection) -> None:
    """Make `ranks` (n, quantile, low_rank, high_rank) readable on the connection, for the percentiles in `merged`.

    The values at the two 1-based ranks of a sorted sample of n enclose the quantile in at least 95 % of samples,
    whatever the distribution, since the number of values below it is binomial (Conover, Practical Nonparametric
    Statistics, 3.2). Ranks 0 and n + 1 say that a sample of this size has no such bound.
    """
    sizes = _numbers(
        con,
        "SELECT DISTINCT event_count FROM merged JOIN periods USING (period_id) JOIN plan USING (plan_id)"
        " WHERE quantile IS NOT NULL",
    )
    quantiles = sorted(set(QUANTILES.values()))
    n = pa.array([size for _ in quantiles for size in sizes.to_pylist()], pa.int64())
    quantile = pa.array([quantile for quantile in quantiles for _ in sizes], pa.float64())
    low_rank, below_high_rank = (_binomial_quantile(tail, n, quantile) for tail in (_TAIL, 1 - _TAIL))
    high_rank = pc.add(below_high_rank, 1)
    con.register("ranks", pa.table({"n": n, "quantile": quantile, "low_rank": low_rank, "high_rank": high_rank}))


def _binomial_quantile(probability: float, n: pa.Array, share: pa.Array) -> pa.Array:
    """Smallest number of successes with at least this cumulative probability, as scipy.stats.binom.ppf finds it."""
    if not len(n):
        return n  # most catalogs have no percentile
    from scipy.special import bdtr, bdtrik  # scipy.stats takes seconds to import

    upper = pc.ceil(pa.array(bdtrik(probability, n, share), pa.float64()))
    lower = pc.max_element_wise(pc.subtract(upper, 1.0), 0.0)
    enough = pc.greater_equal(pa.array(bdtr(lower, n, share), pa.float64()), probability)
    return pc.if_else(enough, lower, upper).cast(pa.int64())


def _numbers(con: duckdb.DuckDBPyConnection, query: str) -> pa.Array:
    return pa.array([number for (number,) in con.execute(query).fetchall()], pa.int64())
