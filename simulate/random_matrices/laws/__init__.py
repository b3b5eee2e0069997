"""Limiting laws of singular values, like frozen scipy distributions."""
