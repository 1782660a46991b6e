"""Every way in which the values of a period become one number: the one table that all code about aggregations reads.

To add one: a line here; where its family has no expression for it yet, one in `aggregate/sql`; a row in
`definitions/README.md`; a test. Another percentile is a line here and nothing else.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Family = Literal["count", "sum", "mean", "share", "ratio", "spread", "extreme", "distinct", "quantile", "trimmed"]


@dataclass(frozen=True)
class Aggregation:
    """One aggregation, as data.

    Attributes:
        name: as definitions write it.
        types: the metric types that it takes.
        family: what it needs and what its interval is; see `aggregate/sql/finish.sql`.
        quantile: of a percentile; of a trimmed mean, the share that is cut off at each end.
        says: the value of a period in words.
    """

    name: str
    types: frozenset[str]
    family: Family
    says: str
    quantile: float | None = None

    @property
    def total(self) -> bool:
        """Whether it grows with the number of conversations, so that a part of a period has only a part of it."""
        return self.family in ("count", "sum", "distinct")

    @property
    def needs_numbers(self) -> bool:
        """Whether it is made of the values one by one. All others merge from counts, sums and moments."""
        return self.family in ("quantile", "trimmed", "distinct")


_NUMBERS = frozenset({"numerical"})
_BOOLEANS = frozenset({"boolean"})
_ANY = frozenset({"numerical", "boolean", "categorical"})

_ALL = (
    Aggregation("count", _ANY, "count", "values; of labels, also a row for each with its share"),
    Aggregation("sum", _NUMBERS, "sum", "sum"),
    Aggregation("avg", _NUMBERS, "mean", "mean"),
    Aggregation("min", _NUMBERS, "extreme", "least value"),
    Aggregation("max", _NUMBERS, "extreme", "greatest value"),
    Aggregation("count_distinct", _ANY, "distinct", "different values"),
    Aggregation("ratio", _NUMBERS, "ratio", "sum of the numerators / sum of the denominators"),
    Aggregation("rate", _BOOLEANS, "share", "true / all"),
    Aggregation("median", _NUMBERS, "quantile", "quantile, interpolated", 0.5),
    Aggregation("p50", _NUMBERS, "quantile", "quantile, interpolated", 0.5),
    Aggregation("p75", _NUMBERS, "quantile", "quantile, interpolated", 0.75),
    Aggregation("p90", _NUMBERS, "quantile", "quantile, interpolated", 0.9),
    Aggregation("p95", _NUMBERS, "quantile", "quantile, interpolated", 0.95),
    Aggregation("p99", _NUMBERS, "quantile", "quantile, interpolated", 0.99),
    Aggregation("p999", _NUMBERS, "quantile", "quantile, interpolated", 0.999),
    Aggregation("trimmed_mean", _NUMBERS, "trimmed", "mean without the lowest and the highest tenth", 0.1),
    Aggregation("stddev", _NUMBERS, "spread", "standard deviation of the sample"),
)

AGGREGATIONS: dict[str, Aggregation] = {aggregation.name: aggregation for aggregation in _ALL}
"""By name, in the order in which they are listed."""


def family_of(aggregation: str, metric_type: str) -> Family:
    """The family of an aggregation over values of a type: the mean of booleans is a share."""
    family = AGGREGATIONS[aggregation].family
    return "share" if family == "mean" and metric_type == "boolean" else family
