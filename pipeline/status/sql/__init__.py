"""SQL of the status report."""
