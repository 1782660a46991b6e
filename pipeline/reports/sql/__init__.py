"""Queries over the snapshot."""
