"""Derivations and their certificates."""
