"""Grids of training runs or experiments, defined by one file."""
