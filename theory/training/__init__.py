"""Minibatch noise, least squares, backpropagation, smoothness, distances of distributions."""
