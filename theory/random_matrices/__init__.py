"""The limiting law of singular values of Gaussian products, derived."""
