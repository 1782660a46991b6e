"""Which conversations a run looks at, what it reuses, what it writes, and that the ledger adds up."""
