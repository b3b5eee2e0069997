"""Minibatch noise, backpropagation, conditioning."""
