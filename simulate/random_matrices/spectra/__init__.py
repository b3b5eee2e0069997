"""Spectra of products of matrices, sampled or given."""
