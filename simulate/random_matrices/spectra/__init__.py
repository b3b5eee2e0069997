"""Spectra of products: sampled ones, and those of given factors."""
