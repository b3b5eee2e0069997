"""Declared figures: an experiment names what is shown, these modules draw it."""
