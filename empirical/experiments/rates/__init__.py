"""Learning rates, speed and accuracy."""
