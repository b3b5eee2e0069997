"""Comparisons of sampled spectra with laws, one a file."""
