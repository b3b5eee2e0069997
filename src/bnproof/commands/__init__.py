"""The larger commands, one per module; heavy imports happen inside the functions."""
