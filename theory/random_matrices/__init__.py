"""Derivations of the limiting law of singular values of Gaussian products."""
