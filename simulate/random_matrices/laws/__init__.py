"""Limiting laws of singular values, used like frozen `scipy.stats` distributions."""
