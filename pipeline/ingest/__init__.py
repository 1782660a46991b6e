"""Ingestion: files to events, events to conversations."""

from pipeline.ingest.conversations import assemble
from pipeline.ingest.report import FileOutcome, IngestProgress, IngestReport
from pipeline.ingest.run import ingest, unread_files

__all__ = ["FileOutcome", "IngestProgress", "IngestReport", "assemble", "ingest", "unread_files"]
