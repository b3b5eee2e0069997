"""Published measurements of experiments."""
