"""Samplers of random instances, one kind of problem per module."""
