"""Search for violations of a statement, with one search space per module."""
