"""Statements over the control tables."""
