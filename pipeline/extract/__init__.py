"""Which definitions for which conversations; one module for each extraction mode; the ledger of what was done."""

from pipeline.extract.report import ExtractReport, MetricOutcome
from pipeline.extract.run import extract

__all__ = ["ExtractReport", "MetricOutcome", "extract"]
