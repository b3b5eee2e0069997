"""Comparisons with other packages, one module per subject; run by `benchmarks/compare.py`."""
