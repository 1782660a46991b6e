"""Statements that tidy the store up."""
