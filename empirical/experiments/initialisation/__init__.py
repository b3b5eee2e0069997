"""Measured at initialisation."""
