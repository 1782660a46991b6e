"""Deterministic sample conversations with truth labels, and what a team looks at first once they are in the store."""

from pipeline.sample.generate import write_sample
from pipeline.sample.report import DemoSummary, Headline, NextStep, Refused, Restated, States, Traffic, demo_summary
from pipeline.sample.truth import ConversationTruth, Planted, SampleTruth, fingerprint, load_truth

__all__ = [
    "ConversationTruth",
    "DemoSummary",
    "Headline",
    "NextStep",
    "Planted",
    "Refused",
    "Restated",
    "SampleTruth",
    "States",
    "Traffic",
    "demo_summary",
    "fingerprint",
    "load_truth",
    "write_sample",
]
