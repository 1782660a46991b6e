"""metric-store: definitions in YAML, a number about every conversation every hour."""

__version__ = "0.1.0"
