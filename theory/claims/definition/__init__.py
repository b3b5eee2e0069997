"""The layer's definition."""
