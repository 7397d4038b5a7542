"""Benchmarks, one group a file: `run()` yields rows; every speed is a ratio to an alternative timed in the same run."""
