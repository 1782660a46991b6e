"""Statements that copy tables out of the live file."""
