"""Which definitions for which conversations; one module for each extraction mode; the ledger of what was done."""

from pipeline.extract.report import ExtractReport, MetricOutcome
from pipeline.extract.run import extract, warn_without_model

__all__ = ["ExtractReport", "MetricOutcome", "extract", "warn_without_model"]
