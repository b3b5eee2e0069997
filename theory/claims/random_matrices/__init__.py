"""Products of Gaussian matrices."""
