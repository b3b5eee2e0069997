"""Products of Gaussian matrices: the limiting law, samplers, and the comparison of both."""
