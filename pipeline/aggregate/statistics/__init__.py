"""The statistics behind every number: pure, vectorised functions over NumPy arrays, one element a period row.

NaN means unknown. Nothing here reads the database or raw values: what goes in can be computed from parts that merge.
SciPy is imported inside the functions, so that a process that aggregates nothing does not wait for it.
"""

from pipeline.aggregate.statistics.decisions import Decision, Direction, decide
from pipeline.aggregate.statistics.differences import benjamini_hochberg, difference
from pipeline.aggregate.statistics.means import mean_interval
from pipeline.aggregate.statistics.quantiles import quantile_shares
from pipeline.aggregate.statistics.rates import rate_interval
from pipeline.aggregate.statistics.spread import spread_interval

__all__ = [
    "Decision",
    "Direction",
    "benjamini_hochberg",
    "decide",
    "difference",
    "mean_interval",
    "quantile_shares",
    "rate_interval",
    "spread_interval",
]
