"""Derivations, certificates and their cache."""
