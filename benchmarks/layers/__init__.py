"""Normalisation layers, right and faulty, that score `bnproof check-layer`."""
