"""SQL that makes the data of the benchmarks, and the floors."""
