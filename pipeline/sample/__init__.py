"""Deterministic sample conversations with truth labels, and what a team looks at first once they are in the store."""

from pipeline.sample.generate import write_sample
from pipeline.sample.truth import ConversationTruth, Planted, SampleTruth, fingerprint, load_truth

__all__ = ["ConversationTruth", "Planted", "SampleTruth", "fingerprint", "load_truth", "write_sample"]
