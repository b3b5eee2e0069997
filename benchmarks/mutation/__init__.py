"""The share of single changes to the code that the tests notice; ``python -m benchmarks.mutation``."""
