"""Values -> period rows: hours and days, per traffic class and service, with their ledger, interval and history."""

from pipeline.aggregate.periods import AggregatedMetric, AggregateReport, aggregate

__all__ = ["AggregateReport", "AggregatedMetric", "aggregate"]
