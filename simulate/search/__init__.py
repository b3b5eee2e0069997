"""Search for violations of an inequality, with one search space per module."""
