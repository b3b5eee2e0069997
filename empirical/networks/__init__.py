"""Residual, VGG, fully connected and deep linear networks."""
