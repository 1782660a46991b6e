"""Values -> period rows: hours and days, per traffic class and service, with their ledger, interval and history."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pipeline.aggregate.periods import AggregatedMetric, AggregateReport, aggregate

__all__ = ["AggregateReport", "AggregatedMetric", "aggregate"]


def __getattr__(name: str) -> Any:
    """Load what aggregates when it is asked for; reading period rows needs none of it."""
    if name in __all__:
        from pipeline.aggregate import periods

        return getattr(periods, name)
    raise AttributeError(name)
