"""SQL of the sample's report."""
