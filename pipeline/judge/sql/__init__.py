"""SQL of the judge's ledger."""
