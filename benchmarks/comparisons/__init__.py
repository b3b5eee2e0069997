"""Side-by-side measurements, one module a subject; `benchmarks/compare.py` runs them."""
