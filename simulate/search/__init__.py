"""The search for violations of an inequality, one search space a module."""
