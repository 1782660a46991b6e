"""Requests and answers, field by field; names, types, limits and defaults of the published contract come first."""
